"""Checks what `signer.py` signs: presigned URLs and POST policies, in constant time.

Every refusal is an `S3Refusal` with the code that Amazon S3 gives in the same case.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.signer import (
    ALGORITHM,
    EXPIRES_SECONDS_MAX,
    UNSIGNED_PAYLOAD,
    Credentials,
    canonical_request,
    encode,
    signature,
    string_to_sign,
)

#: How far ahead of ours a signer's clock may be.
CLOCK_SKEW = timedelta(minutes=15)
#: Fields of a POST form that need no condition in its policy.
UNCONDITIONAL_FIELDS = frozenset({"x-amz-signature", "policy", "file"})

FindCredentials = Callable[[str], Credentials | None]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it was signed: for our public address, never for the Host header it came with."""

    method: str
    host: str
    #: Encoded as `signer.encode_path` does.
    path: str
    #: Decoded pairs, in any order.
    query: Sequence[tuple[str, str]]
    #: Names in lower case.
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PostPolicy:
    """A policy whose signature is right: what its form may say, and how large the file may be."""

    conditions: Sequence[Any]
    size_bytes_min: int
    size_bytes_max: int | None

    def check_fields(self, fields: Mapping[str, str]) -> None:
        """Refuse a form that breaks a condition or carries a field that none covers.

        `fields` are named in lower case and include the bucket of the form's address.
        """
        covered = {_check_condition(condition, fields) for condition in self.conditions}
        extra = sorted(
            name
            for name in fields.keys() - covered - UNCONDITIONAL_FIELDS
            if not name.startswith("x-ignore-")
        )
        if extra:
            raise S3Refusal(
                "AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(extra)}"
            )


def verify_query(request: SignedRequest, find: FindCredentials, region: str, now: datetime) -> None:
    """Check a presigned URL: its parameters, age and signature.

    Headers whose name begins with `x-amz-` must be among those signed, else anyone could add one.
    """
    query = dict(request.query)
    if "X-Amz-Signature" not in query:
        raise S3Refusal("AccessDenied", "Access Denied: the request is not signed. Use a presigned URL.")
    if len(query) != len(request.query):
        raise S3Refusal("AuthorizationQueryParametersError", "A query parameter is given more than once.")
    _check_algorithm(query.get("X-Amz-Algorithm"))
    credentials, day = credentials_of(query.get("X-Amz-Credential", ""), find, region)
    timestamp = query.get("X-Amz-Date", "")
    check_token(query.get("X-Amz-Security-Token"), credentials)
    _check_age(_signed_at(timestamp, day), query.get("X-Amz-Expires", ""), now)
    signed = signed_headers(request.headers, query.get("X-Amz-SignedHeaders", ""), request.host)
    pairs = [(encode(n), encode(v)) for n, v in request.query if n != "X-Amz-Signature"]
    text = string_to_sign(
        timestamp,
        region,
        canonical_request(request.method, request.path, pairs, signed, UNSIGNED_PAYLOAD),
    )
    compare(signature(credentials.secret_key, day, region, text), query["X-Amz-Signature"])


def verify_policy(fields: Mapping[str, str], find: FindCredentials, region: str, now: datetime) -> PostPolicy:
    """Check the signature and the age of a POST form's policy, and read it. Field names are in lower case."""
    for name in ("policy", "x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date"):
        if name not in fields:
            raise S3Refusal(
                "AccessDenied" if name == "policy" else "InvalidArgument",
                f"Bucket POST must contain a field named '{name}'. "
                "If it is specified, please check the order of the fields.",
            )
    _check_algorithm(fields["x-amz-algorithm"])
    credentials, day = credentials_of(fields["x-amz-credential"], find, region)
    check_token(fields.get("x-amz-security-token"), credentials)
    _signed_at(fields["x-amz-date"], day)
    compare(signature(credentials.secret_key, day, region, fields["policy"]), fields["x-amz-signature"])
    return _read_policy(fields["policy"], now)


def _check_algorithm(algorithm: str | None) -> None:
    if algorithm != ALGORITHM:
        raise S3Refusal("AuthorizationQueryParametersError", f"X-Amz-Algorithm only supports {ALGORITHM!r}.")


def access_key_of(scope: str) -> str:
    """The access key that a scope names; nothing is checked yet."""
    return scope.rsplit("/", 4)[0]


def credentials_of(
    scope: str, find: FindCredentials, region: str, code: str = "AuthorizationQueryParametersError"
) -> tuple[Credentials, str]:
    """The credentials a scope names, and its day."""
    access_key, *rest = scope.rsplit("/", 4)
    if len(rest) != 4 or rest[1:] != [region, "s3", "aws4_request"]:
        raise S3Refusal(
            code, f"Error parsing the credential; it must be KEY/DAY/{region}/s3/aws4_request.", Region=region
        )
    credentials = find(access_key)
    if credentials is None:
        raise S3Refusal("InvalidAccessKeyId", "The access key Id you provided does not exist in our records.")
    return credentials, rest[0]


