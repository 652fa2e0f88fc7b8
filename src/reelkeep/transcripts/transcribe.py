"""The step `transcribe`, and the job `speech` that does it: sound in stretches, words out.

What a stretch gave is kept as soon as it is finished, so that a killed run goes on from there: it is found
again by a digest that changes with the bytes, the cut, the engine and what it was asked.
"""

import time
from contextlib import AsyncExitStack
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.recordings.models import Recording, StepKind
from reelkeep.recordings.original import original_of
from reelkeep.recordings.perform import Outcome, perform
from reelkeep.recordings.runs import Run
from reelkeep.recordings.ticks import Ticks
from reelkeep.runtime import Runtime
from reelkeep.transcripts.ahead import look, may_claim, may_listen_ahead, wait_for_probe
from reelkeep.transcripts.listen import Listened, Listening, listening
from reelkeep.transcripts.stretches import forget_finished, keep_finished
from reelkeep.transcripts.write import Said, write_transcript


async def process_speech(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Do the speech step of the recording if it waits.

    While the probe still decodes, the words are sought already; they are claimed, and kept, when it has ended
    well, and dropped otherwise.
    """
    async with original_of(runtime, organization_id, recording_id) as original, AsyncExitStack() as stack:
        if original is None:
            return
        steps, ahead = await look(runtime, original), None
        if may_listen_ahead(steps):
            parameters = steps[StepKind.TRANSCRIBE].parameters
            ahead = await stack.enter_async_context(listening(runtime, original, parameters))
            steps = await wait_for_probe(runtime, original, ahead)
        if not may_claim(steps):
            return

        async def work(run: Run) -> Outcome:
            if ahead is not None and ahead.parameters == run.parameters:
                return await transcribe(runtime, run, ahead)
            await stack.aclose()
            async with listening(runtime, original, run.parameters) as listener:
                return await transcribe(runtime, run, listener)

        await perform(runtime, organization_id, recording_id, StepKind.TRANSCRIBE, work)


async def transcribe(runtime: Runtime, run: Run, listener: Listening) -> Outcome:
    """The words of the recording, and in the outcome what found them and how long each part took."""
    ticks, found, keep_seconds = Ticks(runtime, run), [], 0.0
    listener.progress = ticks
    try:
        async for words in listener.words():
            found.append(words.result)
            if not words.is_kept:
                began = time.monotonic()
                await keep_finished(runtime, run, words.digest, words.position, words.result)
                keep_seconds += time.monotonic() - began
        listened = await listener.end()
    finally:
        await ticks.close()
    said = Said(listened.chosen, tuple(found), listened.duration_seconds)

    async def write(session: AsyncSession, recording: Recording) -> None:
        await write_transcript(session, recording, said)
        await forget_finished(session, recording)

    seconds = {**listened.seconds, "keep": round(keep_seconds, 3)}
    return Outcome(_report(listened, len(found), seconds), said.warnings, write)


def _report(listened: Listened, stretches: int, seconds: dict[str, float]) -> dict[str, object]:
    return {
        "engine": listened.chosen.engine.facts.name,
        "model": listened.chosen.ready.model,
        "device": listened.chosen.ready.device,
        "why": listened.chosen.why,
        "stretches": stretches,
        "seconds": seconds,
    }
