"""What a measurement gives: figures with their units and bounds, kept as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, and the most or the least it may be."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    note: str = ""
    least: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it is over its bound, or under the least."""
        over = self.bound is not None and self.value > self.bound
        return over or (self.least is not None and self.value < self.least)


@dataclass(slots=True)
class Report:
    """The figures of one measurement, what exactly was counted, and the conditions."""

    name: str
    title: str
    #: Sentences that say what was done and what is counted.
    counted: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    conditions: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str, bound: float | None = None, note: str = "") -> None:
        """Note one figure."""
        self.figures.append(Figure(name, value, unit, bound, note))

    def add_least(self, name: str, value: float, unit: str, least: float, note: str = "") -> None:
        """Note one figure that must not be smaller."""
        self.figures.append(Figure(name, value, unit, None, note, least))

    @property
    def missed(self) -> list[Figure]:
        """The figures over their bounds."""
        return [figure for figure in self.figures if figure.missed]


def write_report(report: Report, folder: Path) -> Path:
    """Keep a report as JSON; a quick one does not take the place of a thorough one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.name}{'.quick' if report.conditions.get('quick') else ''}.json"
    path.write_text(json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n")
    return path


def read_report(path: Path) -> Report:
    """A report that was kept."""
    kept = json.loads(path.read_text())
    figures = [Figure(**figure) for figure in kept.pop("figures")]
    return Report(**kept, figures=figures)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: a value that really occurred, and never one below the rank."""
    if not samples:
        return float("nan")
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def median(samples: Sequence[float]) -> float:
    """The middle value."""
    return percentile(samples, 50)
