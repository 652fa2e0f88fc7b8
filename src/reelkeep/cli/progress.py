"""Bars on standard error while files come in and their steps are done."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from reelkeep.cli.output import clean
from reelkeep.recordings.models import Step, StepState
from reelkeep.recordings.progress import progress_of

NAME_LENGTH_MAX = 24


class Tell(Protocol):
    """Shows how far the bytes of one file are."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """So many bytes are in, of so many."""


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar for each file; where nobody watches, it does nothing."""

    progress: Progress

    def begin(self, name: str, size_bytes: int | None) -> Tell:
        """A bar for the bytes of a file; call it with the bytes that are in, and of how many when known."""
        bar = self.progress.add_task(_short(name), total=size_bytes, doing="bringing in")

        def tell(done: int, total: int | None = None) -> None:
            self.progress.update(bar, completed=done, total=total or size_bytes)

        return tell

    def follow(self, names: Mapping[UUID, str]) -> Callable[[Mapping[UUID, Sequence[Step]]], None]:
        """A bar for the steps of each recording; call it with the steps as they are."""
        self.clear()
        bars = {
            recording_id: self.progress.add_task(_short(name), total=1.0, doing="waiting")
            for recording_id, name in names.items()
        }
        return lambda steps: self._show(bars, steps)

    def clear(self) -> None:
        """Take away the bars that have served."""
        for bar in list(self.progress.task_ids):
            self.progress.remove_task(bar)

    def _show(self, bars: Mapping[UUID, TaskID], steps: Mapping[UUID, Sequence[Step]]) -> None:
        for recording_id, bar in bars.items():
            of_this = steps[recording_id]
            self.progress.update(bar, completed=progress_of(of_this) or 0.0, doing=_doing(of_this))


@contextmanager
def show_progress(*, wanted: bool) -> Iterator[Bars]:
    """Bars while the block runs, when they are wanted and standard error is a terminal; then they vanish."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[doing]}", style="dim"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not (wanted and sys.stderr.isatty()),
        redirect_stdout=False,
    )
    with progress:
        yield Bars(progress)


def _short(name: str) -> str:
    name = clean(name)
    return name if len(name) <= NAME_LENGTH_MAX else f"{name[: NAME_LENGTH_MAX - 1]}…"


def _doing(steps: Sequence[Step]) -> str:
    running = [step.kind for step in steps if step.state == StepState.RUNNING]
    if running:
        return ", ".join(running)
    return "waiting" if any(step.state == StepState.TODO for step in steps) else "done"
