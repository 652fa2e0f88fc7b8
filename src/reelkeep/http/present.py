"""Rows as answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from reelkeep.blobs.find import Located
from reelkeep.blobs.media_state import MediaState
from reelkeep.http import schemas
from reelkeep.recordings.models import Hold, Recording, Status, Step
from reelkeep.recordings.progress import progress_of
from reelkeep.renditions.models import Rendition, RenditionKind
from reelkeep.transcripts.models import Transcript
from reelkeep.transcripts.read import Spoken

#: Fields of an answer that are columns of the row.
SAME_NAMES = (
    *("id", "title", "recording_type", "appointment_id", "visit_id", "recorded_by_user_id", "status"),
    *("original_filename", "duration_seconds", "recording_metadata", "deleted_at", "client_encrypted"),
    "media_kept",
    *("session_id", "session_external_id", "part_number"),
    *("created_at", "updated_at", "uploaded_at", "processed_at"),
)


def recording_out(
    recording: Recording, steps: Sequence[Step], renditions: Mapping[str, Rendition]
) -> schemas.RecordingOut:
    """A recording in a list."""
    return schemas.RecordingOut.model_validate(_recording_fields(recording, steps, renditions))


def recording_detail_out(
    recording: Recording,
    steps: Sequence[Step],
    renditions: Mapping[str, Rendition],
    *,
    original: Located | None,
    where: tuple[str, str] | None,
    transcript: Transcript | None = None,
    text: str | None = None,
    holds: Sequence[Hold] = (),
    media: tuple[MediaState | None, MediaState | None] = (None, None),
) -> schemas.RecordingDetailOut:
    """A recording with its steps; `where` is the bucket and key of its bytes."""
    started = [step.started_at for step in steps if step.started_at]
    fields = _recording_fields(recording, steps, renditions) | {
        "s3_bucket": where[0] if where else None,
        "s3_key": where[1] if where else None,
        "sha256": original.sha256 if original else None,
        "transcript_text": text,
        "transcript_confidence": transcript.confidence if transcript else None,
        "transcript_language": transcript.language if transcript else None,
        "transcription_service": transcript.engine if transcript else None,
        "processing_started_at": min(started, default=None),
        "processing_completed_at": recording.processed_at,
        "playback_ready": RenditionKind.PLAYBACK in renditions,
        "peaks_ready": RenditionKind.PEAKS in renditions,
        "transcript_ready": transcript is not None,
        "warnings": list(dict.fromkeys(str(w) for step in steps for w in step.warnings)),
        "steps": [step_out(step) for step in steps],
        "held": bool(holds),
        "holds": [{"id": hold.id, "reason": hold.reason, "created_at": hold.created_at} for hold in holds],
        "original_removed": recording.original_is_gone,
        "media_state": media[0],
        "original_state": media[1],
    }
    return schemas.RecordingDetailOut.model_validate(fields)


def step_out(step: Step) -> schemas.StepOut:
    """One piece of processing."""
    return schemas.StepOut.model_validate(
        {name: getattr(step, name) for name in schemas.StepOut.model_fields}
    )


def transcript_out(recording_id: Any, spoken: Spoken) -> schemas.TranscriptOut:
    """What was said, with its words."""
    row: Transcript = spoken.transcript
    return schemas.TranscriptOut(
        recording_id=recording_id,
        version=row.version,
        engine=row.engine,
        model=row.model,
        device=row.device,
        language=row.language,
        language_probability=row.language_probability,
        confidence=row.confidence,
        duration_seconds=row.duration_seconds,
        warnings=[str(warning) for warning in row.warnings],
        text=spoken.text,
        segments=[
            schemas.SegmentOut(
                start=segment.start,
                end=segment.end,
                speaker=segment.speaker,
                text=segment.text,
                confidence=segment.confidence,
                words=[
                    schemas.WordOut(text=w.text, start=w.start, end=w.end, confidence=w.confidence)
                    for w in segment.words
                ],
            )
            for segment in spoken.segments
        ],
        created_at=row.created_at,
    )


def _recording_fields(
    recording: Recording, steps: Sequence[Step], renditions: Mapping[str, Rendition]
) -> dict[str, Any]:
    peaks = renditions.get(RenditionKind.PEAKS)
    underway = recording.status in (Status.UPLOADED, Status.PROCESSING)
    return {name: getattr(recording, name) for name in SAME_NAMES} | {
        "progress": progress_of(steps) if underway else None,
        "filename": recording.original_filename,
        "mime_type": recording.content_type,
        "file_size_bytes": recording.size_bytes,
        "processing_error": recording.failure_message,
        "error_code": recording.failure_code,
        "duplicate_of": recording.duplicate_of_recording_id,
        "waveform": peaks.details.get("bars", []) if peaks else [],
        "is_deleted": recording.deleted_at is not None,
    }
