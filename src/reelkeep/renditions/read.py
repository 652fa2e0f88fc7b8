"""Read what was made from an original."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import Located, locate
from reelkeep.blobs.open import open_blob
from reelkeep.errors import Conflict, ErrorCode, Invalid, StoreUnavailable
from reelkeep.media.peaks_format import DETAIL_START, PAIRS_PER_SECOND, read_overview, window_range
from reelkeep.recordings.queries import get_recording
from reelkeep.renditions.models import Rendition, RenditionKind
from reelkeep.runtime import Runtime

WINDOW_SECONDS_MAX = 900.0
#: A person waits for these few kilobytes; a store that hangs must not hold the request.
READ_SECONDS_MAX = 10.0
RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Peaks:
    """Lowest and highest value of each interval, -128 to 127, taken in turn."""

    start_seconds: float
    end_seconds: float
    duration_seconds: float
    data: list[int]


async def find_rendition(
    session: AsyncSession, organization_id: UUID, recording_id: UUID, kind: RenditionKind
) -> tuple[Rendition, Located]:
    """A rendition and where its bytes are; `RENDITION_NOT_READY` until it has been made."""
    await get_recording(session, organization_id, recording_id)
    query = select(Rendition).where(
        Rendition.organization_id == organization_id,
        Rendition.recording_id == recording_id,
        Rendition.kind == kind,
    )
    rendition = await session.scalar(query)
    if rendition is None:
        raise Conflict(
            f"What the step {kind} makes is not there yet; the recording's steps say how far it is.",
            ErrorCode.RENDITION_NOT_READY,
            kind=kind,
        )
    return rendition, await locate(session, organization_id, rendition.blob_id)


async def renditions_of(
    session: AsyncSession, organization_id: UUID, recording_ids: Sequence[UUID]
) -> dict[UUID, dict[str, Rendition]]:
    """What was made from each of several recordings, by kind."""
    query = select(Rendition).where(
        Rendition.organization_id == organization_id, Rendition.recording_id.in_(recording_ids)
    )
    found: dict[UUID, dict[str, Rendition]] = {recording_id: {} for recording_id in recording_ids}
    for rendition in await session.scalars(query):
        found[rendition.recording_id][rendition.kind] = rendition
    return found


async def read_peaks(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, window: tuple[float, float] | None
) -> Peaks:
    """The overview of the whole sound, or 50 pairs a second of a window (seconds) of at most 15 minutes."""
    async with runtime.database.work(organization_id) as session:
        rendition, located = await find_rendition(session, organization_id, recording_id, RenditionKind.PEAKS)
    duration = float(rendition.details["duration_seconds"])
    if window is None:
        return Peaks(0.0, duration, duration, await _overview(runtime, organization_id, located))
    start, end = _checked(window, duration)
    first, after = window_range(start, end)
    data = await _read(runtime, organization_id, located, first, after)
    return Peaks(start, start + len(data) / 2 / PAIRS_PER_SECOND, duration, _signed(data))


def _checked(window: tuple[float, float], duration: float) -> tuple[float, float]:
    start, end = window
    if not 0 <= start < end or end - start > WINDOW_SECONDS_MAX:
        raise Invalid(
            f"A window needs 0 <= start < end and at most {WINDOW_SECONDS_MAX:.0f} seconds.",
            start=start,
            end=end,
        )
    return min(start, duration), min(end, duration)


async def _overview(runtime: Runtime, organization_id: UUID, located: Located) -> list[int]:
    return _signed(read_overview(await _read(runtime, organization_id, located, 0, DETAIL_START)))


async def _read(runtime: Runtime, organization_id: UUID, located: Located, start: int, end: int) -> bytes:
    pieces = open_blob(runtime, organization_id, located.blob_id, start, end)
    try:
        async with asyncio.timeout(READ_SECONDS_MAX):
            return b"".join([piece async for piece in pieces])
    except TimeoutError as error:
        raise StoreUnavailable(
            f"The store did not give the waveform within {READ_SECONDS_MAX:.0f} seconds; try again.",
            retry_after_seconds=RETRY_SECONDS,
            store=located.store,
        ) from error


def _signed(data: bytes) -> list[int]:
    return list(memoryview(data).cast("b"))
