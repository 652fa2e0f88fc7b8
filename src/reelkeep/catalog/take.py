"""Make the rows of a recording again from what its store tells of it, in one unit of work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import insert as plain_insert
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, BlobKind, Copy, CopyState
from reelkeep.blobs.usage import count_usage
from reelkeep.catalog.about import About, AboutBlob, Words
from reelkeep.catalog.listing import Listed
from reelkeep.clock import new_id
from reelkeep.errors import Conflict, ErrorCode
from reelkeep.events.append import append
from reelkeep.recordings.advance import Standing, advance, write_standing
from reelkeep.recordings.models import Erased, Recording, Session, Status, Step, StepKind, StepState
from reelkeep.recordings.sessions import find_or_make_session, place_in_session
from reelkeep.recordings.steps import (
    MEDIA,
    MEDIA_STEPS,
    SPEECH,
    enqueue_if_forgotten,
    steps_of,
)
from reelkeep.renditions.models import Rendition, RenditionKind
from reelkeep.runtime import Runtime
from reelkeep.transcripts.models import Transcript, TranscriptSegment

SEGMENTS_A_STATEMENT = 500
MADE_BY = {StepKind.PLAYBACK: BlobKind.PLAYBACK, StepKind.PEAKS: BlobKind.PEAKS}


class Became(StrEnum):
    """What came of a recording that a store told of."""

    TAKEN = "taken"
    #: The database knows it, with the same or with other bytes: it is left as it is.
    THERE = "there"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Found:
    """A recording as its store tells of it, and where its blobs lie there."""

    about: About
    store: str
    places: Mapping[UUID, Listed]
    #: The file that told of it, as a blob.
    sidecar: AboutBlob | None = None
    words: Words | None = None

    @property
    def blobs(self) -> list[AboutBlob]:
        """Those whose bytes are there."""
        told = [*self.about.blobs, *([self.sidecar] if self.sidecar else [])]
        return [blob for blob in told if blob.id in self.places]

    def has(self, kind: BlobKind) -> bool:
        """Whether the bytes of this kind are there."""
        return any(blob.kind == kind for blob in self.blobs)


async def what_is_known(
    session: AsyncSession, organization_id: UUID, recording_ids: Sequence[UUID]
) -> dict[UUID, Became]:
    """Of several recordings those that must not be taken, and why."""
    there = select(Recording.id).where(
        Recording.organization_id == organization_id, Recording.id.in_(recording_ids)
    )
    erased = select(Erased.recording_id).where(
        Erased.organization_id == organization_id, Erased.recording_id.in_(recording_ids)
    )
    known = dict.fromkeys(await session.scalars(there), Became.THERE)
    return known | dict.fromkeys(await session.scalars(erased), Became.ERASED)


async def take_recording(runtime: Runtime, organization_id: UUID, found: Found) -> Became:
    """Make the recording, its blobs and copies, what was made of it and its words; queue what is missing.

    Doing it again changes nothing. Raises `RECORDING_STATE` when a key belongs to another recording.
    """
    about, now = found.about, runtime.clock.now()
    async with runtime.database.work(organization_id) as session:
        known = await what_is_known(session, organization_id, [about.recording_id])
        if known:
            return known[about.recording_id]
        if not await _insert_recording(session, organization_id, about):
            return Became.THERE
        recording = await session.get_one(Recording, (organization_id, about.recording_id))
        for blob in found.blobs:
            await _insert_blob(session, recording, found, blob)
        recording.original_blob_id = next(b.id for b in found.blobs if b.kind == BlobKind.ORIGINAL)
        await _place(session, recording, about)
        if found.words is not None:
            await _insert_words(session, recording, found)
        await _insert_steps(session, recording, found)
        append(session, organization_id, "recording.imported", recording_id=recording.id, store=found.store)
        if recording.client_encrypted:
            write_standing(session, recording, Standing(Status.PROCESSED), now)
        else:
            await advance(session, recording, now)
        await session.flush()
        await count_usage(session, organization_id, bytes_used=sum(blob.size_bytes for blob in found.blobs))
    return Became.TAKEN


async def _insert_recording(session: AsyncSession, organization_id: UUID, about: About) -> bool:
    """Whether this is the first to make it."""
    original = about.blob(BlobKind.ORIGINAL)
    row = insert(Recording).values(
        organization_id=organization_id,
        id=about.recording_id,
        status=Status.UPLOADED,
        original_filename=f"{about.recording_id}",
        content_type=about.content_type,
        recording_type=about.recording_type,
        appointment_id=about.appointment_id,
        visit_id=about.visit_id,
        size_bytes=original.size_bytes if original else None,
        duration_seconds=about.duration_seconds,
        client_encrypted=about.client_encrypted,
        transcribe=about.transcribe,
        recording_metadata={},
        created_at=about.created_at,
        updated_at=about.as_of,
        uploaded_at=about.uploaded_at or about.created_at,
    )
    made = await session.scalar(row.on_conflict_do_nothing().returning(Recording.id))
    return made is not None


async def _insert_blob(session: AsyncSession, recording: Recording, found: Found, blob: AboutBlob) -> None:
    place = found.places[blob.id]
    row = insert(Blob).values(
        organization_id=recording.organization_id,
        id=blob.id,
        recording_id=recording.id,
        kind=blob.kind,
        size_bytes=blob.size_bytes,
        content_type=blob.content_type,
        sha256=bytes.fromhex(blob.sha256) if blob.sha256 else None,
    )
    copy = insert(Copy).values(
        organization_id=recording.organization_id,
        id=new_id(),
        blob_id=blob.id,
        store=found.store,
        key=place.key,
        state=CopyState.PRESENT,
        size_bytes=place.size_bytes,
    )
    for statement, made in ((row, Blob.id), (copy, Copy.id)):
        if await session.scalar(statement.on_conflict_do_nothing().returning(made)) is None:
            raise Conflict(
                f"The bytes under {place.key!r} belong to another recording already.",
                ErrorCode.RECORDING_STATE,
                recording_id=str(recording.id),
                key=place.key,
            )


async def _place(session: AsyncSession, recording: Recording, about: About) -> None:
    """Its place in its session; the next one where another part has taken that since."""
    if about.session is None:
        return
    organization_id, number = recording.organization_id, about.session.part_number
    within = await find_or_make_session(session, organization_id, about.session.external_id)
    if number is not None and await _is_taken(session, within, number):
        number = None
    await place_in_session(session, recording, within, number)


async def _is_taken(session: AsyncSession, within: Session, number: int) -> bool:
    query = select(Recording.id).where(
        Recording.organization_id == within.organization_id,
        Recording.session_id == within.id,
        Recording.part_number == number,
    )
    return await session.scalar(query) is not None


async def _insert_words(session: AsyncSession, recording: Recording, found: Found) -> None:
    words = found.words
    assert words is not None
    file = next((blob.id for blob in found.blobs if blob.kind == BlobKind.TRANSCRIPT), None)
    transcript = Transcript(
        organization_id=recording.organization_id,
        id=words.transcript_id,
        recording_id=recording.id,
        version=words.version,
        blob_id=file,
        engine=words.engine,
        model=words.model,
        device=words.device,
        language=words.language,
        language_probability=words.language_probability,
        confidence=words.confidence,
        duration_seconds=words.duration_seconds,
        warnings=list(words.warnings),
        created_at=words.created_at,
    )
    session.add(transcript)
    await session.flush()
    rows = [
        {
            "organization_id": recording.organization_id,
            "id": new_id(),
            "transcript_id": transcript.id,
            "position": position,
            "start_seconds": segment.start,
            "end_seconds": segment.end,
            "speaker": segment.speaker,
            "text": segment.text,
            "confidence": segment.confidence,
            "words": [list(word) for word in segment.words],
        }
        for position, segment in enumerate(words.segments)
    ]
    for first in range(0, len(rows), SEGMENTS_A_STATEMENT):
        await session.execute(plain_insert(TranscriptSegment), rows[first : first + SEGMENTS_A_STATEMENT])


async def _insert_steps(session: AsyncSession, recording: Recording, found: Found) -> None:
    """Done is what the store has the fruit of; the rest waits, and its job is queued."""
    organization_id = recording.organization_id
    for kind in (RenditionKind.PLAYBACK, RenditionKind.PEAKS):
        blob = next((b for b in found.blobs if b.kind.value == kind.value), None)
        if blob is not None:
            row = {"organization_id": organization_id, "recording_id": recording.id, "kind": kind}
            session.add(Rendition(**row, blob_id=blob.id, details=blob.details))
    # A waveform or a playback file came after the probe had said that there is sound.
    done = {kind for kind, made in MADE_BY.items() if found.has(made)}
    done |= {StepKind.PROBE} if done == set(MADE_BY) and recording.duration_seconds is not None else set()
    done |= {StepKind.TRANSCRIBE} if found.words is not None else set()
    steps = steps_of(recording.transcribe or found.words is not None)
    if recording.client_encrypted:
        steps = ()
    session.add_all(
        Step(
            organization_id=organization_id,
            recording_id=recording.id,
            kind=kind,
            state=StepState.DONE if kind in done else StepState.TODO,
            finished_at=found.about.as_of if kind in done else None,
        )
        for kind in steps
    )
    await session.flush()
    if any(kind in MEDIA_STEPS for kind in steps if kind not in done):
        await enqueue_if_forgotten(session, MEDIA, organization_id, recording.id)
    if StepKind.PROBE in done and StepKind.TRANSCRIBE in steps and StepKind.TRANSCRIBE not in done:
        await enqueue_if_forgotten(session, SPEECH, organization_id, recording.id)
