"""What a check found."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from reelkeep.errors import ReelkeepError


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    #: It works, and somebody should know something about it.
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    message: str
    #: What a person does about it.
    fix: str | None = None
    error_code: str | None = None


async def found(name: str, look: Callable[[], Awaitable[Finding]], fix: str | None = None) -> Finding:
    """What a check found; an error that it raised is a failed finding."""
    try:
        return await look()
    except ReelkeepError as error:
        return Finding(name, State.FAILED, error.message, fix, error.code)
    except OSError as error:
        return Finding(name, State.FAILED, str(error), fix)
