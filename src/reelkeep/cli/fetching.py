"""Recordings from URLs: this process fetches until they are in, beside any worker that does so too."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.recordings.models import Recording
from reelkeep.recordings.steps import FETCH
from reelkeep.runtime import Runtime
from reelkeep.uploads.fetch_run import Notes
from reelkeep.uploads.models import Upload, UploadState
from reelkeep.worker import run_worker

LOOK_EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Underway:
    """How far one fetch is."""

    state: UploadState
    offset: int
    total: int | None
    failure: ReelkeepError | None


def is_url(text: str) -> bool:
    """Whether an argument is an address and no file."""
    return text.lower().startswith(("http://", "https://"))


def shown_url(text: str) -> str:
    """An address as people may see it: without user, password and query."""
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def fetch_until_in(
    runtime: Runtime,
    organization_id: UUID,
    recording_ids: Sequence[UUID],
    tell: Callable[[UUID, Underway], None],
) -> dict[UUID, ReelkeepError | None]:
    """Return when each is sealed or has failed, with why. Killed before, any worker goes on with them."""
    worker = asyncio.create_task(run_worker(runtime, (FETCH.queue,)))
    try:
        while True:
            found = await _look(runtime, organization_id, recording_ids)
            for recording_id, underway in found.items():
                tell(recording_id, underway)
            if all(underway.state != UploadState.OPEN for underway in found.values()):
                return {recording_id: underway.failure for recording_id, underway in found.items()}
            if worker.done():
                worker.result()
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def _look(
    runtime: Runtime, organization_id: UUID, recording_ids: Sequence[UUID]
) -> dict[UUID, Underway]:
    query = (
        select(Upload, Recording.failure_code, Recording.failure_message)
        .join(
            Recording,
            (Recording.organization_id == Upload.organization_id) & (Recording.id == Upload.recording_id),
        )
        .where(Upload.organization_id == organization_id, Upload.recording_id.in_(recording_ids))
    )
    async with runtime.database.work(organization_id) as session:
        return {row[0].recording_id: _underway(*row) for row in await session.execute(query)}


def _underway(upload: Upload, code: str | None, message: str | None) -> Underway:
    notes = Notes.read(upload.fetch)
    failure = None
    if upload.state in (UploadState.REFUSED, UploadState.EXPIRED):
        failure = ReelkeepError(
            message or "The fetch failed.",
            ErrorCode(code or ErrorCode.FETCH_FAILED),
            recording_id=str(upload.recording_id),
        )
    return Underway(UploadState(upload.state), notes.offset, notes.total, failure)
