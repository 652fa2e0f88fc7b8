"""Take a transcript or an original out of Reelkeep."""

import hashlib
import sys
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from reelkeep.blobs.deliver import read_media
from reelkeep.blobs.find import Located, locate_all
from reelkeep.cli.output import json_text, print_text
from reelkeep.cli.written import copy_to, new_file, write_whole
from reelkeep.errors import Invalid, WrongBytes
from reelkeep.http.media_routes import not_uploaded
from reelkeep.http.present import transcript_out
from reelkeep.recordings.queries import get_recording
from reelkeep.runtime import Runtime
from reelkeep.speech.formats import to_srt, to_text, to_vtt
from reelkeep.transcripts.read import Spoken, read_transcript


class Form(StrEnum):
    """What can be exported."""

    JSON = "json"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    ORIGINAL = "original"


RENDER = {Form.TXT: to_text, Form.SRT: to_srt, Form.VTT: to_vtt}


async def export_transcript(
    runtime: Runtime,
    organization_id: UUID,
    recording_id: UUID,
    form: Form,
    output: Path | None,
    *,
    as_json: bool,
) -> dict[str, Any] | None:
    """Write the transcript to a file or to standard output; what to tell in JSON, if anything."""
    async with runtime.database.work(organization_id) as session:
        spoken = await read_transcript(session, organization_id, recording_id)
    facts: dict[str, Any] = {"recording_id": recording_id, "format": form}
    if output is None and as_json:
        document = transcript_out(recording_id, spoken).model_dump(mode="json")
        return document if form == Form.JSON else facts | {"content": _rendered(recording_id, spoken, form)}
    text = _rendered(recording_id, spoken, form)
    if output is None:
        print_text(text) if text else None
        return None
    write_whole(output, [text.encode()])
    return facts | {"file": str(output), "size_bytes": len(text.encode())}


async def export_original(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, output: Path | None
) -> dict[str, Any]:
    """Write the original to a file or to standard output; `WRONG_BYTES` when it is not what was sealed."""
    async with runtime.database.work(organization_id) as session:
        recording = await get_recording(session, organization_id, recording_id)
        if recording.original_blob_id is None:
            raise not_uploaded(recording)
        copies = await locate_all(session, organization_id, recording.original_blob_id)
    located, digest = copies[0], hashlib.sha256()
    pieces = _hashed(read_media(runtime, copies, 0, located.size_bytes), digest)
    if output is not None:
        with new_file(output) as file:
            _compare(located, await copy_to(file, pieces), digest.hexdigest())
    else:
        if sys.stdout.isatty():
            raise Invalid("The original is not text; write it to a file with -o FILE.")
        _compare(located, await copy_to(sys.stdout.buffer, pieces), digest.hexdigest())
        sys.stdout.flush()
    return {
        "recording_id": recording_id,
        "format": Form.ORIGINAL,
        "file": str(output) if output else None,
        "size_bytes": located.size_bytes,
        "sha256": digest.hexdigest(),
    }


def _rendered(recording_id: UUID, spoken: Spoken, form: Form) -> str:
    if form == Form.JSON:
        return json_text(transcript_out(recording_id, spoken)) + "\n"
    return RENDER[form](spoken.segments)


async def _hashed(pieces: AsyncIterator[bytes], digest: "hashlib._Hash") -> AsyncIterator[bytes]:
    async for piece in pieces:
        digest.update(piece)
        yield piece


def _compare(located: Located, size_bytes: int, sha256: str) -> None:
    if size_bytes != located.size_bytes or (located.sha256 and located.sha256 != sha256):
        raise WrongBytes(
            f"The store gave {size_bytes:,} bytes that are not the {located.size_bytes:,} that were sealed; "
            "run `reelkeep doctor`, and look at the store.",
            store=located.store,
            blob_id=str(located.blob_id),
            size_bytes=size_bytes,
            sha256=sha256,
        )
