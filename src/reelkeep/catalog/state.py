"""What is known of one recording, gathered for the file beside its original."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import distinct, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, BlobKind, Copy, CopyState
from reelkeep.catalog.about import About, AboutBlob, AboutSession
from reelkeep.recordings.models import Recording
from reelkeep.renditions.models import Rendition
from reelkeep.transcripts.models import Transcript, TranscriptSegment
from reelkeep.transcripts.read import newest_transcript


@dataclass(frozen=True, slots=True)
class Known:
    """A recording as a store should be able to tell it, and the store where its original lies."""

    about: About
    store: str


async def gather(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> Known | None:
    """What is known now; None where there is nothing to tell of: no original, or it is in the trash."""
    recording = await session.get(Recording, (organization_id, recording_id), populate_existing=True)
    if recording is None or recording.original_blob_id is None or recording.deleted_at is not None:
        return None
    store = await _store_of(session, organization_id, recording.original_blob_id)
    if store is None:
        return None
    transcript = await newest_transcript(session, organization_id, recording_id)
    about = About(
        organization_id=organization_id,
        recording_id=recording_id,
        as_of=recording.updated_at,
        created_at=recording.created_at,
        uploaded_at=recording.uploaded_at,
        recording_type=recording.recording_type,
        content_type=recording.content_type,
        user_id=recording.recorded_by_user_id,
        appointment_id=recording.appointment_id,
        visit_id=recording.visit_id,
        session=_session(recording),
        client_encrypted=recording.client_encrypted,
        transcribe=recording.transcribe,
        duration_seconds=recording.duration_seconds,
        language=transcript.language if transcript else None,
        speaker_count=await _speakers(session, transcript) if transcript else None,
        blobs=tuple(await _blobs(session, recording, transcript)),
    )
    return Known(about, store)


def _session(recording: Recording) -> AboutSession | None:
    if recording.session_external_id is None:
        return None
    return AboutSession(external_id=recording.session_external_id, part_number=recording.part_number)


async def _store_of(session: AsyncSession, organization_id: UUID, blob_id: UUID) -> str | None:
    query = (
        select(Copy.store)
        .where(
            Copy.organization_id == organization_id,
            Copy.blob_id == blob_id,
            Copy.state == CopyState.PRESENT,
        )
        .order_by(Copy.degraded, Copy.id)
        .limit(1)
    )
    found: str | None = await session.scalar(query)
    return found


async def _speakers(session: AsyncSession, transcript: Transcript) -> int | None:
    count = await session.scalar(
        select(func.count(distinct(TranscriptSegment.speaker))).where(
            TranscriptSegment.organization_id == transcript.organization_id,
            TranscriptSegment.transcript_id == transcript.id,
        )
    )
    return count or None


async def _blobs(
    session: AsyncSession, recording: Recording, transcript: Transcript | None
) -> list[AboutBlob]:
    organization_id = recording.organization_id
    renditions = await session.scalars(
        select(Rendition)
        .where(Rendition.organization_id == organization_id, Rendition.recording_id == recording.id)
        .order_by(Rendition.kind)
    )
    details = {rendition.blob_id: rendition.details for rendition in renditions}
    wanted = [recording.original_blob_id, *details]
    if transcript is not None and transcript.blob_id is not None:
        wanted.append(transcript.blob_id)
    rows = await session.scalars(
        select(Blob).where(Blob.organization_id == organization_id, Blob.id.in_(wanted))
    )
    found = {blob.id: blob for blob in rows}
    return [
        AboutBlob(
            id=blob.id,
            kind=BlobKind(blob.kind),
            size_bytes=blob.size_bytes,
            content_type=blob.content_type,
            sha256=blob.sha256.hex() if blob.sha256 else None,
            details=details.get(blob.id, {}),
        )
        for blob_id in wanted
        if blob_id is not None and (blob := found.get(blob_id)) is not None
    ]
