"""Whether a store answers, as this process has seen it: a circuit that opens on failures and closes on proof.

Failures in a row open it; then nobody is sent there until probes have succeeded twice, with growing pauses
between them, so that a store that comes and goes is not used by turns. A store that is full answers, and is
read from as ever; it is only given nothing new for a while, since no probe tells how much room there is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reelkeep.errors import ObjectNotFound, StoreFull, StoreRefused, StoreUnavailable
from reelkeep.logs import get_logger

log = get_logger(__name__)

FAILURES_MAX = 2
PROVED_BY = 2
FIRST_PAUSE_SECONDS, PAUSE_SECONDS_MAX = 2.0, 60.0
#: How old the last answer may be that proves that a store is there.
FRESH_SECONDS = 10.0
PROBE_SECONDS_MAX = 5.0
#: How long a store that was full is given nothing new.
FULL_SECONDS = 60.0


@dataclass(slots=True)
class Health:
    """What this process has seen of one store."""

    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    #: Successful probes since it opened.
    proofs: int = 0
    is_open: bool = False
    answered_at: float | None = None
    probe_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    last_error: str | None = None
    full_at: float | None = None
    _probing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def worked(self) -> None:
        """An operation succeeded, or was answered that there is no such object."""
        self.answered_at, self.failures = self.clock(), 0

    def failed(self, error: BaseException) -> None:
        """An operation failed; only what speaks of the store itself counts."""
        if isinstance(error, ObjectNotFound | StoreFull):
            self.worked()
        if isinstance(error, StoreFull):
            if not self.is_full:
                log.error("store is full; nothing new goes there", error=str(error))
            self.full_at = self.clock()
        elif isinstance(error, StoreUnavailable | StoreRefused | TimeoutError):
            self.failures += 1
            self.last_error = str(error)
            if self.failures >= FAILURES_MAX:
                self._open()

    @property
    def is_full(self) -> bool:
        """Whether it had no room just now."""
        return self.full_at is not None and self.clock() - self.full_at < FULL_SECONDS

    async def answers(self, probe: Callable[[], Awaitable[None]]) -> bool:
        """Whether the store can be used now; asks it by `probe` when the last answer is too old.

        While the circuit is open, one caller at a time probes, and not before the pause is over.
        """
        if not self._is_due():
            return not self.is_open
        async with self._probing:
            if self._is_due():  # nobody has just asked
                await self._probe(probe)
        return not self.is_open

    def _is_due(self) -> bool:
        if self.is_open:
            return self.clock() >= self.probe_at
        return self.answered_at is None or self.clock() - self.answered_at > FRESH_SECONDS

    async def _probe(self, probe: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                await probe()
        except (StoreUnavailable, StoreRefused, TimeoutError) as error:
            self.last_error = str(error) or type(error).__name__
            self._open()
            return
        self.worked()
        self.proofs += 1
        if self.is_open and self.proofs >= PROVED_BY:
            log.info("store answers again")
            self.is_open, self.pause_seconds = False, FIRST_PAUSE_SECONDS
        self.probe_at = self.clock() + FIRST_PAUSE_SECONDS

    def _open(self) -> None:
        if not self.is_open:
            log.error("store does not answer; nothing new goes there", error=self.last_error)
            self.pause_seconds = FIRST_PAUSE_SECONDS
        else:
            self.pause_seconds = min(2 * self.pause_seconds, PAUSE_SECONDS_MAX)
        self.is_open, self.proofs = True, 0
        self.probe_at = self.clock() + self.pause_seconds
