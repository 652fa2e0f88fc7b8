"""The process that hears a recording while it is decoded."""

import asyncio
import contextlib
import os
from pathlib import Path

from reelkeep.media.facts import MediaLimits
from reelkeep.speech.limits import EngineLimits
from reelkeep.speech.protocol import EngineSpec
from reelkeep.transcripts.cut import Cutting
from tests.fixtures.speech import MONOLOGUE, say, write_wav


def niceness_of_ears() -> set[int]:
    """How much nicer than this process those under it are that run our speech program."""
    found, own = set(), os.getpriority(os.PRIO_PROCESS, 0)
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid() and b"reelkeep.speech.child" in (entry / "cmdline").read_bytes():
                found.add(os.getpriority(os.PRIO_PROCESS, int(entry.name)) - own)
    return found


async def test_hearing_goes_before_the_engine_that_waits_for_it(tmp_path: Path) -> None:
    source, cutting, seen = (
        write_wav(tmp_path / "said.wav", say(MONOLOGUE)),
        Cutting(tmp_path / "sound"),
        set(),
    )
    decoding = asyncio.create_task(cutting.decode(source, MediaLimits()))
    hearing = asyncio.create_task(cutting.hear(EngineSpec("fake"), decoding))
    while not hearing.done():
        seen |= niceness_of_ears()
        await asyncio.sleep(0.01)
    await hearing
    # A process that has only just begun is as nice as we are.
    assert 0 < max(seen) < EngineLimits().nice
