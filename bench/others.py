"""How busy everybody else keeps the machine while something is measured."""

import os
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bench.machine import busy_seconds
from bench.processes import family, processor_seconds

EVERY_SECONDS = 2.0


@dataclass(slots=True)
class Others:
    """Processors kept busy by what is not this process or one of its descendants."""

    busy: list[float] = field(default_factory=list)
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

    def described(self) -> dict[str, float]:
        """On average and in the worst two seconds."""
        return {
            "processors_busy_by_others": round(sum(self.busy) / max(len(self.busy), 1), 2),
            "processors_busy_by_others_max": round(max(self.busy, default=0.0), 2),
        }

    def _watch(self) -> None:
        moment, total, ours = time.monotonic(), busy_seconds(), _our_seconds()
        stopped = False
        while not stopped:
            stopped = self._stop.wait(EVERY_SECONDS)
            now, total_now, ours_now = time.monotonic(), busy_seconds(), _our_seconds()
            # Ours falls when a process ends that nobody of ours waits for; that look tells nothing.
            if ours_now >= ours:
                self.busy.append(max(0.0, (total_now - total - (ours_now - ours)) / (now - moment)))
            moment, total, ours = now, total_now, ours_now


def _our_seconds() -> float:
    return processor_seconds(family(os.getpid()))
