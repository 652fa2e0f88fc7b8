"""From sealed bytes to playback, waveform and words, by the real jobs."""

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select, text

from reelkeep.recordings.models import Step
from reelkeep.recordings.steps import MEDIA, enqueue_for_recording
from reelkeep.renditions.models import Rendition
from reelkeep.runtime import Runtime
from reelkeep.transcripts.models import FinishedStretch
from reelkeep.wiring import open_runtime
from tests.fixtures.media import silence, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs, settings_for
from tests.fixtures.speech import say, write_wav
from tests.fixtures.wer import word_error_rate
from tests.service.test_uploads import complete, initiate, send

SENTENCE = "the budget is fine we have spent about half of it"


@pytest.fixture
def speech(tmp_path: Path) -> bytes:
    """A spoken sentence as a WAV file."""
    return write_wav(tmp_path / "said.wav", say(SENTENCE)).read_bytes()


async def take_in(runtime: Runtime, person: Person, body: bytes, **fields: Any) -> str:
    """Upload and complete; the recording's id."""
    async with client_of(runtime, person) as client:
        ticket = await initiate(client, **fields)
        await send(client, ticket, body)
        answer = await complete(client, ticket)
        assert answer.status_code == 200, answer.text
    recording_id: str = ticket["recording_id"]
    return recording_id


async def look(runtime: Runtime, person: Person, recording_id: str) -> dict[str, Any]:
    """The recording as the API tells it."""
    async with client_of(runtime, person) as client:
        shown: dict[str, Any] = (await client.get(f"/api/v1/recordings/{recording_id}")).json()
    return shown


def states(shown: dict[str, Any]) -> dict[str, str]:
    """The state of each step."""
    return {step["kind"]: step["state"] for step in shown["steps"]}


async def test_speech_becomes_words_playback_and_a_waveform(
    any_runtime: Runtime, person: Person, speech: bytes
) -> None:
    real = any_runtime.settings.model_copy(update={"engine": "pocketsphinx"})
    runtime = Runtime(
        real,
        any_runtime.database,
        any_runtime.stores,
        any_runtime.engines,
        any_runtime.secrets,
        any_runtime.clock,
        any_runtime.scratch,
    )
    recording_id = await take_in(runtime, person, speech)
    await do_jobs(runtime)

    shown = await look(runtime, person, recording_id)
    assert shown["status"] == "transcribed"
    assert set(states(shown).values()) == {"done"}
    assert shown["sha256"], "the first step that read all bytes knows the digest"
    assert len(shown["waveform"]) == 64
    assert max(shown["waveform"]) > 20
    assert shown["transcription_service"] == "pocketsphinx"
    assert word_error_rate(SENTENCE, shown["transcript_text"]) <= 0.10
    async with client_of(runtime, person) as client:
        base = f"/api/v1/recordings/{recording_id}"
        playback = (await client.get(f"{base}/playback-url")).json()
        assert playback["content_type"] == "audio/mp4"
        peaks = (await client.get(f"{base}/peaks")).json()
        assert len(peaks["data"]) == 4_000
        window = (await client.get(f"{base}/peaks", params={"start": 0.5, "end": 1.5})).json()
        assert len(window["data"]) == 100
        transcript = (await client.get(f"{base}/transcript")).json()
        words = [word for segment in transcript["segments"] for word in segment["words"]]
        assert all(0 <= w["start"] <= w["end"] <= transcript["duration_seconds"] for w in words)
        for kind, mark in (("txt", "budget"), ("srt", "-->"), ("vtt", "WEBVTT")):
            file = await client.get(f"{base}/transcript", params={"format": kind})
            assert mark in file.text
            assert f'.{kind}"' in file.headers["content-disposition"]


async def test_silence_is_a_result(runtime: Runtime) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, wav(silence(3.0)))
    await do_jobs(runtime)
    shown = await look(runtime, person, recording_id)
    assert shown["status"] == "transcribed"
    assert shown["transcript_text"] == ""
    assert "no_speech" in shown["warnings"]


async def test_words_are_made_only_when_they_are_asked_for(runtime: Runtime, speech: bytes) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, speech, transcribe=False)
    await do_jobs(runtime)
    shown = await look(runtime, person, recording_id)
    assert shown["status"] == "processed"
    async with client_of(runtime, person) as client:
        missing = await client.get(f"/api/v1/recordings/{recording_id}/transcript")
        assert (missing.status_code, missing.json()["error_code"]) == (404, "TRANSCRIPT_NOT_FOUND")
        await client.post(f"/api/v1/recordings/{recording_id}/steps/transcribe/rerun")
    await do_jobs(runtime)
    assert (await look(runtime, person, recording_id))["status"] == "transcribed"


