"""Writes the figures that were kept into docs/performance.md, between its two marks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure, Report, read_report
from bench.machine import ROOT
from bench.registry import MEASUREMENTS
from bench.table import bound_of, shown

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write_document(results: Path) -> None:
    """Put the figures of the results into the document; what was not measured here stays as it is."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    there, _, after = rest.partition(END)
    old = ["### " + section for section in there.split("### ")[1:]]
    sections = ""
    for name in MEASUREMENTS:
        if (path := results / f"{name}.json").is_file():
            sections += _section(read_report(path))
        else:
            sections += next((section for section in old if command_of(name) in section), "")
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{sections}{END}{after}")


def command_of(name: str) -> str:
    """What makes the figures of one measurement."""
    return f'make bench ARGS="--only {name}"'


def _section(report: Report) -> str:
    parts = [
        f"### {report.title}",
        f"```bash\n{command_of(report.name)}\n```",
        report.counted,
        _table(report.figures),
        *([_list(report.notes)] if report.notes else []),
        _conditions(report.conditions),
    ]
    return "\n\n".join(parts) + "\n\n"


def _table(figures: Sequence[Figure]) -> str:
    rows = ["| figure | value | bound | |", "|---|---:|---:|---|"]
    for figure in figures:
        missed = "**missed**" if figure.missed else ""
        told = "; ".join(part for part in (missed, figure.note) if part)
        row = [figure.name, shown(figure.value, figure.unit), bound_of(figure), told]
        rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |")
    return "\n".join(rows)


def _list(notes: Sequence[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)


def _conditions(conditions: dict[str, Any]) -> str:
    before, meanwhile, most = (
        conditions.get(f"processors_busy_{when}", "?") for when in ("before", "by_others", "by_others_max")
    )
    return (
        f"{conditions['started_at']}, commit {conditions['commit']}, {conditions['processors']} × "
        f"{conditions['processor']}, {conditions['memory_gib']} GiB, Linux {conditions['kernel']}, "
        f"Python {conditions['python']}. Other programs kept {before} processors busy before the start and "
        f"{meanwhile} meanwhile (at most {most})."
    )
