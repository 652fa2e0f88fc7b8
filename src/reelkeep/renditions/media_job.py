"""The job `media`: find out what a recording is, and make what playing it needs."""

from uuid import UUID

from reelkeep.recordings.models import StepKind
from reelkeep.recordings.original import original_of
from reelkeep.recordings.perform import Outcome, perform
from reelkeep.recordings.runs import Run
from reelkeep.renditions.make import make_rendition
from reelkeep.renditions.models import RenditionKind
from reelkeep.renditions.probe import probe_original
from reelkeep.runtime import Runtime


async def process_media(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Do every media step of the recording that waits. But for the probe, none needs another."""
    async with original_of(runtime, organization_id, recording_id) as original:
        if original is None:
            return

        async def probe(run: Run) -> Outcome:
            return await probe_original(runtime, run, original)

        async def playback(run: Run) -> Outcome:
            return await make_rendition(runtime, run, RenditionKind.PLAYBACK, original)

        async def peaks(run: Run) -> Outcome:
            return await make_rendition(runtime, run, RenditionKind.PEAKS, original)

        for kind, work in (
            (StepKind.PROBE, probe),
            (StepKind.PLAYBACK, playback),
            (StepKind.PEAKS, peaks),
        ):
            await perform(runtime, organization_id, recording_id, kind, work)
