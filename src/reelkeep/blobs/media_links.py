"""Addresses of our own for a blob's bytes: who knows one may read that blob until it ends, and nothing else.

For media elements and downloads, which cannot send a bearer. A link names an organization, a blob, an end,
how the bytes are shown and under which name; an HMAC of the installation covers it all.
"""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from reelkeep.errors import ErrorCode, NotFound
from reelkeep.runtime import Runtime, Secrets

MEDIA_PATH = "/media"
_KEY = "media link"
_PROOF_BYTES = 16
_LENGTH_MAX = 4096


@dataclass(frozen=True, slots=True)
class MediaLink:
    """What a link lets its holder read."""

    organization_id: UUID
    blob_id: UUID
    expires_at: datetime
    filename: str
    #: To be saved under its name; otherwise shown in place.
    download: bool


def media_url(runtime: Runtime, link: MediaLink) -> str:
    """The address of a link."""
    return f"{runtime.settings.base_url}{MEDIA_PATH}/{media_token(runtime.secrets, link)}"


def media_token(secrets: Secrets, link: MediaLink) -> str:
    """The link as text, signed."""
    told = [
        link.organization_id.hex,
        link.blob_id.hex,
        int(link.expires_at.timestamp()),
        int(link.download),
        link.filename,
    ]
    payload = _encode(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())
    return f"{payload}.{_proof(secrets, payload)}"


def read_media_token(secrets: Secrets, token: str, now: datetime) -> MediaLink:
    """The link that a token tells; `MEDIA_LINK_INVALID` when it has ended, was changed, or is not ours."""
    payload, _, proof = token.partition(".")
    whole = len(token) <= _LENGTH_MAX and token.isascii()
    if not whole or not hmac.compare_digest(proof, _proof(secrets, payload)):
        raise _invalid("This link is not one of ours, or was changed. Ask for a new one.")
    try:
        organization, blob, expires, download, filename = json.loads(_decode(payload))
    except (ValueError, binascii.Error) as error:  # signed by us, and by another version
        raise _invalid("This link is not valid any more. Ask for a new one.") from error
    expires_at = datetime.fromtimestamp(expires, UTC)
    if expires_at <= now:
        raise _invalid("This link has ended. Ask for a new one.")
    return MediaLink(UUID(organization), UUID(blob), expires_at, filename, bool(download))


def _proof(secrets: Secrets, payload: str) -> str:
    return _encode(hmac.digest(secrets.derive(_KEY), payload.encode(), "sha256")[:_PROOF_BYTES])


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _invalid(message: str) -> NotFound:
    return NotFound(message, ErrorCode.MEDIA_LINK_INVALID)
