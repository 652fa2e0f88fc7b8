"""Keep what each stretch gave as soon as it is there, and find it again after a kill."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import Located
from reelkeep.recordings.models import Recording
from reelkeep.recordings.runs import Run, hold
from reelkeep.runtime import Runtime
from reelkeep.speech.protocol import Chosen, Options, Stretch, StretchResult
from reelkeep.speech.wire import result_from
from reelkeep.transcripts.models import FinishedStretch


@dataclass(frozen=True, slots=True)
class Plan:
    """The stretches of a recording, and the digest of all that their words depend on."""

    digest: str
    stretches: Sequence[Stretch]


def make_plan(located: Located, chosen: Chosen, options: Options, stretches: Sequence[Stretch]) -> Plan:
    """The plan of transcribing these stretches of this blob with this engine."""
    depends_on: dict[str, Any] = {
        "blob": str(located.blob_id),
        "engine": asdict(chosen.engine.spec),
        "model": chosen.ready.model,
        "options": asdict(options),
        "stretches": [asdict(stretch) for stretch in stretches],
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    return Plan(digest, stretches)


async def finished_results(runtime: Runtime, run: Run, plan: Plan) -> dict[int, StretchResult]:
    """What earlier runs of this very plan have finished, by the stretch's index."""
    query = select(FinishedStretch).where(
        FinishedStretch.organization_id == run.organization_id,
        FinishedStretch.recording_id == run.recording_id,
        FinishedStretch.plan == plan.digest,
    )
    async with runtime.database.work(run.organization_id) as session:
        rows = (await session.scalars(query)).all()
    return {row.position: result_from(row.result) for row in rows}


async def keep_finished(runtime: Runtime, run: Run, plan: Plan, position: int, result: StretchResult) -> None:
    """Keep one stretch's words; raises `RunLost` when another worker has the step."""
    async with runtime.database.work(run.organization_id) as session:
        await hold(session, run)
        session.add(
            FinishedStretch(
                organization_id=run.organization_id,
                recording_id=run.recording_id,
                plan=plan.digest,
                position=position,
                result=asdict(result),
            )
        )


async def forget_finished(session: AsyncSession, recording: Recording) -> None:
    """Remove the kept stretches: the transcript has their words now."""
    await session.execute(
        delete(FinishedStretch).where(
            FinishedStretch.organization_id == recording.organization_id,
            FinishedStretch.recording_id == recording.id,
        )
    )
