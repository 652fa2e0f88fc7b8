"""How far a recording has come over all its steps."""

from collections.abc import Sequence

from reelkeep.recordings.models import Step, StepKind, StepState

#: Rough shares of the time that processing takes; words are most of it.
WEIGHTS = {
    StepKind.PROBE: 0.1,
    StepKind.PLAYBACK: 0.2,
    StepKind.PEAKS: 0.1,
    StepKind.TRANSCRIBE: 0.6,
}
ENDED = frozenset({StepState.DONE, StepState.FAILED, StepState.SKIPPED})


def progress_of(steps: Sequence[Step]) -> float | None:
    """0 to 1, weighted; None when there are no steps yet."""
    total = sum(WEIGHTS[StepKind(step.kind)] for step in steps)
    if not total:
        return None
    return sum(WEIGHTS[StepKind(step.kind)] * _share(step) for step in steps) / total


def _share(step: Step) -> float:
    if step.state in ENDED:
        return 1.0
    return step.progress or 0.0
