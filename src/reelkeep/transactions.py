"""Tells whether a unit of work is open, so that no I/O is done inside one (promise 4).

The database room marks its units of work here; stores and engines refuse while the mark is set.
The mark follows the task (a context variable), so two requests never see each other's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_open_unit_of_work: ContextVar[bool] = ContextVar("open_unit_of_work", default=False)


class IoInsideUnitOfWork(RuntimeError):
    """A programming error: a store, medium or engine was called while a transaction was open."""


@contextmanager
def unit_of_work_open() -> Iterator[None]:
    """Mark the running task as being inside a unit of work."""
    token = _open_unit_of_work.set(True)
    try:
        yield
    finally:
        _open_unit_of_work.reset(token)


def refuse_inside_unit_of_work(action: str) -> None:
    """Raise `IoInsideUnitOfWork` when a unit of work is open; `action` names what was attempted."""
    if _open_unit_of_work.get():
        raise IoInsideUnitOfWork(f"{action} inside a unit of work: commit first, then do the I/O")
