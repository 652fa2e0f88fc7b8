"""The engine's process under every misfortune: each ends in a clear error and leaves nothing running."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech.limits import EngineLimits
from reelkeep.speech.process import EngineProcess
from reelkeep.speech.protocol import EngineSpec, Options, Span, Stretch
from reelkeep.transactions import IoInsideUnitOfWork, unit_of_work_open
from tests.fixtures.speech import (
    MONOLOGUE,
    TINY_WHISPER_EXTRA,
    say,
    silence,
    tiny_whisper_dir,
    write_raw,
)

DEADLINE_SECONDS = 30.0
TEN_SECONDS = Stretch(0, 0.0, 10.0, (Span(0.0, 10.0),))


@pytest.fixture
def sound_file(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "speech.raw", say(MONOLOGUE))


def fake(**extra: str) -> EngineSpec:
    return EngineSpec("fake", extra=extra)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for: {what}"
        time.sleep(0.02)


async def until(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what)


async def test_one_process_and_one_model_serve_many_stretches(sound_file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    async with EngineProcess(fake(marker=str(marker))) as engine:
        for index in range(3):
            await engine.transcribe(sound_file, Stretch(index, index * 2.0, index * 2.0 + 2.0))
        assert {line.split()[0] for line in marker.read_text().splitlines()} == {str(engine.pid)}
    assert len(marker.read_text().splitlines()) == 3


async def test_a_recording_goes_from_file_to_words_with_times_of_the_recording(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "late.raw", silence(60), say(MONOLOGUE))
    heard: list[float] = []
    async with EngineProcess(EngineSpec("pocketsphinx")) as engine:
        planned = await engine.plan(path, heard.append)
        result = await engine.transcribe(path, planned[0], progress=heard.append)
    assert len(planned) == 1
    assert result.segments[0].text.startswith("the quick brown fox")
    assert 59.5 < result.segments[0].start < 61
    assert result.segments[0].words[0].start == result.segments[0].start
    assert result.segments[-1].end <= planned[0].end_seconds
    assert len(heard) >= 2


async def test_whisper_s_real_code_runs_in_the_process(sound_file: Path) -> None:
    spec = EngineSpec("faster-whisper", str(tiny_whisper_dir()), device="cpu", extra=TINY_WHISPER_EXTRA)
    async with EngineProcess(spec) as engine:
        planned = await engine.plan(sound_file)
        result = await engine.transcribe(sound_file, planned[0], Options(language="en"))
    assert result.segments
    assert result.language == "en"


async def test_paths_may_be_relative_to_where_the_worker_stands(
    sound_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_whisper_dir()
    (sound_file.parent / "model").symlink_to(model)
    monkeypatch.chdir(sound_file.parent)
    spec = EngineSpec("faster-whisper", "model", device="cpu", extra=TINY_WHISPER_EXTRA)
    async with EngineProcess(spec) as engine:
        planned = await engine.plan(Path(sound_file.name))
        assert (await engine.transcribe(Path(sound_file.name), planned[0])).segments


async def test_silence_needs_no_model_and_is_no_error(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "quiet.raw", silence(30))
    async with EngineProcess(EngineSpec("faster-whisper", "/nowhere")) as engine:
        assert await engine.plan(path) == []


async def test_a_crash_is_told_with_its_signal_and_the_last_words_of_the_process(sound_file: Path) -> None:
    async with EngineProcess(fake(misbehave="crash", at_call="2")) as engine:
        await engine.transcribe(sound_file, TEN_SECONDS)
        with pytest.raises(EngineError, match="SIGSEGV") as failed:
            await engine.transcribe(sound_file, TEN_SECONDS)
        assert engine.pid is None
        with pytest.raises(EngineError, match="start a new one"):
            await engine.transcribe(sound_file, TEN_SECONDS)
    assert failed.value.code == ErrorCode.ENGINE_FAILED
    assert failed.value.details["signal"] == "SIGSEGV"
    assert "crashes as it was told" in failed.value.details["stderr"]


async def test_an_exit_without_an_answer_is_told_with_its_code(sound_file: Path) -> None:
    async with EngineProcess(fake(misbehave="abort")) as engine:
        with pytest.raises(EngineError, match="exit code 3") as failed:
            await engine.transcribe(sound_file, TEN_SECONDS)
    assert failed.value.details["exit_code"] == 3


async def test_a_hang_is_killed_at_the_limit_of_its_stretch(sound_file: Path) -> None:
    limits = EngineLimits(seconds_min=0.2, seconds_per_second=0.05)
    async with EngineProcess(fake(misbehave="hang"), limits) as engine:
        await engine.load()
        pid, started = engine.pid, time.monotonic()
        with pytest.raises(EngineError, match=r"0\.5 s") as failed:
            await engine.transcribe(sound_file, TEN_SECONDS)
        assert time.monotonic() - started < 5
        assert pid is not None
        assert not is_running(pid)
    assert failed.value.code == ErrorCode.ENGINE_TIMEOUT
    assert failed.value.details["limit_seconds"] == 0.5


async def test_the_limit_grows_with_the_stretch() -> None:
    limits = EngineLimits(seconds_min=5, seconds_per_second=2)
    assert limits.stretch_seconds_max(TEN_SECONDS) == 20
    assert limits.stretch_seconds_max(Stretch(0, 5.0, 6.0)) == 5


async def test_a_cancelled_call_kills_the_process(sound_file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    async with EngineProcess(fake(misbehave="hang", marker=str(marker))) as engine:
        call = asyncio.create_task(engine.transcribe(sound_file, TEN_SECONDS))
        await until(marker.exists, "the engine to be at work")
        pid = engine.pid
        assert pid is not None
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not is_running(pid)


async def test_leaving_the_block_by_an_error_kills_the_process() -> None:
    pid = None
    with pytest.raises(ZeroDivisionError):
        async with EngineProcess(fake()) as engine:
            await engine.load()
            pid = engine.pid
            raise ZeroDivisionError
    assert pid is not None
    assert not is_running(pid)


async def test_an_engine_s_own_error_leaves_the_process_usable(sound_file: Path) -> None:
    async with EngineProcess(fake(misbehave="fail", at_call="1")) as engine:
        with pytest.raises(EngineError, match="failed as it was told"):
            await engine.transcribe(sound_file, TEN_SECONDS)
        assert (await engine.transcribe(sound_file, TEN_SECONDS)).segments


async def test_an_exception_in_an_engine_is_told_by_name(sound_file: Path) -> None:
    async with EngineProcess(fake(misbehave="garble")) as engine:
        with pytest.raises(EngineError, match="ZeroDivisionError") as failed:
            await engine.transcribe(sound_file, TEN_SECONDS)
    assert failed.value.code == ErrorCode.ENGINE_FAILED


async def test_what_libraries_print_is_not_taken_for_an_answer(sound_file: Path) -> None:
    async with EngineProcess(fake(misbehave="print")) as engine:
        assert (await engine.transcribe(sound_file, TEN_SECONDS)).segments


async def test_an_engine_that_is_not_ready_says_what_to_do(sound_file: Path) -> None:
    async with EngineProcess(EngineSpec("faster-whisper", "/nowhere")) as engine:
        with pytest.raises(EngineError, match="does not exist") as failed:
            await engine.transcribe(sound_file, TEN_SECONDS)
    assert failed.value.code == ErrorCode.ENGINE_NOT_READY


async def test_a_sound_file_that_is_gone_says_so(tmp_path: Path) -> None:
    async with EngineProcess(fake()) as engine:
        with pytest.raises(EngineError, match="cannot be read"):
            await engine.transcribe(tmp_path / "gone.raw", TEN_SECONDS)
        with pytest.raises(EngineError, match="cannot be read"):
            await engine.plan(tmp_path / "gone.raw")


async def test_an_engine_refuses_inside_a_unit_of_work(sound_file: Path) -> None:
    with unit_of_work_open(), pytest.raises(IoInsideUnitOfWork):
        async with EngineProcess(fake()):
            pass
    async with EngineProcess(fake()) as engine:
        with unit_of_work_open(), pytest.raises(IoInsideUnitOfWork):
            await engine.plan(sound_file)


async def test_the_process_knows_none_of_the_worker_s_secrets_and_is_kept_off_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with EngineProcess(EngineSpec("fake", threads=3)) as engine:
        await engine.load()
        told = Path(f"/proc/{engine.pid}/environ").read_bytes().decode()
    assert "secret" not in told
    assert "HF_HUB_OFFLINE=1" in told
    assert "OMP_NUM_THREADS=3" in told


async def test_the_process_gives_way_to_others() -> None:
    async with EngineProcess(fake(), EngineLimits(nice=7)) as engine:
        await engine.load()
        assert engine.pid is not None
        assert os.getpriority(os.PRIO_PROCESS, engine.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)
        # A session of its own would get a full share of the processor from Linux, however nice it is.
        assert os.getsid(engine.pid) == os.getsid(0)
        assert os.getpgid(engine.pid) != os.getpgid(0)


async def test_too_little_memory_is_an_error_and_no_hang(sound_file: Path) -> None:
    limits = EngineLimits(memory_bytes_max=250_000_000)
    async with EngineProcess(EngineSpec("pocketsphinx"), limits) as engine:
        with pytest.raises(EngineError) as failed:
            planned = await engine.plan(sound_file)
            await engine.transcribe(sound_file, planned[0])
    assert failed.value.code == ErrorCode.ENGINE_FAILED


async def test_calls_at_the_same_time_are_answered_one_after_another(sound_file: Path) -> None:
    halves = [Stretch(0, 0.0, 4.0, (Span(0.0, 4.0),)), Stretch(1, 4.0, 12.0, (Span(4.0, 12.0),))]
    async with EngineProcess(fake()) as engine:
        found = await asyncio.gather(*(engine.transcribe(sound_file, half) for half in halves))
    for half, result in zip(halves, found, strict=True):
        for segment in result.segments:
            assert half.start_seconds <= segment.start <= segment.end <= half.end_seconds


WORKER = """
import asyncio, sys
from pathlib import Path
from reelkeep.speech.process import EngineProcess
from reelkeep.speech.protocol import EngineSpec, Stretch

