"""How long the start takes, from nothing and again, and what memory Reelkeep takes at rest."""

import asyncio
import time
from collections.abc import Iterable

import httpx

from bench.figures import Report, median
from bench.installation import Installation, Server, installation
from bench.processes import MB, Memory, memory_of_all
from bench.registry import Setup

TIMES = 3
FIRST_SECONDS_MAX, AGAIN_SECONDS_MAX = 5.0, 2.0
READY_SECONDS_MAX = 60.0
LOOK_EVERY_SECONDS = 0.02
REST_SECONDS = 10.0
COUNTED = (
    "`reelkeep serve` as a child process on an empty data folder, from before the process is made to its "
    "line that it is ready (database made, tables made, port answering), then until /api/health/ready "
    "answers 200 (a worker is alive too); then stopped and started again on the same folder. The worst of "
    "several runs counts. Files are in the page cache, as after set-up. Memory is taken after ten seconds "
    "at rest: PSS counts shared pages once over all processes, RSS counts them in each."
)


async def measure(setup: Setup) -> Report:
    """Start several installations twice each."""
    report = Report("start", "Start, and memory at rest", COUNTED)
    times: dict[str, list[float]] = {name: [] for name in ("first line", "first", "again line", "again")}
    for number in range(1 if setup.quick else TIMES):
        setup.say(f"installation {number + 1}")
        with installation(setup.scratch / f"installation-{number}", REELKEEP_ENGINE="pocketsphinx") as place:
            for name in ("first", "again"):
                server, ready = _start(place)
                times[f"{name} line"].append(server.ready_seconds)
                times[name].append(ready)
                if name == "again":
                    await asyncio.sleep(1 if setup.quick else REST_SECONDS)
                    if number == 0:
                        _tell_memory(report, server)
                place.stop()
    _tell_times(report, times)
    return report


def _start(place: Installation) -> tuple[Server, float]:
    """The server, and seconds from its start until it says that its worker is alive too."""
    started = time.monotonic()
    server = place.start_server()
    with httpx.Client(base_url=server.url) as client:
        while client.get("/api/health/ready").status_code != 200:
            if time.monotonic() - started > READY_SECONDS_MAX:
                raise RuntimeError(client.get("/api/health/ready").text)
            time.sleep(LOOK_EVERY_SECONDS)
    return server, time.monotonic() - started


def _tell_times(report: Report, times: dict[str, list[float]]) -> None:
    def told(name: str) -> str:
        return f"of {len(times[name])}; median {median(times[name]):.2f} s"

    report.add(
        "from nothing to the ready line", max(times["first line"]), "s", FIRST_SECONDS_MAX, told("first line")
    )
    report.add("from nothing to /ready with worker", max(times["first"]), "s", note=told("first"))
    report.add(
        "again to the ready line", max(times["again line"]), "s", AGAIN_SECONDS_MAX, told("again line")
    )
    report.add("again to /ready with worker", max(times["again"]), "s", note=told("again"))


def _tell_memory(report: Report, server: Server) -> None:
    parts: dict[str, Iterable[int]] = {
        "server": server.own_pids,
        "worker": server.worker_pids,
        "Postgres and its supervisor": server.postgres_pids,
    }
    total = Memory()
    for name, pids in parts.items():
        found = memory_of_all(pids)
        total += found
        report.add(f"memory at rest: {name}", found.counted / MB, "MB", note=f"RSS {found.rss / MB:.0f} MB")
    kind = "RSS, shared pages counted in each" if total.pss is None else "PSS"
    report.add("memory at rest: all", total.counted / MB, "MB", note=kind)
