"""Copies inside an S3 service: one request up to 5 GiB, in parts above that."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from reelkeep.errors import StoreError, StoreUnavailable
from reelkeep.stores.metadata import OURS
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.s3_parts import completion
from reelkeep.stores.s3_requests import STANDARD, S3Requests
from reelkeep.stores.signer import encode_path

#: The largest object that S3 copies in one request.
COPY_WHOLE_BYTES_MAX = 5 * 1024**3
#: How the headers begin that carry facts of an object.
DESCRIPTION = "x-amz-meta-" + OURS
#: Parts in flight at once.
_PARTS_AT_ONCE = 4


def class_header(storage_class: str | None, source: ObjectFacts) -> dict[str, str]:
    """What asks for a class; some services (Ceph) take the source's where Amazon S3 takes its own."""
    if storage_class is None and source.storage_class == STANDARD:
        return {}
    return {"x-amz-storage-class": storage_class or STANDARD}


def described(description: Mapping[str, str]) -> dict[str, str]:
    """The headers that carry facts of an object."""
    return {DESCRIPTION + name: value for name, value in description.items()}


async def copy_object(
    requests: S3Requests,
    source: ObjectFacts,
    target_key: str,
    *,
    headers: Mapping[str, str],
    whole_bytes_max: int,
    part_bytes: int,
    description: Mapping[str, str] | None = None,
    source_bucket: S3Requests | None = None,
    version_id: str | None = None,
) -> None:
    """Copy an object of the same bucket, or of `source_bucket` in the same service; or a version of it.

    `headers` go to the request that makes the new object. With a `description` the copy carries that, else
    what the source carries.
    """
    origin = _Origin(source_bucket or requests, source, version_id)
    kept = {"content-type": source.content_type} if source.content_type else {}
    if description is not None:
        headers = {**headers, **described(description)}
    if source.size_bytes <= whole_bytes_max:
        anew = {} if description is None else {**kept, "x-amz-metadata-directive": "REPLACE"}
        headers = {**origin.header, **anew, **headers}
        await requests.send("PUT", target_key, headers=headers, long=True)
        return
    started = await requests.send("POST", target_key, query=[("uploads", "")], headers={**kept, **headers})
    upload_id = requests.parse(started).findtext("{*}UploadId") or ""
    try:
        etags = await _copy_parts(requests, origin, target_key, upload_id, part_bytes=part_bytes)
        await origin.refuse_changed()
        await requests.send(
            "POST",
            target_key,
            query=[("uploadId", upload_id)],
            body=completion(list(enumerate(etags, 1))),
            long=True,
        )
    except BaseException:
        await asyncio.shield(asyncio.ensure_future(_abort(requests, target_key, upload_id)))
        raise


async def _copy_parts(
    requests: S3Requests, origin: "_Origin", target_key: str, upload_id: str, *, part_bytes: int
) -> list[str]:
    source = origin.source
    at_once = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def copy_part(number: int, start: int) -> str:
        end = min(start + part_bytes, source.size_bytes) - 1
        headers = {
            **origin.header,
            "x-amz-copy-source-range": f"bytes={start}-{end}",
            "x-amz-copy-source-if-match": f'"{source.etag}"',
        }
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        async with at_once:
            answer = await requests.send("PUT", target_key, query=query, headers=headers, long=True)
        return (requests.parse(answer).findtext("{*}ETag") or "").strip('"')

    starts = range(0, source.size_bytes, part_bytes)
    try:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(copy_part(n, start)) for n, start in enumerate(starts, 1)]
    except* StoreError as failed:
        raise _first(failed) from failed
    return [part.result() for part in parts]


@dataclass(frozen=True, slots=True)
class _Origin:
    """What is copied: an object as it is, or one version of it."""

    bucket: S3Requests
    source: ObjectFacts
    version_id: str | None

    @property
    def header(self) -> dict[str, str]:
        """How a request names it."""
        version = f"?versionId={quote(self.version_id, safe='')}" if self.version_id else ""
        return {"x-amz-copy-source": f"/{self.bucket.bucket}/{encode_path(self.source.key)}{version}"}

    async def refuse_changed(self) -> None:
        """Look again: some services (Ceph 16) do not heed `x-amz-copy-source-if-match`."""
        source = self.source
        if (await self.bucket.head(source.key, self.version_id)).etag != source.etag:
            raise StoreUnavailable(
                f"The object {source.key!r} was replaced while it was copied.", key=source.key
            )


def _first(group: BaseExceptionGroup[StoreError]) -> StoreError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, StoreError)
    return error


async def _abort(requests: S3Requests, key: str, upload_id: str) -> None:
    with suppress(StoreError):  # what is left is removed by the bucket's rule for unfinished uploads
        await requests.send("DELETE", key, query=[("uploadId", upload_id)])
