"""The work on media, against ffmpeg's command line on the same file in the same run."""

import resource
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Report, median
from bench.registry import Setup
from bench.sound import write_stereo_m4a
from reelkeep.media.child import NICENESS
from reelkeep.media.facts import MediaLimits
from reelkeep.media.work import extract_sound, make_peaks, make_playback, probe

SECONDS, ROUNDS = 600, 5
COUNTED = (
    "Ten minutes of stereo speech (AAC, 44.1 kHz, 128 kbit/s). Ours: the whole bounded child process, its "
    "start included. ffmpeg: the command in the note, at the same niceness. In turns, five rounds, medians "
    "of wall time; CPU is the children's user and system time. For the probe and the waveform ffmpeg only "
    "decodes: it has nothing that gives the same."
)
#: What comes nearest: for the probe and the waveform, decoding everything and keeping nothing.
ALTERNATIVES = {
    "probe": "-i {source} -vn -f null -",
    "playback": "-i {source} -vn -c:a aac -b:a 128k -movflags +faststart -f mp4 {target}",
    "peaks": "-i {source} -vn -f null -",
    "sound": "-i {source} -vn -ac 1 -ar 16000 -f s16le {target}",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one piece of work."""

    wall: float
    processor: float


async def measure(setup: Setup) -> Report:
    """Each piece of work in turn with its alternative."""
    report = Report("media", "Work on media", COUNTED)
    seconds = 30 if setup.quick else SECONDS
    setup.say(f"making {seconds} s of stereo")
    source, target = write_stereo_m4a(setup.scratch / "stereo.m4a", seconds), setup.scratch / "made"
    ffmpeg = shutil.which("ffmpeg")
    report.notes.append(
        _version(ffmpeg) if ffmpeg else "ffmpeg is not installed here, so nothing is compared."
    )
    for name, work in _work(source, target).items():
        setup.say(name)
        ours: list[Taken] = []
        theirs: list[Taken] = []
        for _ in range(1 if setup.quick else ROUNDS):
            ours.append(await _timed(work))
            if ffmpeg:
                theirs.append(_timed_command(_command(ffmpeg, name, source, target)))
        _tell(report, name, seconds, ours, theirs)
    return report


def _work(source: Path, target: Path) -> dict[str, Callable[[], Awaitable[object]]]:
    limits = MediaLimits()
    return {
        "probe": lambda: probe(source, limits),
        "playback": lambda: make_playback(source, target, limits),
        "peaks": lambda: make_peaks(source, target, limits),
        "sound": lambda: extract_sound(source, target, limits),
    }


def _command(ffmpeg: str, name: str, source: Path, target: Path) -> list[str]:
    words = ALTERNATIVES[name].format(source=source, target=target).split()
    return ["nice", "-n", str(NICENESS[name]), ffmpeg, "-nostdin", "-v", "error", "-y", *words]


async def _timed(work: Callable[[], Awaitable[object]]) -> Taken:
    processor, started = _children_seconds(), time.perf_counter()
    await work()
    return Taken(time.perf_counter() - started, _children_seconds() - processor)


def _timed_command(command: list[str]) -> Taken:
    processor, started = _children_seconds(), time.perf_counter()
    subprocess.run(command, check=True)
    return Taken(time.perf_counter() - started, _children_seconds() - processor)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tell(report: Report, name: str, seconds: float, ours: list[Taken], theirs: list[Taken]) -> None:
    own = median([taken.wall for taken in ours])
    processor = median([taken.processor for taken in ours])
    report.add(name, own, "s", note=f"{seconds / own:.0f} × real time, CPU {processor:.2f} s")
    if theirs:
        other = median([taken.wall for taken in theirs])
        other_processor = median([taken.processor for taken in theirs])
        note = f"`ffmpeg {ALTERNATIVES[name].format(source='IN', target='OUT')}`, CPU {other_processor:.2f} s"
        report.add(f"{name}, ffmpeg", other, "s", note=note)
        report.add(
            f"{name}, Reelkeep / ffmpeg",
            own / other,
            "× wall",
            note=f"{processor / other_processor:.2f} × CPU",
        )


def _version(ffmpeg: str) -> str:
    said = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]
