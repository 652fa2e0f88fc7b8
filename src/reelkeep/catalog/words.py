"""Keep the words of a recording as a file beside its original."""

import asyncio
from uuid import UUID

from sqlalchemy import select, update

from reelkeep.blobs.keep import write_bytes
from reelkeep.blobs.key_templates import load_templates
from reelkeep.blobs.models import Blob, BlobKind
from reelkeep.catalog.about import GZIP_TYPE, WORDS_TYPE, Words, WordsSegment, id_of, to_bytes
from reelkeep.catalog.state import gather
from reelkeep.catalog.write import keep_once, one_piece
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.blob_keys import plan_blob
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.speech.protocol import Segment
from reelkeep.stores.erase import delete_for_good
from reelkeep.transcripts.models import Transcript
from reelkeep.transcripts.read import newest_transcript, segments_of


async def keep_words(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Write the newest transcript into the store of the original, unless it is there; see `write.py`.

    Raises what the store raises; then the job that asked comes again. The words are in the database already.
    """
    async with runtime.database.work(organization_id) as session:
        known = await gather(session, organization_id, recording_id)
        transcript = await newest_transcript(session, organization_id, recording_id)
        if known is None or transcript is None or transcript.blob_id is not None:
            return
        templates = await load_templates(session, organization_id)
        recording = await session.get_one(Recording, (organization_id, recording_id))
        segments = await segments_of(session, transcript)
    compressed = templates.compresses(runtime.stores, known.store)
    words = _words(recording, transcript, segments)
    body = await asyncio.to_thread(to_bytes, words, compressed=compressed)
    planned = await plan_blob(
        runtime,
        known.store,
        BlobKind.TRANSCRIPT,
        GZIP_TYPE if compressed else WORDS_TYPE,
        organization_id=organization_id,
        recording_id=recording_id,
        blob_id=id_of(recording_id, body),
    )
    store = runtime.stores.get(known.store)
    kept = await write_bytes(store, planned, one_piece(body), size_bytes=len(body))
    async with runtime.database.work(organization_id) as session:
        await lock_recording(session, organization_id, recording_id)
        this = (Transcript.organization_id == organization_id, Transcript.id == transcript.id)
        still = await session.scalar(select(Transcript.id).where(*this, Transcript.blob_id.is_(None)))
        if still is None:
            is_needed = await session.get(Blob, (organization_id, kept.blob_id)) is not None
        else:
            named = update(Transcript).where(*this).values(blob_id=kept.blob_id)
            await keep_once(session, organization_id, BlobKind.TRANSCRIPT, kept, named)
            is_needed = True
    if not is_needed:  # the recording was removed meanwhile
        await delete_for_good(store, kept.key)


def _words(recording: Recording, transcript: Transcript, segments: list[Segment]) -> Words:
    return Words(
        organization_id=recording.organization_id,
        recording_id=recording.id,
        transcript_id=transcript.id,
        version=transcript.version,
        session_external_id=recording.session_external_id,
        created_at=transcript.created_at,
        engine=transcript.engine,
        model=transcript.model,
        device=transcript.device,
        language=transcript.language,
        language_probability=transcript.language_probability,
        confidence=transcript.confidence,
        duration_seconds=transcript.duration_seconds,
        warnings=transcript.warnings,
        segments=[_segment(segment) for segment in segments],
    )


def _segment(segment: Segment) -> WordsSegment:
    return WordsSegment(
        start=segment.start,
        end=segment.end,
        text=segment.text,
        speaker=segment.speaker,
        confidence=segment.confidence,
        words=[(word.text, word.start, word.end, word.confidence) for word in segment.words],
    )
