"""AWS Signature Version 4 for S3: signs URLs, requests and POST policies.

Source: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)". The parts of the
calculation are functions, so that `verifier.py` checks requests with the same code that signs them.
"""

import base64
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

from reelkeep.clock import Clock, SystemClock

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_PAYLOAD = sha256(b"").hexdigest()
#: Seven days: the longest life that S3 gives a presigned URL.
EXPIRES_SECONDS_MAX = 604_800

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key with its secret; `session_token` belongs to temporary ones."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where buckets are reached: `scheme://host/prefix/bucket/key`, or `scheme://bucket.host/prefix/key`."""

    scheme: str
    #: Lower case, with the port where it is not the scheme's own.
    host: str
    #: Empty, or begins with a slash and does not end with one.
    path_prefix: str = ""
    virtual_host: bool = False

    @classmethod
    def from_url(cls, url: str, *, virtual_host: bool = False) -> "Endpoint":
        """The endpoint that a URL such as `https://s3.example.org:9000/prefix` names."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an address such as https://s3.example.org")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        if parts.port and parts.port != {"http": 80, "https": 443}[parts.scheme]:
            host = f"{host}:{parts.port}"
        return cls(parts.scheme, host, quote(parts.path.rstrip("/"), safe="/%~"), virtual_host)

    def locate(self, bucket: str, key: str | None) -> tuple[str, str]:
        """The host and the encoded path of an object, or of the bucket when `key` is None."""
        if self.virtual_host:
            return f"{bucket}.{self.host}", f"{self.path_prefix}/{encode_path(key or '')}"
        path = f"{self.path_prefix}/{encode(bucket)}"
        return self.host, path if key is None else f"{path}/{encode_path(key)}"

    def origin(self, bucket: str) -> str:
        """Scheme, host and port that clients meet."""
        return f"{self.scheme}://{self.locate(bucket, None)[0]}"


def encode(text: str) -> str:
    """Percent-encode as the signature wants it: all but unreserved characters, slashes too."""
    return quote(text, safe="-._~")


def encode_path(path: str) -> str:
    """Percent-encode a key; its slashes stay."""
    return quote(path, safe="/-._~")


def amz_date(moment: datetime) -> str:
    """A moment as `20260131T235959Z`."""
    return moment.strftime("%Y%m%dT%H%M%SZ")


@lru_cache(maxsize=64)
def signing_key(secret_key: str, day: str, region: str) -> bytes:
    """The key of one day and region; kept, because deriving it is half of a signature's cost."""
    key = b"AWS4" + secret_key.encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_request(
    method: str, path: str, query: Pairs, headers: Mapping[str, str], payload: str = UNSIGNED_PAYLOAD
) -> str:
    """The text whose digest is signed. `query` is encoded already; header names are in lower case."""
    names = sorted(headers)
    query_string = "&".join([f"{name}={value}" for name, value in sorted(query)])
    lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
    return f"{method}\n{path}\n{query_string}\n{lines}\n{';'.join(names)}\n{payload}"


def string_to_sign(timestamp: str, region: str, request: str) -> str:
    """What is signed for a request: time, scope and the digest of its canonical form."""
    digest = sha256(request.encode()).hexdigest()
    return f"{ALGORITHM}\n{timestamp}\n{timestamp[:8]}/{region}/s3/aws4_request\n{digest}"


