"""Structured logs: one event a line, with the request, organization and recording they belong to.

Never logged: passwords, tokens, signed URLs, keys, and the text of a transcript.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import structlog

LogFormat = Literal["console", "json"]

# Names under which a secret could slip into a log line; their values are never written.
SECRET_NAMES = frozenset(
    [
        "password",
        "token",
        "secret",
        "secret_key",
        "signature",
        "authorization",
        "cookie",
        "policy",
        "text",
        "url",
    ]
)
HIDDEN = "[hidden]"


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one module; call it with an event in words and facts by name."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def log_context(**ids: object) -> Iterator[None]:
    """Put ids on every line logged inside: `request_id`, `organization_id`, `recording_id`, `run_id`."""
    texts = {name: str(value) for name, value in ids.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**texts):
        yield


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every fact whose name is a secret's."""
    for name in event.keys() & SECRET_NAMES:
        event[name] = HIDDEN
    return event


def configure_logs(level: str = "INFO", log_format: LogFormat = "console", file: Path | None = None) -> None:
    """Send every log line, ours and the libraries', to standard error or to `file`."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        hide_secrets,
    ]
    structlog.configure(
        # First: what is below the level costs next to nothing.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.FileHandler(file) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(log_format, file))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "alembic", "botocore", "procrastinate", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _rendering(log_format: LogFormat, file: Path | None) -> list[structlog.types.Processor]:
    drop_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "json":
        return [drop_meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    colors = file is None and sys.stderr.isatty()
    # The default shows the variables of every frame: passwords and transcripts among them.
    plain = structlog.dev.plain_traceback
    return [drop_meta, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
