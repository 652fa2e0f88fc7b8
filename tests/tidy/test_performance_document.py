"""docs/performance.md holds the figures of every measurement, with the command that makes them."""

import re
import subprocess
import sys

from bench.document import BEGIN, DOCUMENT, END, command_of
from bench.registry import MEASUREMENTS
from tests.tidy.checkout import ROOT

ROW = re.compile(
    r"^\| (.+?) \| (-?[\d,.]+) ?(.*?) \| (?:([≤≥]) (-?[\d,.]+) ?(.*?))? ?\| (.*)\|$", re.MULTILINE
)


def figures() -> str:
    """The part of the page that is made from results."""
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    made, mark, _ = rest.partition(END)
    assert mark, "the page has lost the marks between which `make bench` writes"
    return made


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_every_measurement_stands_on_the_page_with_its_command() -> None:
    page = figures()
    assert [name for name in MEASUREMENTS if command_of(name) not in page] == []


def test_every_section_says_when_and_on_what_it_was_measured() -> None:
    sections = figures().split("\n### ")[1:]
    assert len(sections) == len(MEASUREMENTS)
    told = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d UTC, commit \w+.*processors ", re.MULTILINE)
    assert [section.partition("\n")[0] for section in sections if not told.search(section)] == []


def test_a_figure_over_its_bound_says_that_it_is_missed() -> None:
    rows = ROW.findall(figures())
    bounded = [row for row in rows if row[3]]
    assert len(bounded) >= 10
    for name, value, unit, side, bound, bound_unit, told in bounded:
        assert unit == bound_unit, name
        over = (number(value) - number(bound)) * (1 if side == "≤" else -1)
        # What is shown is rounded, so one that is missed by a hair may be shown as equal.
        missed = "**missed**" in told
        assert missed or over <= 0, name
        assert not missed or over >= 0, name


def test_the_command_lists_every_measurement() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [name for name in MEASUREMENTS if name not in run.stdout] == []
