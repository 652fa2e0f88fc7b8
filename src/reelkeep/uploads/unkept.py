"""While storage is disabled: what was sent to be analysed loses its bytes when its transcript is there.

Nothing else is taken in then, and uploads that were begun before are ended: nobody can finish them.
"""

from uuid import UUID

from sqlalchemy import select

from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.copies import let_go
from reelkeep.placement.queue import enqueue_reconcile
from reelkeep.recordings.advance import ENDED, lock_recording
from reelkeep.recordings.models import Recording, Status, Step
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import UploadMethod

BATCH = 100
OVER = (Status.TRANSCRIBED, Status.PROCESSED, Status.FAILED)

log = get_logger(__name__)


def takes_new(runtime: Runtime, method: str) -> bool:
    """Whether an upload of this method may be begun or finished now."""
    return not runtime.settings.storage_disabled or method == UploadMethod.PLAIN


def not_kept() -> ReelkeepError:
    """The refusal while storage is disabled."""
    return ReelkeepError(
        "New recordings are not kept at the moment. Keep the file and send it later; to have it analysed "
        "now, send it in one plain request (POST /api/v1/recordings/upload): its bytes are not kept.",
        ErrorCode.STORAGE_DISABLED,
    )


async def sweep_unkept(runtime: Runtime) -> int:
    """Let the bytes of analysed recordings go that were not to be kept; how many recordings."""
    due = (
        select(Recording.organization_id, Recording.id)
        .where(
            Recording.media_kept.is_(False),
            Recording.original_blob_id.is_not(None),
            Recording.status.in_(OVER),
        )
        .limit(BATCH)
    )
    async with runtime.database.owner() as session:
        rows = (await session.execute(due)).all()
    gone = 0
    for organization_id, recording_id in rows:
        gone += await _let_bytes_go(runtime, organization_id, recording_id)
    return gone


async def _let_bytes_go(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> bool:
    async with runtime.database.work(organization_id) as session:
        recording = await lock_recording(session, organization_id, recording_id)
        if recording is None or recording.original_blob_id is None or recording.status not in OVER:
            return False
        states = select(Step.state).where(
            Step.organization_id == organization_id, Step.recording_id == recording_id
        )
        if any(state not in ENDED for state in await session.scalars(states)):
            return False
        blob_id = recording.original_blob_id
        recording.original_blob_id = None
        await session.flush()
        copies = select(Copy).where(Copy.organization_id == organization_id, Copy.blob_id == blob_id)
        for copy in await session.scalars(copies):
            if copy.state != CopyState.DELETING:
                let_go(runtime, copy)
                copy.remove_after = runtime.clock.now()
        append(session, organization_id, "recording.media_dropped", recording_id=recording_id)
        blob = await session.get(Blob, (organization_id, blob_id))
        await enqueue_reconcile(session, organization_id, [blob_id] if blob else [])
    log.info("bytes that were not to be kept are removed", recording_id=str(recording_id))
    return True
