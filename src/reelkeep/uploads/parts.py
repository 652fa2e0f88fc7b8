"""The parts of a multipart upload as the store has them, and how they become the incoming object."""

from collections.abc import Sequence
from typing import Any

from reelkeep.errors import Conflict, ErrorCode, ObjectNotFound, StoreRefused, WrongBytes
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import PART_BYTES_MIN, PART_NUMBER_MAX, PartFacts, Store, TakesParts
from reelkeep.uploads.models import Upload

MIB = 1024**2
#: Few requests for a recording of a usual size, and not much to send again after a break.
PART_BYTES_USUAL = 8 * MIB
#: Where the parts that a client named are kept until a job has put them together.
NOTED = "parts"

Parts = Sequence[tuple[int, str]]


def part_size_for(size_bytes: int | None, size_bytes_max: int) -> int:
    """Bytes of each part but the last, whole MiB, so that the file fits in 10,000 of them."""
    needed = -(-(size_bytes or size_bytes_max) // PART_NUMBER_MAX)
    whole = -(-needed // MIB) * MIB
    usual = PART_BYTES_USUAL if size_bytes is None or size_bytes > PART_BYTES_USUAL else PART_BYTES_MIN
    return max(whole, usual)


def part_size_of(upload: Upload) -> int:
    """Bytes of each part of this upload but the last."""
    return part_size_for(upload.size_bytes_declared, upload.size_bytes_max)


def taking_parts(store: Store) -> TakesParts:
    """The store as one that takes parts; `STORE_REFUSED` for one that does not."""
    if not isinstance(store, TakesParts):
        raise StoreRefused(
            f"The store {store.name!r} takes no multipart uploads; use another method.", store=store.name
        )
    return store


async def arrived_parts(runtime: Runtime, upload: Upload) -> list[PartFacts]:
    """The parts that have arrived, by number; none where the store knows nothing of the upload (any more)."""
    if upload.multipart_id is None:
        return []
    store = taking_parts(runtime.stores.get(upload.store))
    try:
        return [part async for part in store.list_parts(upload.incoming_key, upload.multipart_id)]
    except ObjectNotFound:
        return []


async def put_together(runtime: Runtime, upload: Upload, named: Parts | None, size_bytes: int | None) -> None:
    """Make the parts the incoming object, as the client named them, now or earlier.

    Where it never did, only when those that are there are exactly the declared size. Nothing happens where
    the store does not know the upload any more: it has been put together, or ended. Raises `PART_INVALID`.
    """
    chosen = named or _noted(upload)
    if not chosen:
        parts = await arrived_parts(runtime, upload)
        chosen = [(part.number, part.etag) for part in parts] if _is_whole(parts, size_bytes) else None
    if chosen and upload.multipart_id:
        await _complete(runtime, upload, upload.multipart_id, chosen)


async def _complete(runtime: Runtime, upload: Upload, multipart_id: str, parts: Parts) -> None:
    store = taking_parts(runtime.stores.get(upload.store))
    try:
        await store.complete_parts(upload.incoming_key, multipart_id, parts)
    except ObjectNotFound:
        return
    except WrongBytes as error:
        raise _invalid(upload, error) from error


def _is_whole(parts: Sequence[PartFacts], size_bytes: int | None) -> bool:
    numbers = [part.number for part in parts]
    return numbers == list(range(1, len(parts) + 1)) and sum(p.size_bytes for p in parts) == size_bytes


def _noted(upload: Upload) -> list[tuple[int, str]] | None:
    noted = upload.growth.get(NOTED)
    return [(number, etag) for number, etag in noted] if noted else None


def noted(parts: Parts) -> dict[str, Any]:
    """Named parts as they are kept in the upload's row."""
    return {NOTED: [list(part) for part in parts]}


def _invalid(upload: Upload, error: WrongBytes) -> Conflict:
    why = (
        "is too small; all but the last have at least 5 MiB" if _too_small(error) else "is not there as named"
    )
    return Conflict(
        f"A part {why}. List the parts, send it again, then complete.",
        ErrorCode.PART_INVALID,
        recording_id=str(upload.recording_id),
        **{name: value for name, value in error.details.items() if name in ("check", "part", "number")},
    )


def _too_small(error: WrongBytes) -> bool:
    return bool(error.details.get("check") == "part_size")
