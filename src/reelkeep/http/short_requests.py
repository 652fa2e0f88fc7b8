"""Requests that are answered soon go before large bodies, where many of them wait at once.

Of fifty clients that ask for a ticket and then send 20 MB each, the last would otherwise wait for its ticket
behind the bytes of the first.
"""

import asyncio
import time
from contextlib import suppress
from typing import ClassVar

#: While more requests than these wait for the head of their answer, a large body is taken in more slowly: a
#: piece each so many seconds.
MANY, GIVE_WAY_SECONDS = 4, 0.05
#: How long one body gives way in all: some requests wait long for what has nothing to do with bodies.
GIVE_WAY_SECONDS_MAX = 1.0


class _Waiting:
    """Requests without a large body whose answer has not begun, in this process."""

    count = 0
    few: ClassVar[asyncio.Event | None] = None


def waiting() -> int:
    """How many requests without a large body wait for the head of their answer."""
    return _Waiting.count


def count(difference: int) -> None:
    """Count one more, or one less."""
    _Waiting.count += difference
    if _Waiting.count <= MANY and _Waiting.few is not None:
        _Waiting.few.set()
        _Waiting.few = None


async def give_way() -> float:
    """Wait a moment where there are many; how many seconds that took."""
    if _Waiting.count <= MANY:
        return 0.0
    began = time.monotonic()
    _Waiting.few = _Waiting.few or asyncio.Event()
    with suppress(TimeoutError):
        async with asyncio.timeout(GIVE_WAY_SECONDS):
            await _Waiting.few.wait()
    return time.monotonic() - began
