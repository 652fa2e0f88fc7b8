"""Requests to a store and bytes in and out of it, counted in this process until somebody takes the counts.

What this process asks of a store, and what clients ask of a local store at our own wire, is seen. What
clients ask of a service with a URL that we signed is expected: once, when the URL is given, used or not.
"""

from dataclasses import dataclass
from enum import StrEnum


class ActionClass(StrEnum):
    """Requests as services price them."""

    WRITE = "write"
    LIST = "list"
    READ = "read"
    DELETE = "delete"


class Counted(StrEnum):
    """How it is known that there was a request."""

    SEEN = "seen"
    EXPECTED = "expected"


@dataclass(slots=True)
class Counts:
    """Of one class."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


Taken = dict[tuple[ActionClass, Counted], Counts]

#: What each operation of a guard is, and which way its bytes go through this process.
_OPERATIONS: dict[str, tuple[ActionClass, bool, bool]] = {
    "put": (ActionClass.WRITE, True, False),
    "put part": (ActionClass.WRITE, True, False),
    "grow": (ActionClass.WRITE, True, False),
    "read": (ActionClass.READ, False, True),
    "head": (ActionClass.READ, False, False),
    "grown": (ActionClass.READ, False, False),
    "delete": (ActionClass.DELETE, False, False),
    "abort parts": (ActionClass.DELETE, False, False),
    "discard growth": (ActionClass.DELETE, False, False),
    "list": (ActionClass.LIST, False, False),
    "list versions": (ActionClass.LIST, False, False),
    "list parts": (ActionClass.LIST, False, False),
    "list part uploads": (ActionClass.LIST, False, False),
    "list growths": (ActionClass.LIST, False, False),
}
#: Copies inside a store, what begins and ends parts, and whatever comes later: priced as a write, no bytes.
_OTHER = (ActionClass.WRITE, False, False)


def only_looks(action: str) -> bool:
    """Whether an operation of a guard leaves a store as it is."""
    return _OPERATIONS.get(action, _OTHER)[0] in (ActionClass.READ, ActionClass.LIST)


class Traffic:
    """The counts of one store; for the event loop's thread alone, so that counting is a few additions."""

    def __init__(self) -> None:
        self._counts: Taken = {}

    def count(
        self,
        action: ActionClass,
        requests: int = 1,
        *,
        bytes_in: int = 0,
        bytes_out: int = 0,
        counted: Counted = Counted.SEEN,
    ) -> None:
        """Add to the counts."""
        counts = self._counts.get((action, counted))
        if counts is None:
            counts = self._counts[action, counted] = Counts()
        counts.requests += requests
        counts.bytes_in += bytes_in
        counts.bytes_out += bytes_out

    def count_operation(self, action: str, tries: int, size_bytes: int) -> None:
        """Count one operation of a guard, by the name that the log has for it."""
        kind, comes, goes = _OPERATIONS.get(action, _OTHER)
        self.count(kind, tries, bytes_in=size_bytes if comes else 0, bytes_out=size_bytes if goes else 0)

    def take(self) -> Taken:
        """What was counted since the last time; whoever cannot keep it gives it back."""
        taken, self._counts = self._counts, {}
        return taken

    def give_back(self, taken: Taken) -> None:
        """Count again what could not be kept."""
        for (action, counted), counts in taken.items():
            self.count(
                action,
                counts.requests,
                bytes_in=counts.bytes_in,
                bytes_out=counts.bytes_out,
                counted=counted,
            )


def traffic_of(store: object) -> Traffic | None:
    """The counts of a guarded store."""
    traffic = getattr(store, "traffic", None)
    return traffic if isinstance(traffic, Traffic) else None


def expect_read(store: object, size_bytes: int) -> None:
    """A client was given a URL for so many bytes; the URL itself has been counted by the guard."""
    traffic = traffic_of(store)
    if traffic is not None and getattr(store, "clients_are_expected", False):
        traffic.count(ActionClass.READ, 0, bytes_out=size_bytes, counted=Counted.EXPECTED)