async def test_media_that_cannot_be_read_fails_with_the_reason_and_keeps_the_original(
    runtime: Runtime,
) -> None:
    person = await add_person(runtime)
    broken = wav(silence(1.0))[:44] + b""  # a header that promises sound, and none
    async with client_of(runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, broken)
        await complete(client, ticket)
    await do_jobs(runtime)
    shown = await look(runtime, person, ticket["recording_id"])
    assert shown["status"] == "failed"
    assert shown["error_code"].startswith("MEDIA_")
    assert shown["processing_error"]
    assert states(shown) == {
        "probe": "failed",
        "playback": "skipped",
        "peaks": "skipped",
        "transcribe": "skipped",
    }
    async with client_of(runtime, person) as client:
        answer = await client.get(f"/api/v1/recordings/{ticket['recording_id']}/download-url")
        assert answer.status_code == 200
        again = await client.post(f"/api/v1/recordings/{ticket['recording_id']}/steps/probe/rerun")
        assert set(states(again.json()).values()) == {"todo"}


async def test_a_failed_engine_leaves_the_playback_usable_and_the_step_can_be_run_again(
    tmp_path: Path, conninfo: str, speech: bytes
) -> None:
    settings = settings_for(
        tmp_path / "data", conninfo, engine_extra={"misbehave": "fail"}, step_attempts_max=1
    )
    async with open_runtime(settings) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, speech)
        await do_jobs(runtime)
        shown = await look(runtime, person, recording_id)
        assert (shown["status"], shown["error_code"]) == ("failed", "ENGINE_FAILED")
        assert shown["playback_ready"]
        async with client_of(runtime, person) as client:
            url = f"/api/v1/recordings/{recording_id}/steps/transcribe/rerun"
            unknown = await client.post(url, json={"engine": "nonesuch"})
            assert (unknown.status_code, unknown.json()["error_code"]) == (422, "ENGINE_UNKNOWN")
            again = await client.post(url, json={"engine": "pocketsphinx"})
            assert states(again.json())["transcribe"] == "todo"
        await do_jobs(runtime)
        shown = await look(runtime, person, recording_id)
        assert (shown["status"], shown["transcription_service"]) == ("transcribed", "pocketsphinx")


async def test_a_rerun_keeps_the_parameters_it_was_first_given(runtime: Runtime, speech: bytes) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, speech)
    await do_jobs(runtime)
    async with client_of(runtime, person) as client:
        url = f"/api/v1/recordings/{recording_id}/steps/transcribe/rerun"
        await client.post(url, json={"engine": "pocketsphinx", "language": "en"})
        await client.post(url)
    async with runtime.database.work(person.organization_id) as session:
        step = (await session.scalars(select(Step).where(Step.kind == "transcribe"))).one()
    assert step.parameters == {"engine": "pocketsphinx", "language": "en"}
    await do_jobs(runtime)
    assert (await look(runtime, person, recording_id))["transcription_service"] == "pocketsphinx"


async def test_running_every_job_twice_changes_nothing(runtime: Runtime, speech: bytes) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, speech)
    await do_jobs(runtime)
    before = await look(runtime, person, recording_id)
    async with runtime.database.work(person.organization_id) as session:
        await enqueue_for_recording(session, MEDIA, person.organization_id, UUID(recording_id))
    await do_jobs(runtime)
    assert await look(runtime, person, recording_id) == before
    async with runtime.database.work(person.organization_id) as session:
        assert len((await session.scalars(select(Rendition))).all()) == 2


async def test_a_run_that_died_between_stretches_goes_on_from_the_last_finished_one(
    tmp_path: Path, conninfo: str
) -> None:
    """Two stretches; the engine dies in the second, once. The first is not done again."""
    marker, once = tmp_path / "marker", tmp_path / "once"
    extra = {"misbehave": "crash", "at_call": "2", "once_file": str(once), "marker": str(marker)}
    settings = settings_for(tmp_path / "data", conninfo, engine_extra=extra)
    sound = say(SENTENCE)
    pause = np.zeros(16_000 * 32, dtype=np.int16)
    body = write_wav(tmp_path / "two.wav", sound, pause, sound, sound).read_bytes()
    async with open_runtime(settings) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, body)
        await do_jobs(runtime)
        async with runtime.database.work(person.organization_id) as session:
            kept = (await session.scalars(select(FinishedStretch))).all()
        assert [row.position for row in kept] == [0]
        assert once.exists()
        async with runtime.database.owner() as session:  # the wait before the next try is over
            await session.execute(
                text("update procrastinate_jobs set scheduled_at = now() where status = 'todo'")
            )
        await do_jobs(runtime)
        shown = await look(runtime, person, recording_id)
        assert shown["status"] == "transcribed"
        steps = {step["kind"]: step for step in shown["steps"]}
        assert steps["transcribe"]["attempts"] == 2
        samples = [line.split()[1] for line in marker.read_text().splitlines()]
        assert len(samples) == 3, "the first stretch once, the second twice"
        assert samples[1] == samples[2] != samples[0]
        async with runtime.database.work(person.organization_id) as session:
            assert (await session.scalars(select(FinishedStretch))).all() == []
