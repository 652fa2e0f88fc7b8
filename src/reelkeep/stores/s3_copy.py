"""Copies inside an S3 service: one request up to 5 GiB, in parts above that."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from reelkeep.errors import StoreError, StoreUnavailable
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.s3_parts import completion
from reelkeep.stores.s3_requests import S3Requests
from reelkeep.stores.signer import encode_path

#: The largest object that S3 copies in one request.
COPY_WHOLE_BYTES_MAX = 5 * 1024**3
#: Parts in flight at once.
_PARTS_AT_ONCE = 4


async def copy_object(
    requests: S3Requests,
    source: ObjectFacts,
    target_key: str,
    *,
    headers: Mapping[str, str],
    whole_bytes_max: int,
    part_bytes: int,
) -> None:
    """Copy an object of the same bucket; `headers` go to the request that makes the new object."""
    if source.size_bytes <= whole_bytes_max:
        await requests.send("PUT", target_key, headers={**_origin(requests, source), **headers}, long=True)
        return
    kept = {"content-type": source.content_type} if source.content_type else {}
    started = await requests.send("POST", target_key, query=[("uploads", "")], headers={**kept, **headers})
    upload_id = requests.parse(started).findtext("{*}UploadId") or ""
    try:
        etags = await _copy_parts(requests, source, target_key, upload_id, part_bytes)
        await _refuse_changed_source(requests, source)
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
    requests: S3Requests,
    source: ObjectFacts,
    target_key: str,
    upload_id: str,
    part_bytes: int,
) -> list[str]:
    at_once = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def copy_part(number: int, start: int) -> str:
        end = min(start + part_bytes, source.size_bytes) - 1
        headers = {
            **_origin(requests, source),
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


def _origin(requests: S3Requests, source: ObjectFacts) -> dict[str, str]:
    return {"x-amz-copy-source": f"/{requests.bucket}/{encode_path(source.key)}"}


def _first(group: BaseExceptionGroup[StoreError]) -> StoreError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, StoreError)
    return error


async def _refuse_changed_source(requests: S3Requests, source: ObjectFacts) -> None:
    """Look again: some services (Ceph 16) do not heed `x-amz-copy-source-if-match`."""
    if (await requests.head(source.key)).etag != source.etag:
        raise StoreUnavailable(f"The object {source.key!r} was replaced while it was copied.", key=source.key)


async def _abort(requests: S3Requests, key: str, upload_id: str) -> None:
    with suppress(StoreError):  # what is left is removed by the bucket's rule for unfinished uploads
        await requests.send("DELETE", key, query=[("uploadId", upload_id)])