async def main():
    spec = EngineSpec("fake", extra={"misbehave": "hang", "marker": sys.argv[2]})
    async with EngineProcess(spec) as engine:
        await engine.transcribe(Path(sys.argv[1]), Stretch(0, 0.0, 1.0))

asyncio.run(main())
"""


def test_nothing_is_left_running_when_the_worker_is_killed(sound_file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(sound_file), str(marker)])
    try:
        wait_until(lambda: marker.exists() and marker.read_text().endswith("\n"), "the engine to be at work")
        pid = int(marker.read_text().split()[0])
        assert is_running(pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait(DEADLINE_SECONDS)
        wait_until(lambda: not is_running(pid), "the engine process to end with its worker")
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        worker.wait(DEADLINE_SECONDS)


async def test_a_killed_run_goes_on_from_the_last_finished_stretch(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "three.raw", *[np.concatenate([say(MONOLOGUE), silence(35)])] * 3)
    crashing = fake(misbehave="crash", at_call="2", once_file=str(tmp_path / "crashed"))
    done = {}
    for _ in range(2):
        async with EngineProcess(crashing) as engine:
            planned = await engine.plan(path)
            with contextlib.suppress(EngineError):
                for stretch in planned:
                    if stretch.index not in done:
                        done[stretch.index] = await engine.transcribe(path, stretch)
    async with EngineProcess(fake()) as engine:
        undisturbed = {
            stretch.index: await engine.transcribe(path, stretch) for stretch in await engine.plan(path)
        }
    assert len(undisturbed) == 3
    assert done == undisturbed
