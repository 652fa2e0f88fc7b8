"""A child that decodes media ends inside its limits, whatever happens to it, and leaves nothing behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.media import child_process
from reelkeep.media.child_process import run_child
from reelkeep.media.facts import MediaLimits
from reelkeep.media.sandbox import REFUSED_CALLS
from reelkeep.media.work import extract_sound, make_peaks, make_playback, probe
from tests.fixtures import media

PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def long_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough sound to keep a child busy for minutes."""
    path = tmp_path_factory.mktemp("media") / "long.flac"
    media.long_flac(path, hours=2)
    return path


def children(parent: int | None = None) -> set[int]:
    """The processes that are direct children of this one, or of `parent`, and run our child program."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            ppid = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if (
                ppid == (parent or os.getpid())
                and b"reelkeep.media.child" in (entry / "cmdline").read_bytes()
            ):
                found.add(int(entry.name))
    return found


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def working(source: Path, target: Path) -> AsyncIterator[tuple[asyncio.Task[object], int]]:
    """A playback under way in its child, which has begun to decode."""
    begun = asyncio.Event()
    work = make_playback(source, target, MediaLimits(), lambda _fraction: begun.set())
    task: asyncio.Task[object] = asyncio.create_task(work)
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    (pid,) = children()
    yield task, pid
    assert task.done()
    assert not children()
    assert not target.exists()


async def test_a_child_killed_from_outside_is_a_crash_that_names_the_signal(
    long_source: Path, tmp_path: Path
) -> None:
    async with working(long_source, tmp_path / "out") as (task, pid):
        os.kill(pid, signal.SIGSEGV)
        with pytest.raises(MediaError, match="SIGSEGV") as caught:
            await task
    assert caught.value.code == ErrorCode.MEDIA_CRASHED
    assert caught.value.details["signal"] == "SIGSEGV"


async def test_a_cancelled_caller_leaves_no_process_and_no_file(long_source: Path, tmp_path: Path) -> None:
    async with working(long_source, tmp_path / "out") as (task, pid):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not Path(f"/proc/{pid}").exists()


async def test_what_words_wait_for_is_done_before_what_is_for_playing(
    long_source: Path, tmp_path: Path
) -> None:
    niceness = {}
    for work in ("probe", "sound", "playback", "peaks"):
        begun, target = asyncio.Event(), None if work == "probe" else tmp_path / work
        run = run_child(work, long_source, target, MediaLimits(), lambda _fraction, b=begun: b.set())
        task = asyncio.create_task(run)
        await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
        (pid,) = children()
        niceness[work] = os.getpriority(os.PRIO_PROCESS, pid)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    first, last = min(19, own + 5), min(19, own + 15)
    assert niceness == {"probe": first, "sound": first, "playback": last, "peaks": last}


async def test_a_child_ends_with_a_parent_that_is_killed(long_source: Path, tmp_path: Path) -> None:
    program = f"""
        import asyncio
        from pathlib import Path
        from reelkeep.media.facts import MediaLimits
        from reelkeep.media.work import make_playback
        asyncio.run(make_playback(Path({str(long_source)!r}), Path({str(tmp_path / "out")!r}), MediaLimits()))
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    try:
        await until(lambda: bool(children(parent.pid)))
        (pid,) = children(parent.pid)
        await until((tmp_path / "out").exists)
    finally:
        parent.kill()
        parent.wait()
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_over_the_time_allowed_is_an_error_with_limit_and_unit(
    long_source: Path, tmp_path: Path
) -> None:
    with pytest.raises(MediaError) as caught:
        await make_playback(long_source, tmp_path / "out", MediaLimits(seconds_max=1))
    assert caught.value.code == ErrorCode.MEDIA_LIMIT
    assert caught.value.details == {"limit": 1, "unit": "seconds", "what": "time"}
    assert not children()
    assert not (tmp_path / "out").exists()


async def test_over_the_memory_allowed_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(media.wav(media.beeps(60)))
    less_than_libraries_take = 100_000_000
    with pytest.raises(MediaError) as caught:
        await probe(source, MediaLimits(memory_bytes_max=less_than_libraries_take))
    assert caught.value.code == ErrorCode.MEDIA_LIMIT
    assert caught.value.details["what"] == "memory"
    assert not children()


