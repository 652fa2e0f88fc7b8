"""Checks requests that are signed in their `Authorization` header (AWS Signature Version 4).

Source: Amazon S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload
in a Single Chunk". Payloads signed chunk by chunk are refused by whoever reads the body.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.signer import ALGORITHM, canonical_request, encode, signature, string_to_sign
from reelkeep.stores.verifier import (
    CLOCK_SKEW,
    FindCredentials,
    SignedRequest,
    check_token,
    compare,
    credentials_of,
    signed_headers,
    too_skewed,
)

_FORM = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<scope>[^\s,]+)\s*,\s*SignedHeaders=(?P<names>[^\s,]+)\s*,"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Authorization:
    """An `Authorization` header taken apart."""

    #: KEY/DAY/REGION/s3/aws4_request
    scope: str
    #: Names in lower case, joined by semicolons.
    signed_headers: str
    signature: str

    @classmethod
    def parse(cls, header: str) -> "Authorization":
        """The header's parts, or S3's refusal of one that is made otherwise."""
        found = _FORM.fullmatch(header.strip())
        if found is None:
            raise S3Refusal(
                "AuthorizationHeaderMalformed",
                f"The authorization header must be: {ALGORITHM} Credential=KEY/DAY/REGION/s3/aws4_request, "
                "SignedHeaders=NAMES, Signature=HEX.",
            )
        return cls(found["scope"], found["names"], found["signature"])


def is_signed_in_header(header: str | None) -> bool:
    """Whether an `Authorization` header is one of these; browsers and proxies may add others."""
    return header is not None and header.startswith("AWS")


def verify_header(
    request: SignedRequest, given: Authorization, find: FindCredentials, region: str, now: datetime
) -> None:
    """Check a signed request: its time within 15 minutes of ours, its headers, its signature.

    That the body is the one whose digest was signed is for its reader to check.
    """
    if len({name for name, _ in request.query}) != len(request.query):
        raise S3Refusal("InvalidArgument", "A query parameter is given more than once.")
    credentials, day = credentials_of(given.scope, find, region, code="AuthorizationHeaderMalformed")
    check_token(request.headers.get("x-amz-security-token"), credentials)
    timestamp = _timestamp(request, day, now)
    payload = request.headers.get("x-amz-content-sha256")
    if payload is None:
        raise S3Refusal(
            "MissingSecurityHeader",
            "Your request is missing a required header. With curl --aws-sigv4, add "
            "-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'.",
            MissingHeaderName="x-amz-content-sha256",
        )
    signed = signed_headers(request.headers, given.signed_headers, request.host)
    pairs = [(encode(name), encode(value)) for name, value in request.query]
    canonical = canonical_request(request.method, request.path, pairs, signed, payload)
    text = string_to_sign(timestamp, region, canonical)
    compare(signature(credentials.secret_key, day, region, text), given.signature)


def _timestamp(request: SignedRequest, day: str, now: datetime) -> str:
    timestamp = request.headers.get("x-amz-date", "")
    try:
        signed_at = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise S3Refusal(
            "AccessDenied", "AWS authentication requires a valid x-amz-date header, as 20260131T235959Z."
        ) from None
    if abs(signed_at - now) > CLOCK_SKEW:
        raise too_skewed(signed_at, now)
    if timestamp[:8] != day:
        raise S3Refusal(
            "AuthorizationHeaderMalformed",
            "The authorization header names another day than x-amz-date.",
        )
    return timestamp
