"""The steps `playback` and `peaks`: files made from an original, kept as blobs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keep import KeptBytes, insert_blob, write_bytes
from reelkeep.blobs.models import BlobKind
from reelkeep.blobs.scratch import read_file
from reelkeep.blobs.usage import count_usage
from reelkeep.media.facts import MediaLimits, Rendered
from reelkeep.media.peaks_format import DETAIL_START, read_overview
from reelkeep.media.work import make_peaks, make_playback
from reelkeep.placement.choose import choose_store, is_degraded
from reelkeep.placement.load import in_force
from reelkeep.placement.queue import enqueue_if_misplaced, enqueue_reconcile
from reelkeep.recordings.blob_keys import plan_blob
from reelkeep.recordings.models import Recording
from reelkeep.recordings.original import Original, media_limits
from reelkeep.recordings.perform import Outcome
from reelkeep.recordings.runs import Run
from reelkeep.recordings.ticks import Ticks
from reelkeep.renditions.bars import bars_of
from reelkeep.renditions.models import Rendition, RenditionKind
from reelkeep.runtime import Runtime

Make = Callable[[Path, Path, MediaLimits, Callable[[float], None]], Awaitable[Rendered]]

MAKERS: dict[RenditionKind, Make] = {
    RenditionKind.PLAYBACK: make_playback,
    RenditionKind.PEAKS: make_peaks,
}
BLOB_KINDS = {RenditionKind.PLAYBACK: BlobKind.PLAYBACK, RenditionKind.PEAKS: BlobKind.PEAKS}


async def make_rendition(runtime: Runtime, run: Run, kind: RenditionKind, original: Original) -> Outcome:
    """Make one rendition and keep it as a blob; an older one of the same kind is replaced."""
    brought = await original.bring()
    target = brought.folder / f"{kind}-{run.id}"
    ticks = Ticks(runtime, run)
    try:
        made = await MAKERS[kind](brought.path, target, media_limits(runtime), ticks)
    finally:
        await ticks.close()
    details: dict[str, Any] = {**made.details, "duration_seconds": made.duration_seconds}
    if kind == RenditionKind.PEAKS:
        details["bars"] = bars_of(read_overview(await asyncio.to_thread(_read_start, target)))
    known = await in_force(runtime)
    store = runtime.stores.get(await choose_store(runtime))
    planned = await plan_blob(
        runtime,
        store.name,
        BLOB_KINDS[kind],
        made.content_type,
        organization_id=run.organization_id,
        recording_id=run.recording_id,
    )
    kept = await write_bytes(store, planned, read_file(target), size_bytes=made.size_bytes)

    async def write(session: AsyncSession, recording: Recording) -> None:
        degraded = is_degraded(runtime, kept.store)
        await _replace(session, recording, kind, kept, details, degraded=degraded)
        await enqueue_if_misplaced(
            session,
            known,
            run.organization_id,
            kept.blob_id,
            kind=BLOB_KINDS[kind],
            store=kept.store,
            degraded=degraded,
        )

    return Outcome({"size_bytes": kept.size_bytes, **made.details}, write=write)


def _read_start(peaks: Path) -> bytes:
    with peaks.open("rb") as file:
        return file.read(DETAIL_START)


async def _replace(
    session: AsyncSession,
    recording: Recording,
    kind: RenditionKind,
    kept: KeptBytes,
    details: dict[str, Any],
    *,
    degraded: bool,
) -> None:
    organization_id = recording.organization_id
    blob = insert_blob(session, organization_id, BLOB_KINDS[kind], kept, degraded=degraded)
    await session.flush()
    query = select(Rendition).where(
        Rendition.organization_id == organization_id,
        Rendition.recording_id == recording.id,
        Rendition.kind == kind,
    )
    rendition = await session.scalar(query)
    if rendition is None:
        rendition = Rendition(organization_id=organization_id, recording_id=recording.id, kind=kind)
        session.add(rendition)
    elif rendition.blob_id is not None:  # nothing needs the older file any more
        await enqueue_reconcile(session, organization_id, [rendition.blob_id])
    rendition.blob_id, rendition.details = blob.id, details
    await session.flush()
    await count_usage(session, organization_id, bytes_used=kept.size_bytes)
