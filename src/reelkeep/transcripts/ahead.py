"""Seek the words while the probe still decodes, and wait for what it says of the recording."""

import asyncio
import time
from collections.abc import Mapping

from sqlalchemy import select

from reelkeep.errors import ReelkeepError
from reelkeep.recordings.models import Step, StepKind, StepState
from reelkeep.recordings.original import Original
from reelkeep.runtime import Runtime
from reelkeep.transcripts.listen import Listening

#: The probe is looked at so often, and the more seldom the longer it takes.
LOOK_SECONDS_MIN, LOOK_SECONDS_MAX = 0.05, 1.0
#: When all words are found and the probe has not ended so long after, its worker has died.
PATIENCE_SECONDS = 120.0

Steps = Mapping[StepKind, Step]


async def look(runtime: Runtime, original: Original) -> Steps:
    """The recording's steps as they are now."""
    query = select(Step).where(
        Step.organization_id == original.organization_id, Step.recording_id == original.recording_id
    )
    async with runtime.database.work(original.organization_id) as session:
        return {StepKind(step.kind): step for step in await session.scalars(query)}


def may_listen_ahead(steps: Steps) -> bool:
    """Whether the words wait for a probe that is being done."""
    return _is(steps, StepKind.PROBE, StepState.RUNNING) and _is(steps, StepKind.TRANSCRIBE, StepState.TODO)


def may_claim(steps: Steps) -> bool:
    """Whether the probe has had its say; one that waits asks for the words itself when it is done."""
    return not any(_is(steps, StepKind.PROBE, state) for state in (StepState.TODO, StepState.RUNNING))


async def wait_for_probe(runtime: Runtime, original: Original, listener: Listening) -> Steps:
    """The steps when the probe is not being done any more.

    This job must not end while it is: the probe's end asks for no other one. Raises `ReelkeepError`, so that
    the job comes again, when the probe seems to have no worker.
    """
    began, over_since = time.monotonic(), None
    while _is(steps := await look(runtime, original), StepKind.PROBE, StepState.RUNNING):
        now = time.monotonic()
        if listener.is_over:
            over_since = over_since or now
            if now - over_since > PATIENCE_SECONDS:
                raise ReelkeepError(
                    "The probe of this recording does not end; the words are sought again later."
                )
        await asyncio.sleep(min(LOOK_SECONDS_MAX, max(LOOK_SECONDS_MIN, (now - began) / 10)))
    return steps


def _is(steps: Steps, kind: StepKind, state: StepState) -> bool:
    return kind in steps and steps[kind].state == state
