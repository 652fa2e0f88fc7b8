"""Objects in parts at an S3 service: multipart uploads, by signed requests; keys here are the service's."""

import xml.etree.ElementTree as ET
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from reelkeep.errors import ObjectNotFound, StoreError, StoreUnavailable
from reelkeep.stores.part_rules import check_part_number, check_parts, etag_of_parts
from reelkeep.stores.protocol import ObjectFacts, PartFacts, PartsUpload
from reelkeep.stores.s3_requests import Body, S3Requests


class S3Parts:
    """The multipart uploads of one bucket; see `TakesParts`."""

    def __init__(self, requests: S3Requests, *, headers: Mapping[str, str], page_entries_max: int) -> None:
        self._requests = requests
        #: For the request that makes an object.
        self._headers = dict(headers)
        self._page_entries_max = page_entries_max

    async def create(
        self, key: str, content_type: str | None, headers: Mapping[str, str] | None = None
    ) -> str:
        """Begin an upload; its id."""
        sent = {**self._headers, **(headers or {})}
        if content_type:
            sent["content-type"] = content_type
        answer = await self._requests.send("POST", key, query=[("uploads", "")], headers=sent)
        upload_id = self._requests.parse(answer).findtext("{*}UploadId")
        if not upload_id:
            raise StoreUnavailable(
                f"The S3 service began an upload of {key!r} and did not say its id.", key=key
            )
        return upload_id

    async def put(self, key: str, upload_id: str, number: int, body: bytes | Body) -> PartFacts:
        """Write one part; the service checks its SHA-256."""
        query = [("partNumber", str(check_part_number(number))), ("uploadId", upload_id)]
        answer = await self._requests.send("PUT", key, query=query, body=body)
        size = body.size_bytes if isinstance(body, Body) else len(body)
        return PartFacts(number, size, answer.headers.get("etag", "").strip('"'), datetime.now(UTC))

    async def list_parts(self, key: str, upload_id: str) -> AsyncGenerator[PartFacts, None]:
        """The parts that have arrived, by number."""
        marker = "0"
        while True:
            query = [
                ("uploadId", upload_id),
                ("max-parts", str(self._page_entries_max)),
                ("part-number-marker", marker),
            ]
            page = self._requests.parse(await self._requests.send("GET", key, query=query))
            for entry in page.iterfind("{*}Part"):
                yield PartFacts(
                    number=int(_text(entry, "PartNumber")),
                    size_bytes=int(_text(entry, "Size")),
                    etag=_text(entry, "ETag").strip('"'),
                    modified_at=datetime.fromisoformat(_text(entry, "LastModified")),
                )
            after = _text(page, "NextPartNumberMarker")
            if _text(page, "IsTruncated") != "true" or after in ("", marker):
                return
            marker = after

    async def complete(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> ObjectFacts:
        """Make these parts the object; again, with the same parts, it tells of the object made before."""
        named = check_parts(parts)
        query = [("uploadId", upload_id)]
        try:
            await self._requests.send("POST", key, query=query, body=completion(named), long=True)
        except (ObjectNotFound, StoreUnavailable) as error:
            return await self._completed_before(key, upload_id, named, error)
        return await self._requests.head(key)

    async def _completed_before(
        self, key: str, upload_id: str, parts: list[tuple[int, str]], error: StoreError
    ) -> ObjectFacts:
        """The object when these parts are it already (the first answer was lost), else the error."""
        with suppress(ObjectNotFound):
            facts = await self._requests.head(key)
            if facts.etag == etag_of_parts([etag for _, etag in parts]):
                return facts
        if error.details.get("s3_code") == "InternalError":
            # Ceph 16 says so of an upload that is not known; then this says it better.
            async with aclosing(self.list_parts(key, upload_id)) as listed:
                await anext(listed, None)
        raise error

    async def abort(self, key: str, upload_id: str) -> None:
        """Remove the parts; nothing happens where the upload is not known."""
        with suppress(ObjectNotFound):
            await self._requests.send("DELETE", key, query=[("uploadId", upload_id)])

    async def list_uploads(self, prefix: str) -> AsyncGenerator[PartsUpload, None]:
        """Every upload under way whose key begins with `prefix`."""
        markers: list[tuple[str, str]] = []
        while True:
            query = [("uploads", ""), ("prefix", prefix), ("max-uploads", str(self._page_entries_max))]
            page = self._requests.parse(await self._requests.send("GET", None, query=[*query, *markers]))
            for entry in page.iterfind("{*}Upload"):
                begun_at = datetime.fromisoformat(_text(entry, "Initiated"))
                yield PartsUpload(_text(entry, "Key"), _text(entry, "UploadId"), begun_at)
            after = [
                ("key-marker", _text(page, "NextKeyMarker")),
                ("upload-id-marker", _text(page, "NextUploadIdMarker")),
            ]
            if _text(page, "IsTruncated") != "true" or after == markers:
                return
            markers = after


def completion(parts: Sequence[tuple[int, str]]) -> bytes:
    """The request that names the parts of an object."""
    named = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{escape(etag)}&quot;</ETag></Part>"
        for number, etag in parts
    )
    return f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>".encode()


def _text(entry: ET.Element, name: str) -> str:
    return entry.findtext("{*}" + name) or ""
