"""Open-loop load: requests are begun by the clock, whatever became of those before.

A closed loop waits for the slow answers and sends less while it waits, so that the slow moments are hardly
sampled ("coordinated omission"). Here each act has a time at which it is due; when all connections are
taken it waits, and the waiting counts.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.connection import Connection
from bench.figures import percentile


class Refused(Exception):
    """An answer that is not the one that was asked for."""


@dataclass(slots=True)
class Load:
    """What was offered, and what came of it."""

    rate: float
    offered: int
    #: Seconds, by the name of what was timed.
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    done: int = 0
    #: From the first due time to the last end.
    seconds: float = 0.0
    #: Processor time of this process in them.
    processor_seconds: float = 0.0
    #: How late this process itself was.
    late: list[float] = field(default_factory=list)

    @property
    def achieved(self) -> float:
        """Acts that ended well, each second; the last ones' own time does not count against it."""
        return self.done / max(self.seconds, self.offered / self.rate)

    def milliseconds(self, name: str, percent: float) -> float:
        """A percentile of what was timed."""
        return percentile(self.samples[name], percent) * 1000


#: Is given a free connection, the moment the act was due on `time.perf_counter`, and where to note times.
Act = Callable[[Connection, float, Load], Awaitable[None]]


async def offer(act: Act, rate: float, seconds: float, connections: Sequence[Connection]) -> Load:
    """Begin `act` so many times a second, evenly, and wait for all to end."""
    load = Load(rate, round(rate * seconds))
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)

    async def one(due: float) -> None:
        connection = await free.get()
        try:
            await act(connection, due, load)
            load.done += 1
        except (Refused, ConnectionError, TimeoutError) as error:
            load.failures[f"{type(error).__name__}: {error}"[:200]] += 1
        finally:
            free.put_nowait(connection)

    processor, started = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(load.offered):
            due = started + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            load.late.append(time.perf_counter() - due)
            group.create_task(one(due))
    load.seconds = time.perf_counter() - started
    load.processor_seconds = time.process_time() - processor
    return load
