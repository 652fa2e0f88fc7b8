"""What a command prints: one JSON document, or text and tables for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Columns of output that no terminal shows: nothing is cut off for a program that reads it.
WIDE = 1000
COLOUR_OF_STATE = {
    "ok": "green",
    "ready": "green",
    "done": "green",
    "transcribed": "green",
    "processed": "green",
    "warning": "yellow",
    "processing": "cyan",
    "running": "cyan",
    "failed": "red",
}
UNITS = ("B", "kB", "MB", "GB", "TB")


def print_json(document: Any) -> None:
    """Write one JSON document to standard output; models, ids and times are taken as they are."""
    print_text(json_text(document))


def json_text(document: Any) -> str:
    """A document as JSON; models, ids, paths and times as the API writes them."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=_plain)


def print_text(text: str) -> None:
    """Write text to standard output as it is."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def print_note(message: str) -> None:
    """Tell a person something that is not the result: on standard error."""
    _console(stderr=True).print(Text(clean(message)), soft_wrap=True)


def print_error(message: str, code: str | None = None) -> None:
    """Tell what went wrong, in red, with its stable code."""
    text = Text.assemble((clean(message), "red"))
    if code:
        text.append(f"  ({code})", "dim")
    _console(stderr=True).print(text, soft_wrap=True)


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, last_flows: bool = False
) -> None:
    """Write rows under headings to standard output.

    On a terminal the last column gives way: cut with an ellipsis or, with `last_flows`, over several lines.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, heading in enumerate(headings):
        last = place == len(headings) - 1
        overflow = "fold" if last_flows or not last else "ellipsis"
        table.add_column(heading, no_wrap=not (last and last_flows), overflow=overflow)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    print_lines(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Write names and values, one pair a line; a value that is None is left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        if value is not None:
            table.add_row(name, _cell(value))
    print_lines(table)


def print_lines(shown: Any) -> None:
    """Write something of rich's to standard output, without spaces at the ends of lines."""
    console = _console()
    with console.capture() as captured:
        console.print(shown)
    print_text("\n".join(line.rstrip() for line in captured.get().splitlines()))


def clean(text: str) -> str:
    """Text without control characters: a file's name must not steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def duration_text(seconds: float | None) -> str:
    """A length of sound as people read it: 4.2 s is `0:04`, an hour `1:00:00`."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age_text(since: datetime, now: datetime) -> str:
    """How long ago, in its largest unit: `12 s`, `3 min`, `5 h`, `8 d`."""
    seconds = max((now - since) / timedelta(seconds=1), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size_text(size_bytes: float) -> str:
    """A number of bytes with a unit, in thousands: `1.2 MB`."""
    for unit in UNITS[:-1]:
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} {UNITS[-1]}"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID | Path):
        return str(value)
    if isinstance(value, Decimal):  # an amount of money, as the API tells one
        return f"{value:.4f}"
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__name__} has no form in JSON")
    return dump(mode="json")


def _cell(value: object) -> Text:
    text = clean(str(value))
    return Text(text, COLOUR_OF_STATE.get(text, ""))


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDE)
