"""Processes as /proc shows them: who belongs to whom, what memory and processor time they take."""

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLES_A_SECOND = 10
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: `rss` counts pages that are shared with others in full, `pss` its part of them."""

    rss: int = 0
    #: None where the kernel does not let us look.
    pss: int | None = 0

    def __add__(self, other: "Memory") -> "Memory":
        pss = None if self.pss is None or other.pss is None else self.pss + other.pss
        return Memory(self.rss + other.rss, pss)

    @property
    def counted(self) -> int:
        """The bytes to judge by: PSS where it is known."""
        return self.rss if self.pss is None else self.pss


def family(pid: int) -> list[int]:
    """A process and all its living descendants."""
    found, waiting = [], [pid]
    while waiting:
        found.append(next_pid := waiting.pop())
        waiting += _children(next_pid)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # one of its threads has
                children += [int(word) for word in path.read_text().split()]
    return children


def command_of(pid: int) -> str:
    """The command line, or the name of a process without one; empty when it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return words.strip() or Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_postgres(pid: int) -> bool:
    """Whether a process belongs to the embedded Postgres, its supervisor included."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return name == "postgres" or "reelkeep.db.postgres.supervisor" in command_of(pid)


def memory_of(pid: int) -> Memory:
    """What a process takes now; nothing when it is gone."""
    try:
        rss = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return Memory()
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError:
        return Memory(rss, None)
    except (FileNotFoundError, ProcessLookupError):
        return Memory()
    pss = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
    return Memory(rss, pss)


def memory_of_all(pids: Iterable[int]) -> Memory:
    """What several processes take together."""
    return sum((memory_of(pid) for pid in pids), Memory())


def processor_seconds(pids: Iterable[int]) -> float:
    """Processor time that these processes, and the children they have waited for, have used so far."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def mentioning(text: str) -> list[int]:
    """Processes, but for this one, whose command line holds a text."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and text in command_of(pid)]


@dataclass(slots=True)
class PeakMemory:
    """The most memory that a process and its descendants take together, looked at ten times a second.

    A look costs some 40 ms of a processor: where speed is measured as well, it should be rarer.
    """

    pid: int
    looks_a_second: float = SAMPLES_A_SECOND
    peak: Memory = field(default_factory=Memory)
    #: Command line and memory of each process at the peak.
    made_of: list[tuple[str, Memory]] = field(default_factory=list)
    samples: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            due = time.monotonic() + 1 / self.looks_a_second
            self._look()
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _look(self) -> None:
        seen = {pid: memory_of(pid) for pid in family(self.pid)}
        total = sum(seen.values(), Memory())
        self.samples += 1
        if total.counted > self.peak.counted:
            self.peak = total
            self.made_of = [(command_of(pid), memory) for pid, memory in seen.items()]

    def described(self) -> str:
        """The processes at the peak, largest first."""
        by_size = sorted(self.made_of, key=lambda pair: pair[1].counted, reverse=True)
        return ", ".join(f"{_role(command)} {memory.counted / MB:.0f} MB" for command, memory in by_size)


def _role(command: str) -> str:
    for mark in ("reelkeep.media.child", "reelkeep.speech.child", "reelkeep worker", "reelkeep serve"):
        if mark in command:
            return mark
    return command.partition(" ")[0].rpartition("/")[2] or "a process that is gone"
