"""Make a recording, before its bytes are here."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.errors import Invalid
from reelkeep.events.append import append
from reelkeep.recordings.models import Recording, Status
from reelkeep.recordings.sessions import find_or_make_session, place_in_session


@dataclass(frozen=True, slots=True)
class NewRecording:
    """What is known of a recording before its bytes are here."""

    original_filename: str
    content_type: str
    recording_type: str = "recording"
    title: str | None = None
    appointment_id: str | None = None
    visit_id: str | None = None
    duration_seconds: float | None = None
    size_bytes: int | None = None
    #: Lower-case hex.
    sha256: str | None = None
    transcribe: bool = True
    #: False: its bytes go when it has been analysed.
    media_kept: bool = True
    #: Kept as they come: nothing of ours can look into them.
    client_encrypted: bool = False
    recording_metadata: dict[str, Any] = field(default_factory=dict)
    #: The host application's own id of the event that was recorded; several recordings may be its parts.
    session_external_id: str | None = None
    session_title: str | None = None
    #: Its place in the session, from 1; without one it comes last.
    part_number: int | None = None
    #: Chosen beforehand by one that must find it again after dying.
    id: UUID | None = None


async def create_recording(
    session: AsyncSession, organization_id: UUID, actor_user_id: UUID | None, new: NewRecording
) -> Recording:
    """Add a recording in `uploading`, with its event and, where one is named, its place in a session.

    Raises `PART_NUMBER_TAKEN`. The session's row stays locked until the commit.
    """
    recording = Recording(
        organization_id=organization_id,
        id=new.id or new_id(),
        recorded_by_user_id=actor_user_id,
        status=Status.UPLOADING,
        original_filename=new.original_filename,
        content_type=new.content_type,
        recording_type=new.recording_type,
        title=new.title,
        appointment_id=new.appointment_id,
        visit_id=new.visit_id,
        duration_seconds=new.duration_seconds,
        size_bytes=new.size_bytes,
        sha256_declared=bytes.fromhex(new.sha256) if new.sha256 else None,
        transcribe=new.transcribe and not new.client_encrypted,
        client_encrypted=new.client_encrypted,
        media_kept=new.media_kept,
        recording_metadata=new.recording_metadata,
    )
    await _place(session, recording, new)
    session.add(recording)
    append(
        session,
        organization_id,
        "recording.created",
        recording_id=recording.id,
        actor_user_id=actor_user_id,
    )
    return recording


async def _place(session: AsyncSession, recording: Recording, new: NewRecording) -> None:
    if new.session_external_id is None:
        if new.part_number is not None:
            raise Invalid(
                "A part's number needs the session it is a part of; send session_id too.",
                part_number=new.part_number,
            )
        return
    found = await find_or_make_session(
        session, recording.organization_id, new.session_external_id, title=new.session_title
    )
    await place_in_session(session, recording, found, new.part_number)
