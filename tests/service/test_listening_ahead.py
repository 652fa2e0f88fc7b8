"""Words that are sought while the probe still decodes: found early, claimed late, dropped when it fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select, text

from reelkeep.errors import ErrorCode
from reelkeep.recordings import runs
from reelkeep.recordings.models import Step, StepKind
from reelkeep.recordings.runs import Run
from reelkeep.runtime import Runtime
from reelkeep.transcripts.models import FinishedStretch
from reelkeep.transcripts.transcribe import process_speech
from reelkeep.wiring import open_runtime
from reelkeep.worker import build_app
from tests.fixtures.media import silence, wav
from tests.fixtures.runtime import Person, add_person, settings_for
from tests.fixtures.speech import say, write_wav
from tests.service.test_processing import look, states, take_in

SENTENCE = "the budget is fine we have spent about half of it"


@dataclass(frozen=True, slots=True)
class Probed:
    """A recording with two stretches of speech, whose probe has begun."""

    runtime: Runtime
    person: Person
    recording_id: str
    run: Run
    marker: Path

    @property
    def stretches_heard(self) -> int:
        """How often the engine was given a stretch."""
        return len(self.marker.read_text().splitlines()) if self.marker.exists() else 0

    async def end_probe(self, end: Callable[..., Awaitable[object]], *more: object, **how: object) -> None:
        """Write how the probe ended."""
        async with self.runtime.database.work(self.person.organization_id) as session:
            await end(session, self.run, *more, **how)

    async def states(self) -> dict[str, str]:
        """The state of each step."""
        return states(await look(self.runtime, self.person, self.recording_id))

    async def kept(self) -> int:
        """How many stretches are kept for a run to come."""
        async with self.runtime.database.work(self.person.organization_id) as session:
            return len((await session.scalars(select(FinishedStretch))).all())


@pytest.fixture
async def probed(tmp_path: Path, conninfo: str) -> AsyncIterator[Probed]:
    marker = tmp_path / "marker"
    settings = settings_for(tmp_path / "data", conninfo, engine_extra={"marker": str(marker)})
    said, pause = say(SENTENCE), np.zeros(16_000 * 32, dtype=np.int16)
    body = write_wav(tmp_path / "two.wav", said, pause, said).read_bytes()
    async with open_runtime(settings) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, body)
        async with runtime.database.work(person.organization_id) as session:
            run = await runs.claim(
                session,
                person.organization_id,
                UUID(recording_id),
                StepKind.PROBE,
                now=runtime.clock.now(),
                attempts_max=3,
            )
        assert run is not None
        yield Probed(runtime, person, recording_id, run, marker)


async def seek_words(probed: Probed) -> "asyncio.Task[None]":
    """The speech job, when it has found all words and waits for the probe."""
    ids = probed.person.organization_id, UUID(probed.recording_id)
    job = asyncio.create_task(process_speech(probed.runtime, *ids))
    async with asyncio.timeout(60):
        while probed.stretches_heard < 2 and not job.done():  # noqa: ASYNC110 - the marker is a file
            await asyncio.sleep(0.02)
    return job


async def test_words_are_found_while_the_probe_decodes_and_claimed_when_it_has_ended(probed: Probed) -> None:
    job = await seek_words(probed)
    assert (await probed.states())["transcribe"] == "todo"
    assert await probed.kept() == 0
    await probed.end_probe(runs.finish, now=probed.runtime.clock.now())
    await job
    shown = await look(probed.runtime, probed.person, probed.recording_id)
    assert shown["status"] == "transcribed"
    assert shown["transcript_text"]
    assert probed.stretches_heard == 2, "nothing was done twice"


async def test_a_failed_probe_skips_the_words_that_were_found_beside_it(probed: Probed) -> None:
    job = await seek_words(probed)
    code, now = ErrorCode.MEDIA_UNREADABLE, probed.runtime.clock.now()
    await probed.end_probe(runs.fail, code, "unreadable", now=now)
    await job
    shown = await look(probed.runtime, probed.person, probed.recording_id)
    assert (shown["status"], shown["error_code"]) == ("failed", code)
    assert states(shown)["transcribe"] == "skipped"
    assert await probed.kept() == 0
    assert not shown["transcript_text"]


async def test_a_probe_that_must_wait_leaves_the_words_waiting(probed: Probed) -> None:
    job = await seek_words(probed)
    await probed.end_probe(runs.release)
    await job
    assert (await probed.states())["transcribe"] == "todo"


async def test_words_that_were_found_for_other_parameters_are_found_anew(probed: Probed) -> None:
    job = await seek_words(probed)
    async with probed.runtime.database.work(probed.person.organization_id) as session:
        step = (await session.scalars(select(Step).where(Step.kind == StepKind.TRANSCRIBE))).one()
        step.parameters = {"engine": "pocketsphinx"}
    await probed.end_probe(runs.finish, now=probed.runtime.clock.now())
    await job
    shown = await look(probed.runtime, probed.person, probed.recording_id)
    assert (shown["status"], shown["transcription_service"]) == ("transcribed", "pocketsphinx")


async def test_an_engine_that_fails_beside_the_probe_fails_the_words_and_not_the_probe(
    tmp_path: Path, conninfo: str
) -> None:
    extra = {"misbehave": "fail"}
    settings = settings_for(tmp_path / "data", conninfo, engine_extra=extra, step_attempts_max=1)
    body = write_wav(tmp_path / "said.wav", say(SENTENCE)).read_bytes()
    async with open_runtime(settings) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, body)
        await do_jobs_together(runtime)
        shown = await look(runtime, person, recording_id)
    assert (shown["status"], shown["error_code"]) == ("failed", "ENGINE_FAILED")
    assert states(shown)["probe"] == "done"


@pytest.mark.parametrize("readable", [True, False])
async def test_media_and_speech_done_side_by_side_end_as_they_do_one_after_the_other(
    runtime: Runtime, tmp_path: Path, readable: bool
) -> None:
    said = write_wav(tmp_path / "said.wav", say(SENTENCE)).read_bytes()
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, said if readable else wav(silence(1.0))[:44])
    await do_jobs_together(runtime)
    shown = await look(runtime, person, recording_id)
    assert shown["status"] == ("transcribed" if readable else "failed")
    assert states(shown)["transcribe"] == ("done" if readable else "skipped")


async def do_jobs_together(runtime: Runtime) -> None:
    """Both queues at once, as a worker does, until every job is done."""
    queue = build_app(runtime)
    async with queue.open_async():
        worker = asyncio.create_task(
            queue.run_worker_async(
                concurrency=4, install_signal_handlers=False, fetch_job_polling_interval=0.1
            )
        )
        try:
            async with asyncio.timeout(60):
                while await _jobs_left(runtime):  # noqa: ASYNC110 - the queue is in the database
                    await asyncio.sleep(0.05)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


async def _jobs_left(runtime: Runtime) -> int:
    query = "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"
    async with runtime.database.owner() as session:
        return await session.scalar(text(query)) or 0
