"""What a request to write declares, and what the wire cannot do for it."""

import base64
import binascii
from collections.abc import Iterable

from reelkeep.http.wire.exchange import Exchange
from reelkeep.stores.local_files import ExpectedBytes
from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.verifier import SignedRequest

#: Query parameters and headers that carry the signature or say nothing that binds.
_HARMLESS = {
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-user-agent",
    "x-id",
}
_CHECKED = {
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-sha256",
    "x-amz-content-sha256",
    "x-amz-sdk-checksum-algorithm",
}
_UNSIGNED = {"", "UNSIGNED-PAYLOAD"}


def signed_request(exchange: Exchange, host: str, path: str) -> SignedRequest:
    """The request as `verifier` checks it."""
    return SignedRequest(exchange.method, host, path, exchange.query, exchange.headers)


def refuse_unspoken(exchange: Exchange) -> None:
    """Refuse what would change the meaning of a request and is not spoken here, rather than ignore it."""
    names = {name.lower() for name, _ in exchange.query if not name.startswith("response-")}
    names |= {name for name in exchange.headers if name.startswith("x-amz-")}
    unknown = sorted(names - _HARMLESS - _CHECKED)
    if exchange.method == "PUT":
        unknown += [name for name in ("if-match", "if-none-match") if name in exchange.headers]
        unknown += (
            ["content-encoding"] if "aws-chunked" in exchange.headers.get("content-encoding", "") else []
        )
    refuse_names(unknown)


def refuse_names(unknown: Iterable[str]) -> None:
    """Refuse when there are names that nothing here answers to."""
    first = next(iter(unknown), None)
    if first is not None:
        raise S3Refusal(
            "NotImplemented",
            f"A header or query you provided implies functionality that is not implemented: {first}",
            Header=first,
        )


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


def too_large(size_bytes: int, bytes_max: int) -> S3Refusal:
    """The refusal of a body over its limit."""
    return S3Refusal(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        ProposedSize=str(size_bytes),
        MaxSizeAllowed=str(bytes_max),
    )


def expected_of_put(exchange: Exchange, length: int) -> ExpectedBytes:
    """The length and digests that a PUT declares."""
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


def _payload_digest(payload: str) -> str:
    if payload.startswith("STREAMING-"):
        refuse_names(["x-amz-content-sha256"])
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
