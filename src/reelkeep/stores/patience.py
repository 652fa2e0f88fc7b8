"""How often and how long what may be repeated is tried."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from reelkeep.errors import StoreUnavailable
from reelkeep.logs import get_logger

T = TypeVar("T")
logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long an operation that may be repeated is tried."""

    tries_max: int = 4
    first_wait_seconds: float = 0.2
    wait_seconds_max: float = 3.0

    def wait_seconds(self, failures: int) -> float:
        """How long to wait after so many failures: doubling, with a random half so that crowds disperse."""
        longest: float = min(self.wait_seconds_max, self.first_wait_seconds * 2 ** (failures - 1))
        share = 0.5 + random.random() / 2  # noqa: S311 - no secret
        return longest * share

    async def repeat(self, action: str, call: Callable[[], Awaitable[T]]) -> T:
        """What the call gives; a `StoreUnavailable` is raised only after the last try."""
        failures = 0
        while True:
            try:
                return await call()
            except StoreUnavailable as error:
                failures += 1
                if failures >= self.tries_max:
                    raise
                wait = self.wait_seconds(failures)
                logger.warning(
                    "store request tried again", action=action, exc_info=error, wait_seconds=round(wait, 3)
                )
                await asyncio.sleep(wait)
