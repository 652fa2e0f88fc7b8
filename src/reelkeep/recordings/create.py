"""Make a recording, before its bytes are here."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.events.append import append
from reelkeep.recordings.models import Recording, Status


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
    recording_metadata: dict[str, Any] = field(default_factory=dict)


def create_recording(
    session: AsyncSession, organization_id: UUID, actor_user_id: UUID | None, new: NewRecording
) -> Recording:
    """Add a recording in `uploading`, with its event."""
    recording = Recording(
        organization_id=organization_id,
        id=new_id(),
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
        transcribe=new.transcribe,
        recording_metadata=new.recording_metadata,
    )
    session.add(recording)
    append(
        session,
        organization_id,
        "recording.created",
        recording_id=recording.id,
        actor_user_id=actor_user_id,
    )
    return recording
