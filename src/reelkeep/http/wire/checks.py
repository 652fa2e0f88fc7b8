"""What a request to write declares of its bytes, and what the wire cannot do for it."""

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Iterable

from reelkeep.http.wire.exchange import Exchange
from reelkeep.stores.conditions import ALWAYS, OnlyIf
from reelkeep.stores.local_files import ExpectedBytes
from reelkeep.stores.refusals import S3Refusal

#: Query parameters and headers that carry the signature or say nothing that binds.
_HARMLESS = {
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-user-agent",
    "x-id",
}
#: What some tools always say, and what is so in any case.
_TRUE_ANYWAY = {"x-amz-acl": "private", "x-amz-storage-class": "STANDARD"}
#: Any name that begins so (`metadata.py`).
METADATA = "x-amz-meta-"
CHECKSUMS = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-crc32", "x-amz-checksum-sha256"})
_UNSIGNED = {"", "UNSIGNED-PAYLOAD"}
_CHUNKED = (
    "Bodies that are cut into signed chunks, or end in a trailer, are not spoken here. Switch them off: with "
    'boto3 Config(request_checksum_calculation="when_required"), for the AWS command line '
    "AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED, elsewhere the chunked encoding of payloads. "
    "The checksums spoken here are CRC32 and SHA256"
)


def refuse_unspoken(exchange: Exchange, spoken: frozenset[str]) -> None:
    """Refuse what would change the meaning of a request and is not spoken here, rather than ignore it."""
    names = {name.lower() for name, _ in exchange.query}
    names |= {name for name in exchange.headers if name.startswith("x-amz-")}
    names = {METADATA if name.startswith(METADATA) else name for name in names}
    names -= {name for name, value in _TRUE_ANYWAY.items() if exchange.headers.get(name) == value}
    if "aws-chunked" in exchange.headers.get("content-encoding", ""):
        names.add("content-encoding")
    if exchange.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        refuse_names(["x-amz-content-sha256"])
    refuse_names(sorted(names - _HARMLESS - spoken))


def refuse_names(unknown: Iterable[str]) -> None:
    """Refuse when there are names that nothing here answers to."""
    first = next(iter(unknown), None)
    if first is None:
        return
    message = f"A header or query you provided implies functionality that is not implemented: {first}"
    if first.startswith(("x-amz-checksum", "x-amz-trailer", "x-amz-content", "x-amz-decoded", "content-enc")):
        message = f"{_CHUNKED}: {first}"
    raise S3Refusal("NotImplemented", message, Header=first)


def content_length(exchange: Exchange, bytes_max: int) -> int:
    """The declared length of the body, known before any of it is read."""
    text = exchange.headers.get("content-length")
    if text is None:
        raise S3Refusal("MissingContentLength", "You must provide the Content-Length HTTP header.")
    length = int(text) if text.isascii() and text.isdigit() else -1
    if length < 0:
        raise S3Refusal("InvalidArgument", "The Content-Length HTTP header is not a number.")
    if length > bytes_max:
        raise too_large(length, bytes_max)
    return length


def number_of(exchange: Exchange, name: str, default: int, most: int) -> int:
    """A number in the query, at most `most`."""
    text = dict(exchange.query).get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise S3Refusal(
            "InvalidArgument",
            f"Provided {name} not an integer or within integer range",
            ArgumentName=name,
            ArgumentValue=text,
        )
    return min(int(text), most)


def too_large(size_bytes: int, bytes_max: int) -> S3Refusal:
    """The refusal of a body over its limit."""
    return S3Refusal(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        ProposedSize=str(size_bytes),
        MaxSizeAllowed=str(bytes_max),
    )


def only_if(exchange: Exchange) -> OnlyIf:
    """The conditions of a write."""
    none_match, match = exchange.headers.get("if-none-match"), exchange.headers.get("if-match")
    if none_match is None and match is None:
        return ALWAYS
    if none_match not in (None, "*"):
        raise S3Refusal(
            "NotImplemented",
            "If-None-Match of a write may only be *: write where nothing is.",
            Header="If-None-Match",
        )
    return OnlyIf(none_match is not None, match.strip().strip('"') if match is not None else None)


def expected_of_body(exchange: Exchange, length: int) -> ExpectedBytes:
    """The length and digests that the headers or the URL declare of a body."""
    payload = exchange.given("x-amz-content-sha256") or ""
    checksum = _hex(exchange.given("x-amz-checksum-sha256"), 32, "x-amz-checksum-sha256")
    if payload in _UNSIGNED:
        sha256 = checksum
    else:
        sha256 = _payload_digest(payload)
        if checksum not in (None, sha256):
            raise S3Refusal(
                "BadDigest", "The x-amz-checksum-sha256 and x-amz-content-sha256 you gave differ."
            )
    return ExpectedBytes(
        size_bytes=length,
        sha256=sha256,
        md5=_hex(exchange.headers.get("content-md5"), 16, "Content-MD5"),
        crc32=_hex(exchange.given("x-amz-checksum-crc32"), 4, "x-amz-checksum-crc32"),
    )


def expected_of_form(fields: dict[str, str]) -> ExpectedBytes:
    """The digests that a form declares."""
    return ExpectedBytes(
        sha256=_hex(fields.get("x-amz-checksum-sha256"), 32, "x-amz-checksum-sha256"),
        md5=_hex(fields.get("content-md5"), 16, "Content-MD5"),
        crc32=_hex(fields.get("x-amz-checksum-crc32"), 4, "x-amz-checksum-crc32"),
    )


def echoed(exchange: Exchange) -> dict[str, str]:
    """The checksums that were declared and have been checked, for the answer."""
    names = ("x-amz-checksum-crc32", "x-amz-checksum-sha256")
    return {name: value for name in names if (value := exchange.given(name)) is not None}


async def read_document(exchange: Exchange, bytes_max: int) -> bytes:
    """A small body, which must be the one that was signed and declared."""
    body = await exchange.read(bytes_max)
    expected = expected_of_body(exchange, len(body))
    sha256, md5 = hashlib.sha256(body).hexdigest(), hashlib.md5(body, usedforsecurity=False).hexdigest()
    if expected.sha256 is not None and not hmac.compare_digest(expected.sha256, sha256):
        raise S3Refusal(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ClientComputedContentSHA256=expected.sha256,
            S3ComputedContentSHA256=sha256,
        )
    if expected.md5 not in (None, md5):
        raise S3Refusal("BadDigest", "The Content-MD5 you specified did not match what we received.")
    if expected.crc32 not in (None, f"{zlib.crc32(body):08x}"):
        raise S3Refusal("BadDigest", "The CRC32 you specified did not match what we received.")
    return body


def _payload_digest(payload: str) -> str:
    if len(payload) != 64 or payload.strip("0123456789abcdef"):
        raise S3Refusal(
            "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value."
        )
    return payload


def _hex(encoded: str | None, length: int, name: str) -> str | None:
    """A digest in lower-case hex from the base64 of a header."""
    if encoded is None:
        return None
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != length:
        code = "InvalidDigest" if name == "Content-MD5" else "InvalidRequest"
        raise S3Refusal(code, f"Value for {name} header is invalid.")
    return raw.hex()