def check_token(token: str | None, credentials: Credentials) -> None:
    """Refuse temporary credentials without their token, and a token that is not theirs."""
    if not hmac.compare_digest((token or "").encode(), (credentials.session_token or "").encode()):
        raise S3Refusal("InvalidToken", "The provided token is malformed or otherwise invalid.")


def _signed_at(timestamp: str, day: str) -> datetime:
    try:
        moment = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or timestamp[:8] != day:
        raise S3Refusal(
            "AuthorizationQueryParametersError",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\", "
            "on the day that X-Amz-Credential names.",
        )
    return moment


def _check_age(signed_at: datetime, expires: str, now: datetime) -> None:
    if not (expires.isascii() and expires.isdigit()) or int(expires[:9]) > EXPIRES_SECONDS_MAX:
        raise S3Refusal(
            "AuthorizationQueryParametersError",
            f"X-Amz-Expires must be a number of seconds, at most {EXPIRES_SECONDS_MAX} (a week).",
        )
    if signed_at - now > CLOCK_SKEW:
        raise too_skewed(signed_at, now)
    if now >= signed_at + timedelta(seconds=int(expires)):
        raise S3Refusal("AccessDenied", "Request has expired", ServerTime=now.isoformat())


def too_skewed(signed_at: datetime, now: datetime) -> S3Refusal:
    """The refusal of a signer whose clock is wrong."""
    return S3Refusal(
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large. Set your clock.",
        RequestTime=signed_at.strftime("%Y%m%dT%H%M%SZ"),
        ServerTime=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        MaxAllowedSkewMilliseconds=str(int(CLOCK_SKEW.total_seconds() * 1000)),
    )


def signed_headers(headers: Mapping[str, str], names: str, host: str) -> dict[str, str]:
    """The headers that were signed; refuses when one that has to be was not."""
    wanted = names.split(";")
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in wanted]
    if "host" not in wanted or unsigned:
        raise S3Refusal(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(unsigned or ["host"]),
        )
    return {name: host if name == "host" else headers.get(name, "") for name in wanted}


def compare(expected: str, given: str) -> None:
    """Refuse a signature that is not the one expected, in constant time."""
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise S3Refusal(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )


def _read_policy(encoded: str, now: datetime) -> PostPolicy:
    try:
        document = json.loads(base64.b64decode(encoded, validate=True))
        expiration = datetime.fromisoformat(document["expiration"])
        conditions = list(document["conditions"])
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _invalid_policy("it must be JSON in base64 with 'expiration' and 'conditions'") from error
    if expiration.tzinfo is None:
        raise _invalid_policy("'expiration' must name its time zone, as in 2026-01-31T12:00:00Z")
    if now >= expiration:
        raise S3Refusal("AccessDenied", "Invalid according to Policy: Policy expired.")
    ranges = [c for c in conditions if isinstance(c, list) and c and _lower(c[0]) == "content-length-range"]
    return PostPolicy(conditions, *_size_range(ranges))


def _size_range(ranges: Sequence[list[Any]]) -> tuple[int, int | None]:
    if not ranges:
        return 0, None
    if any(len(r) != 3 or not all(_is_size(limit) for limit in r[1:]) for r in ranges):
        raise _invalid_policy("'content-length-range' must be followed by two whole numbers")
    return max(int(r[1]) for r in ranges), min(int(r[2]) for r in ranges)


def _is_size(limit: Any) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", str(limit)) is not None


def _check_condition(condition: Any, fields: Mapping[str, str]) -> str:
    """The lower-case name of the field that a condition covers, once the field has met it."""
    match condition:
        case dict() if len(condition) == 1:
            (name, wanted), operator = next(iter(condition.items())), "eq"
        case ["content-length-range", _, _]:
            return "content-length-range"
        case [str(operator), str(name), wanted] if name.startswith("$"):
            name, operator = name[1:], operator.lower()
        case _:
            raise _invalid_policy(f"unknown condition {json.dumps(condition)[:200]}")
    name, given = _lower(name), fields.get(_lower(name))
    if operator not in ("eq", "starts-with") or not isinstance(wanted, str):
        raise _invalid_policy(f"unknown condition {json.dumps(condition)[:200]}")
    met = given is not None and (given == wanted if operator == "eq" else given.startswith(wanted))
    if not met:
        raise S3Refusal(
            "AccessDenied",
            f'Invalid according to Policy: Policy Condition failed: ["{operator}", "${name}", "{wanted}"]',
        )
    return name


def _invalid_policy(reason: str) -> S3Refusal:
    return S3Refusal("InvalidPolicyDocument", f"Invalid Policy: {reason}.")


def _lower(name: Any) -> str:
    return name.lower() if isinstance(name, str) else ""
