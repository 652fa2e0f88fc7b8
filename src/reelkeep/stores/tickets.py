"""Tickets and links that a signer makes; the local and the S3 store share them."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from reelkeep.stores.keys import check_key
from reelkeep.stores.protocol import Ticket, TicketLimits
from reelkeep.stores.signer import Signer


class SignedAccess:
    """The `SignsUrls` ability of a store whose bucket clients reach by SigV4."""

    def __init__(
        self,
        signer: Signer,
        bucket: str,
        prefix: str = "",
        *,
        encryption_headers: Mapping[str, str] | None = None,
        checksums: bool = True,
    ) -> None:
        self._signer = signer
        self._bucket = bucket
        self._prefix = prefix
        self._encryption_headers = dict(encryption_headers or {})
        self._checksums = checksums

    def post(self, limits: TicketLimits) -> Ticket:
        """A form that may write one object of the type and sizes allowed."""
        fields = {"Content-Type": limits.content_type, **self._extras(limits)}
        conditions: list[Any] = [
            *({name: value} for name, value in fields.items()),
            ["content-length-range", limits.size_bytes_min, limits.size_bytes_max],
        ]
        url, form = self._signer.post_form(
            self._bucket,
            self._prefix + check_key(limits.key),
            expires_in_seconds=limits.expires_in_seconds,
            fields=fields,
            conditions=conditions,
        )
        return Ticket("POST", url, form)

    def put(self, limits: TicketLimits) -> Ticket:
        """A presigned PUT; its fields are headers that must be sent as they are."""
        headers = {"content-type": limits.content_type, **self._extras(limits)}
        url = self._signer.presign(
            "PUT",
            self._bucket,
            self._prefix + check_key(limits.key),
            expires_in_seconds=limits.expires_in_seconds,
            headers=headers,
        )
        return Ticket("PUT", url, headers)

    def get(
        self, key: str, expires_in_seconds: int, content_type: str | None, download_as: str | None
    ) -> str:
        """A presigned GET that may set the answer's type and the name to save under."""
        query = []
        if content_type is not None:
            query.append(("response-content-type", content_type))
        if download_as is not None:
            query.append(("response-content-disposition", attachment(download_as)))
        return self._signer.presign(
            "GET",
            self._bucket,
            self._prefix + check_key(key),
            expires_in_seconds=expires_in_seconds,
            query=query,
        )

    def any(
        self, method: str, key: str, expires_in_seconds: int, query: Iterable[tuple[str, str]] = ()
    ) -> str:
        """A presigned URL for any other request on this key; its method and whole query are signed."""
        return self._signer.presign(
            method,
            self._bucket,
            self._prefix + check_key(key),
            expires_in_seconds=expires_in_seconds,
            query=query,
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port that a browser meets."""
        return self._signer.endpoint.origin(self._bucket)

    def _extras(self, limits: TicketLimits) -> dict[str, str]:
        extras = dict(self._encryption_headers)
        if limits.sha256 is not None and self._checksums:
            extras["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(limits.sha256)).decode()
        return extras


def attachment(file_name: str) -> str:
    """A `Content-Disposition` that saves under any name (RFC 6266, with RFC 8187 for what is not ASCII).

    Old clients read the plain `filename`, in which other characters are an underscore.
    """
    clean = "".join("_" if c in "/\\" or not c.isprintable() else c for c in file_name).strip() or "download"
    clean = clean.encode("utf-8", "replace").decode()
    plain = "".join(c if c.isascii() and c not in '"%' else "_" for c in clean)
    if plain == clean:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='!#$&+-.^_`|~')}"
