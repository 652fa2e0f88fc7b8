"""Keep what each stretch gave as soon as it is there, and find it again after a kill."""

import hashlib
import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import Located
from reelkeep.recordings.models import Recording
from reelkeep.recordings.runs import Run, hold
from reelkeep.runtime import Runtime
from reelkeep.speech.protocol import Chosen, Options, Stretch, StretchResult
from reelkeep.speech.wire import result_from
from reelkeep.transcripts.models import FinishedStretch


def digest_of(located: Located, chosen: Chosen, options: Options, stretch: Stretch) -> str:
    """Of all that the words of a stretch depend on: the bytes, the cut, the engine and what it is asked."""
    depends_on: dict[str, Any] = {
        "blob": str(located.blob_id),
        "engine": asdict(chosen.engine.spec),
        "model": chosen.ready.model,
        "options": asdict(options),
        "stretch": asdict(stretch),
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()


async def finished_results(
    runtime: Runtime, organization_id: UUID, recording_id: UUID
) -> dict[str, StretchResult]:
    """What earlier runs have finished, by the stretch's digest."""
    query = select(FinishedStretch).where(
        FinishedStretch.organization_id == organization_id, FinishedStretch.recording_id == recording_id
    )
    async with runtime.database.work(organization_id) as session:
        rows = (await session.scalars(query)).all()
    return {row.plan: result_from(row.result) for row in rows}


async def keep_finished(
    runtime: Runtime, run: Run, digest: str, position: int, result: StretchResult
) -> None:
    """Keep one stretch's words; raises `RunLost` when another worker has the step."""
    async with runtime.database.work(run.organization_id) as session:
        await hold(session, run)
        session.add(
            FinishedStretch(
                organization_id=run.organization_id,
                recording_id=run.recording_id,
                plan=digest,
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
