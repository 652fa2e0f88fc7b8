"""Turns what a database driver says into a refusal that a client can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger

log = get_logger(__name__)

AWAY_SECONDS = 5
BUSY_SECONDS = 1

# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html
BUSY = {
    "40001": "two transactions crossed",
    "40P01": "two transactions waited for each other",
    "55P03": "a row or table stayed locked by another transaction",
    "57014": "a query ran out of its time",
    "25P03": "a transaction was left idle for too long",
}
AWAY = {
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "53300": "it has no free connection",
    "57P01": "it was stopped",
    "57P02": "it crashed and restarts",
    "57P03": "it is starting or stopping",
}


@contextmanager
def told_as_refusals() -> Iterator[None]:
    """Raise DATABASE_UNAVAILABLE for a lost, full or busy database; other errors pass unchanged."""
    try:
        yield
    except PoolTimeout as busy:
        raise _refusal("all connections of this process are in use", BUSY_SECONDS) from busy
    except DBAPIError as failed:
        refusal = refusal_for(failed)
        if refusal is None:
            raise
        raise refusal from failed
    except psycopg.OperationalError as failed:  # from a connection that is just being made
        raise _refusal(_first_line(failed), AWAY_SECONDS) from failed


def refusal_for(failed: DBAPIError) -> ReelkeepError | None:
    """The refusal to tell for a driver's error; None when the error is not the database's state."""
    code = getattr(failed.orig, "sqlstate", None) or ""
    if code in BUSY:
        return _refusal(BUSY[code], BUSY_SECONDS)
    if code in AWAY or code.startswith("08"):
        return _refusal(AWAY.get(code, "the connection broke"), AWAY_SECONDS)
    if failed.connection_invalidated or (isinstance(failed, OperationalError | InterfaceError) and not code):
        return _refusal("the connection broke", AWAY_SECONDS)
    return None


def _refusal(reason: str, seconds: int) -> ReelkeepError:
    log.warning("database unavailable", reason=reason)
    return ReelkeepError(
        f"The database did not answer: {reason}. Nothing was lost; try again.",
        ErrorCode.DATABASE_UNAVAILABLE,
        retry_after_seconds=seconds,
    )


def _first_line(failed: BaseException) -> str:
    return next(iter(str(failed).splitlines()), "no reason was given")
