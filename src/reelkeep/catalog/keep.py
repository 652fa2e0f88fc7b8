"""Have a store tell what lies in it, at the end of the jobs that change it."""

from uuid import UUID

from reelkeep.catalog.words import keep_words
from reelkeep.catalog.write import describe_recording
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime

log = get_logger(__name__)

PASSING = frozenset({ErrorCode.STORE_UNAVAILABLE, ErrorCode.DATABASE_UNAVAILABLE, ErrorCode.RATE_LIMITED})


async def keep_described(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, *, words: bool = False
) -> None:
    """Write the files beside the recording's original as things are now, new words too.

    Raises what passes, so that the job comes again. A store that takes nothing more (full, read-only, no
    longer configured) spoils nothing else: the recording is done, and its next job writes them.
    """
    try:
        if words:
            await keep_words(runtime, organization_id, recording_id)
        await describe_recording(runtime, organization_id, recording_id)
    except ReelkeepError as error:
        if error.code in PASSING:
            raise
        log.warning("what describes the recording was not written", error_code=error.code, exc_info=error)
