"""The most memory that a worker and its children take while long recordings are processed."""

import time

import httpx

from bench import processing
from bench.engines import TINY_IS, run_alone, tiny_whisper
from bench.figures import Report
from bench.installation import installation, make_administrator
from bench.processes import MB, PeakMemory
from bench.registry import Setup
from bench.sound import speech, write_m4a, write_raw

MORE_MB_MAX = 400
HOURS = (2, 8)
COUNTED = (
    "`reelkeep worker` and every process under it (media children, the engine), added up ten times a "
    "second; the largest sum counts. Judged by PSS, which counts shared pages once; RSS counts them in each "
    "process. One worker does both recordings (M4A, 44.1 kHz mono, made of flite's speech), one after the "
    "other, all four steps. The engine alone is its child process with 10 s of sound and nothing else. "
    f"{TINY_IS}"
)


async def measure(setup: Setup) -> Report:
    """The engine alone, then two hours, then eight."""
    report = Report("memory", "Memory while long recordings are processed", COUNTED)
    engine = tiny_whisper(setup.scratch / "model")
    setup.say("the engine alone on 10 s")
    alone = (await run_alone(engine, write_raw(setup.scratch / "ten.raw", speech(10)))).memory
    base = alone.peak.counted / MB
    report.add("engine alone on 10 s", base, "MB", note=f"RSS {alone.peak.rss / MB:.0f} MB")
    with installation(setup.scratch / "installation", **engine.settings) as place:
        server = place.start_server("--no-worker")
        headers = {"Authorization": f"Bearer {make_administrator(server)}"}
        worker = place.start_worker()
        with (
            httpx.Client(base_url=server.url, headers=headers, timeout=600) as client,
            place.database() as database,
        ):
            for name, seconds in _lengths(setup).items():
                setup.say(f"{name} of speech")
                file = write_m4a(setup.scratch / "long.m4a", seconds)
                started = time.monotonic()
                with PeakMemory(worker.pid) as memory:
                    await processing.process(client, database, file)
                _tell(report, name, base, memory, time.monotonic() - started)
                file.unlink()
    return report


def _lengths(setup: Setup) -> dict[str, int]:
    return {"20 s": 20, "60 s": 60} if setup.quick else {f"{hours} h": hours * 3600 for hours in HOURS}


def _tell(report: Report, name: str, base: float, memory: PeakMemory, seconds: float) -> None:
    peak = memory.peak.counted / MB
    rss = f"RSS {memory.peak.rss / MB:.0f} MB, {memory.samples} looks"
    report.add(f"worker and children, {name}", peak, "MB", note=rss)
    report.add(f"above the engine alone, {name}", peak - base, "MB", MORE_MB_MAX)
    report.add(f"processing, {name}", seconds, "s", note="all steps, with the upload")
    report.notes.append(f"{name}, at the peak: {memory.described()}.")
    if memory.peak.pss is None:
        report.notes.append(
            "The kernel does not show PSS here; the figures are RSS and count shared pages twice."
        )
