"""The machine that measures, and how busy it is with other things."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import median, percentile

ROOT = Path(__file__).resolve().parents[1]
LOOK_SECONDS = 3.0
FSYNCS = 100


def describe_machine() -> dict[str, Any]:
    """Processor, memory, kernel, Python, and the commit that is measured."""
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _commit(),
    }


def describe_moment() -> dict[str, Any]:
    """The time, and how much of the processors others use before anything is started."""
    busy = busy_processors(LOOK_SECONDS)
    return {
        "started_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_average": round(os.getloadavg()[0], 2),
        "processors_busy_before": round(busy, 2),
    }


def busy_processors(seconds: float) -> float:
    """How many processors are busy over some time, all processes taken together."""
    before, started = busy_seconds(), time.monotonic()
    time.sleep(seconds)
    return (busy_seconds() - before) / (time.monotonic() - started)


def fsync_milliseconds(folder: Path) -> tuple[float, float]:
    """Median and 99th percentile of writing 4 KiB to a new file and waiting until it is on disk."""
    taken = []
    for number in range(FSYNCS):
        path = folder / f"fsync-{number}"
        started = time.perf_counter()
        with path.open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        taken.append((time.perf_counter() - started) * 1000)
        path.unlink()
    return median(taken), percentile(taken, 99)


def busy_seconds() -> float:
    """Time of all processors that was not idle, so far; guest time is part of user time already."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return run.stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{commit} with changes" if git("status", "--porcelain", "src") else commit