async def test_over_the_output_allowed_is_an_error_with_limit_and_unit(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "out"
    source.write_bytes(media.wav(media.beeps(60)))
    for work in (make_playback, extract_sound, make_peaks):
        with pytest.raises(MediaError) as caught:
            await work(source, target, MediaLimits(output_bytes_max=5_000))
        assert caught.value.code == ErrorCode.MEDIA_LIMIT
        assert caught.value.details == {"limit": 5_000, "unit": "bytes", "what": "output"}
        assert not target.exists()


async def test_longer_than_allowed_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(media.wav(media.beeps(60)))
    with pytest.raises(MediaError, match="longer than the 30 seconds") as caught:
        await probe(source, MediaLimits(duration_seconds_max=30))
    assert caught.value.code == ErrorCode.MEDIA_TOO_LONG


async def test_more_channels_than_allowed_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(media.wav(media.beeps(1).repeat(8, axis=0)))
    with pytest.raises(MediaError, match="8 channels") as caught:
        await probe(source, MediaLimits(channels_max=4))
    assert caught.value.code == ErrorCode.MEDIA_LIMIT


async def test_a_target_that_cannot_be_made_starts_no_child(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(media.wav(media.beeps(1)))
    with pytest.raises(OSError, match="No such file"):
        await make_peaks(source, tmp_path / "nowhere" / "out", MediaLimits())
    assert not children()


async def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(media.wav(media.beeps(1)))
    await make_peaks(source, tmp_path / "out", MediaLimits())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        await make_peaks(source, tmp_path / "out", MediaLimits())
        with pytest.raises(MediaError):
            await probe(source, MediaLimits(duration_seconds_max=0.5))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


SPEAKERS_OF_NONSENSE = {
    "no answer": "pass",
    "no JSON": "print('hello')",
    "no object": "print('[1, 2]')",
    "a line without end": "print('x' * 10_000_000)",
    "an unknown error": 'print(\'{"error": {"code": "WHAT"}}\')',
    "a result of the wrong shape": 'print(\'{"result": {"duration_seconds": []}}\')',
    "an exception": "raise RuntimeError('broken')",
}


@pytest.mark.parametrize("program", SPEAKERS_OF_NONSENSE.values(), ids=SPEAKERS_OF_NONSENSE)
async def test_a_child_that_speaks_no_sense_is_a_crash(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder taken over by hostile bytes may say anything; an interpreter that says it stands in."""
    impostor = tmp_path / "python"
    impostor.write_text(f"#!{sys.executable}\n{program}\n")
    impostor.chmod(0o700)
    monkeypatch.setattr(child_process.sys, "executable", str(impostor))
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(MediaError) as caught:
        await make_peaks(source, tmp_path / "out", MediaLimits(seconds_max=20))
    assert caught.value.code == ErrorCode.MEDIA_CRASHED
    assert not (tmp_path / "out").exists()


INSIDE = """
import os, socket, subprocess, sys, threading
from reelkeep.media.facts import MediaLimits
from reelkeep.media.sandbox import limit_resources, refuse_system_calls
limit_resources(MediaLimits(output_bytes_max=1000), 10)
sandbox = refuse_system_calls()
def refused(act):
    try:
        act()
    except OSError:
        return True
    return False
acts = {
    "read a file": lambda: open("/etc/passwd"),
    "write a file": lambda: open(sys.argv[1], "w"),
    "open a socket": lambda: socket.socket(),
    "start a program": lambda: os.execv("/bin/true", ["true"]),
    "fork": lambda: os.fork() or os._exit(0),
    "signal another": lambda: os.kill(os.getppid(), 0),
    "remove a file": lambda: os.unlink(sys.argv[1]),
    "make a folder": lambda: os.mkdir(sys.argv[1]),
}
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
print(sandbox, sorted(name for name, act in acts.items() if not refused(act)))
"""


def test_inside_the_sandbox_nothing_can_be_opened_started_or_sent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INSIDE, str(tmp_path / "new")],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.strip() == "seccomp []", done.stderr
    assert "execve" in REFUSED_CALLS