def signature(secret_key: str, day: str, region: str, text: str) -> str:
    """The signature of a text, in lower-case hex."""
    return hmac.digest(signing_key(secret_key, day, region), text.encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one endpoint and region, with credentials asked for at each signature."""

    endpoint: Endpoint
    region: str
    credentials: Callable[[], Credentials]
    clock: Clock = field(default_factory=SystemClock)

    def presign(
        self,
        method: str,
        bucket: str,
        key: str | None,
        *,
        expires_in_seconds: int,
        query: Pairs = (),
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """A URL that carries its own authority.

        `query` joins the URL (part numbers, response overrides); `headers`, named in lower case, must be
        sent by the client exactly as given here.
        """
        credentials, timestamp = self.credentials(), amz_date(self.clock.now())
        host, path = self.endpoint.locate(bucket, key)
        signed = {**(headers or {}), "host": host}
        pairs = [(encode(name), encode(value)) for name, value in query]
        pairs += [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", encode(self._credential(credentials, timestamp))),
            ("X-Amz-Date", timestamp),
            ("X-Amz-Expires", str(expires_in_seconds)),
            ("X-Amz-SignedHeaders", "%3B".join(sorted(signed))),
        ]
        if credentials.session_token is not None:
            pairs.append(("X-Amz-Security-Token", encode(credentials.session_token)))
        request = canonical_request(method, path, pairs, signed)
        proof = self._sign(credentials, timestamp, string_to_sign(timestamp, self.region, request))
        query_string = "&".join([f"{name}={value}" for name, value in pairs])
        return f"{self.endpoint.scheme}://{host}{path}?{query_string}&X-Amz-Signature={proof}"

    def sign_request(
        self,
        method: str,
        bucket: str,
        key: str | None,
        *,
        query: Pairs = (),
        headers: Mapping[str, str] | None = None,
        payload_sha256: str = EMPTY_PAYLOAD,
    ) -> tuple[str, dict[str, str]]:
        """The URL and headers of a request that this process sends itself; `headers` are in lower case."""
        credentials, timestamp = self.credentials(), amz_date(self.clock.now())
        host, path = self.endpoint.locate(bucket, key)
        sent = {**(headers or {}), "x-amz-content-sha256": payload_sha256, "x-amz-date": timestamp}
        if credentials.session_token:
            sent["x-amz-security-token"] = credentials.session_token
        signed = {**sent, "host": host}
        pairs = [(encode(name), encode(value)) for name, value in query]
        request = canonical_request(method, path, pairs, signed, payload_sha256)
        proof = self._sign(credentials, timestamp, string_to_sign(timestamp, self.region, request))
        sent["authorization"] = (
            f"{ALGORITHM} Credential={self._credential(credentials, timestamp)}, "
            f"SignedHeaders={';'.join(sorted(signed))}, Signature={proof}"
        )
        query_string = "&".join([f"{name}={value}" for name, value in pairs])
        return f"{self.endpoint.scheme}://{host}{path}{'?' if query_string else ''}{query_string}", sent

    def post_form(
        self,
        bucket: str,
        key: str,
        *,
        expires_in_seconds: int,
        fields: Mapping[str, str] | None = None,
        conditions: Sequence[Any] = (),
    ) -> tuple[str, dict[str, str]]:
        """The address and fields of an HTML form that writes one object.

        Every field of `fields` needs its condition in `conditions`; bucket, key and the signature's own
        fields get theirs here.
        """
        credentials, now = self.credentials(), self.clock.now()
        timestamp = amz_date(now)
        own = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": self._credential(credentials, timestamp),
            "x-amz-date": timestamp,
        }
        if credentials.session_token is not None:
            own["x-amz-security-token"] = credentials.session_token
        expiration = (now + timedelta(seconds=expires_in_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        own_conditions = [{name: value} for name, value in {"bucket": bucket, "key": key, **own}.items()]
        policy = {"expiration": expiration, "conditions": [*conditions, *own_conditions]}
        encoded = base64.b64encode(json.dumps(policy).encode()).decode()
        proof = self._sign(credentials, timestamp, encoded)
        form = {**(fields or {}), "key": key, **own, "policy": encoded, "x-amz-signature": proof}
        host, path = self.endpoint.locate(bucket, None)
        return f"{self.endpoint.scheme}://{host}{path}", form

    def _credential(self, credentials: Credentials, timestamp: str) -> str:
        return f"{credentials.access_key}/{timestamp[:8]}/{self.region}/s3/aws4_request"

    def _sign(self, credentials: Credentials, timestamp: str, text: str) -> str:
        return signature(credentials.secret_key, timestamp[:8], self.region, text)
