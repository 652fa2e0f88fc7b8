"""How a command ends: its exit code, and its error as a sentence or as JSON; never a traceback.

A traceback is for programmers: it is shown for what nobody foresaw, and for every error when
REELKEEP_LOG_LEVEL is DEBUG.
"""

import logging
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

import typer
from typer import rich_utils
from typer._click.exceptions import ClickException

from reelkeep.cli.output import print_error, print_json
from reelkeep.errors import ErrorCode, NotFound, ReelkeepError

#: The standard library's, so that `reelkeep --help` need not load ours; it ends in the same log.
log = logging.getLogger(__name__)


class Exit(IntEnum):
    """Exit codes that scripts may rely on."""

    OK = 0
    #: Something that was asked for failed.
    FAILED = 1
    #: The command line or the settings are wrong.
    USAGE = 2
    #: The thing named is not there.
    NOT_FOUND = 3
    #: Not now: not ready yet, or a database or store is away.
    UNAVAILABLE = 4
    #: Ctrl-C.
    INTERRUPTED = 130
    #: SIGTERM.
    TERMINATED = 143


MEANING = {
    Exit.OK: "What was asked for is done.",
    Exit.FAILED: "Something that was asked for failed; the message says what.",
    Exit.USAGE: "The command line or the settings are wrong; nothing was done.",
    Exit.NOT_FOUND: "The thing named is not there.",
    Exit.UNAVAILABLE: "Not now: it is not ready yet, or the database or the store is away. Try again later.",
    Exit.INTERRUPTED: "Stopped by Ctrl-C.",
    Exit.TERMINATED: "Stopped by SIGTERM.",
}

WRONG_USAGE = frozenset(
    {
        ErrorCode.SETTINGS_INVALID,
        ErrorCode.IMPORT_PATTERN,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.KEY_TEMPLATE_INVALID,
        ErrorCode.ENGINE_UNKNOWN,
    }
)
NOT_NOW = frozenset(
    {
        ErrorCode.DATABASE_UNAVAILABLE,
        ErrorCode.STORE_UNAVAILABLE,
        ErrorCode.SEAL_PENDING,
        ErrorCode.ENGINE_NOT_READY,
        ErrorCode.TRANSCRIPT_NOT_READY,
        ErrorCode.RENDITION_NOT_READY,
        ErrorCode.UPLOAD_INCOMPLETE,
        ErrorCode.STEP_RUNNING,
        ErrorCode.SCRATCH_FULL,
        ErrorCode.RATE_LIMITED,
    }
)


def exit_of(error: ReelkeepError) -> Exit:
    """The exit code of an error."""
    if error.code in WRONG_USAGE:
        return Exit.USAGE
    if error.code in NOT_NOW:
        return Exit.UNAVAILABLE
    return Exit.NOT_FOUND if isinstance(error, NotFound) else Exit.FAILED


def error_document(error: ReelkeepError) -> dict[str, Any]:
    """An error as the API tells it: `{message, error_code, details}`."""
    details = dict(error.details)
    if error.retry_after_seconds is not None:
        details["retry_after"] = math.ceil(error.retry_after_seconds)
    return {"message": error.message, "error_code": error.code, "details": details}


@contextmanager
def told_as_exit(*, as_json: bool) -> Iterator[Callable[[int], NoReturn]]:
    """Turn whatever happens inside into a told error and an exit code."""
    try:
        yield sys.exit
    except ReelkeepError as error:
        _show_trace(error)
        _tell(error, as_json=as_json)
        sys.exit(exit_of(error))
    except ClickException as error:
        if as_json:
            print_json(
                {"message": error.format_message(), "error_code": ErrorCode.INVALID_REQUEST, "details": {}}
            )
        else:
            rich_utils.rich_format_error(error)
        sys.exit(Exit.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        _tell_interrupted(as_json=as_json)
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has left (`| head`); Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)
    except Exception as error:
        log.error("the command failed unexpectedly", exc_info=error)
        _tell(_unforeseen(error), as_json=as_json)
        sys.exit(Exit.FAILED)


def _tell(error: ReelkeepError, *, as_json: bool) -> None:
    if as_json:
        print_json(error_document(error))
    else:
        print_error(error.message, error.code)


def _tell_interrupted(*, as_json: bool) -> None:
    message = "Stopped. Nothing that was acknowledged is lost."
    if as_json:
        print_json(
            {"message": message, "error_code": ErrorCode.INTERNAL_ERROR, "details": {"interrupted": True}}
        )
    else:
        print_error(message)


def _show_trace(error: ReelkeepError) -> None:
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        log.debug("the command failed", exc_info=error)


def _unforeseen(error: Exception) -> ReelkeepError:
    return ReelkeepError(
        f"Something went wrong inside Reelkeep ({type(error).__name__}); the log above says where. "
        "Please report it together with the log.",
        exception=type(error).__name__,
    )
