"""The step `transcribe`, and the job `speech` that does it: sound in stretches, words out.

What a stretch gave is kept as soon as it is finished, so that a killed run goes on from there: the rows are
found again by the plan's digest, which changes with the bytes, the cuts, the engine and what it was asked.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import Located
from reelkeep.media.work import extract_sound
from reelkeep.recordings.models import Recording, StepKind
from reelkeep.recordings.original import Original, media_limits, original_of
from reelkeep.recordings.perform import Outcome, perform
from reelkeep.recordings.runs import Run
from reelkeep.recordings.ticks import Ticks
from reelkeep.runtime import Runtime
from reelkeep.speech.choose import choose
from reelkeep.speech.process import EngineProcess
from reelkeep.speech.protocol import Chosen, Options, StretchResult
from reelkeep.transcripts.stretches import Plan, finished_results, forget_finished, keep_finished, make_plan
from reelkeep.transcripts.write import Said, write_transcript

#: Shares of the step's progress: making the sound and cutting it come before the words.
SOUND_SHARE, PLAN_SHARE = 0.06, 0.04


@dataclass(slots=True)
class Stopwatch:
    """Seconds that each part took, for the step's result."""

    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def lap(self, part: str) -> None:
        """Give the time since the last lap to `part`."""
        now = time.monotonic()
        self.seconds[part] = round(self.seconds.get(part, 0.0) + now - self._since, 3)
        self._since = now


async def process_speech(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Do the speech step of the recording if it waits."""
    async with original_of(runtime, organization_id, recording_id) as original:
        if original is None:
            return

        async def work(run: Run) -> Outcome:
            return await transcribe(runtime, run, original)

        await perform(runtime, organization_id, recording_id, StepKind.TRANSCRIBE, work)


async def transcribe(runtime: Runtime, run: Run, original: Original) -> Outcome:
    """The words of the recording, and in the outcome what made them and how long each part took."""
    options = Options(language=run.parameters.get("language") or runtime.settings.language)
    chosen = choose(
        run.parameters.get("engine") or runtime.settings.engine, runtime.engines, options.language
    )
    ticks, watch = Ticks(runtime, run), Stopwatch()
    brought = await original.bring()
    pcm = brought.folder / f"sound-{run.id}"
    try:
        sound = await extract_sound(
            brought.path, pcm, media_limits(runtime), lambda part: ticks(part * SOUND_SHARE)
        )
        watch.lap("sound")
        results = await _listen(
            runtime, run, chosen, options=options, located=brought.located, pcm=pcm, ticks=ticks, watch=watch
        )
    finally:
        await ticks.close()
    said = Said(chosen, results, sound.duration_seconds)

    async def write(session: AsyncSession, recording: Recording) -> None:
        await write_transcript(session, recording, said)
        await forget_finished(session, recording)

    return Outcome(_report(chosen, len(results), watch), said.warnings, write)


async def _listen(
    runtime: Runtime,
    run: Run,
    chosen: Chosen,
    *,
    options: Options,
    located: Located,
    pcm: Path,
    ticks: Ticks,
    watch: Stopwatch,
) -> tuple[StretchResult, ...]:
    """Cut the sound and give every stretch that is not finished yet to the engine."""
    async with EngineProcess(chosen.engine.spec) as engine:
        stretches = await engine.plan(pcm)
        watch.lap("plan")
        plan = make_plan(located, chosen, options, stretches)
        results = await finished_results(runtime, run, plan)
        for stretch in plan.stretches:
            if stretch.index in results:
                continue
            results[stretch.index] = await engine.transcribe(
                pcm,
                stretch,
                options,
                lambda seconds, at=stretch: ticks(_share(plan, at.index, seconds)),  # type: ignore[misc]
            )
            watch.lap("engine")
            await ticks.close()
            await keep_finished(runtime, run, plan, stretch.index, results[stretch.index])
            watch.lap("keep")
    return tuple(results[stretch.index] for stretch in plan.stretches)


def _share(plan: Plan, index: int, seconds: float) -> float:
    """The step's progress when so many seconds of a stretch are done."""
    before = sum(s.duration_seconds for s in plan.stretches[:index]) + seconds
    total = sum(s.duration_seconds for s in plan.stretches) or 1.0
    done = SOUND_SHARE + PLAN_SHARE
    return done + (1 - done) * before / total


def _report(chosen: Chosen, stretches: int, watch: Stopwatch) -> dict[str, object]:
    return {
        "engine": chosen.engine.facts.name,
        "model": chosen.ready.model,
        "device": chosen.ready.device,
        "why": chosen.why,
        "stretches": stretches,
        "seconds": watch.seconds,
    }
