"""Make renditions again that rules had removed: when somebody opens the recording."""

from collections.abc import Collection, Sequence
from uuid import UUID

from reelkeep.errors import Conflict
from reelkeep.recordings.change import rerun_step
from reelkeep.recordings.models import Step, StepKind, StepState
from reelkeep.runtime import Runtime

MADE_BY = (StepKind.PLAYBACK, StepKind.PEAKS)


def unmade(steps: Sequence[Step], renditions: Collection[str]) -> list[StepKind]:
    """Steps that are done and whose file is no longer there."""
    done = {step.kind for step in steps if step.state == StepState.DONE}
    return [kind for kind in MADE_BY if kind in done and kind not in renditions]


async def make_again(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, kinds: Sequence[StepKind]
) -> None:
    """Have the steps run once more; nothing happens where they run already, or the original is gone."""
    for kind in kinds:
        try:
            async with runtime.database.work(organization_id) as session:
                await rerun_step(
                    session,
                    organization_id,
                    recording_id,
                    kind,
                    parameters={},
                    actor_user_id=None,
                    now=runtime.clock.now(),
                )
        except Conflict:
            continue
