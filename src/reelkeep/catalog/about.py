"""What lies beside an original in its store: a small JSON file that tells what it is, and one with its words.

Both hold ids, digests, times and types; no names, no titles and no file names. What was said is in the second
one only. From them, a store alone gives its recordings back (`import_store.py`).
"""

import gzip
import json
import zlib
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reelkeep.blobs.models import BlobKind
from reelkeep.errors import WrongBytes

ABOUT_TYPE, WORDS_TYPE, GZIP_TYPE = "application/json", "application/json", "application/gzip"
ABOUT_BYTES_MAX = 1 << 20
#: A day of speech is some 20 MB.
WORDS_BYTES_MAX = 256 << 20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=1_000)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Document(BaseModel):
    """Read from a store that anybody may have written to: whatever is not as it should be is refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AboutBlob(_Document):
    """One blob of the recording, wherever in the store its bytes lie: its id is in its key."""

    id: UUID
    kind: BlobKind
    size_bytes: Annotated[int, Field(ge=0)]
    content_type: Text
    sha256: Sha256 | None = None
    #: Of a playback file or a waveform: what a player needs to know of it.
    details: dict[str, Any] = Field(default_factory=dict)


class AboutSession(_Document):
    """The event that it is a part of."""

    external_id: Text
    part_number: Annotated[int, Field(ge=1)] | None = None


class About(_Document):
    """What one recording is."""

    form: Literal["reelkeep.about/1"] = "reelkeep.about/1"
    organization_id: UUID
    recording_id: UUID
    #: When it was last known so; of two about one recording, the later one counts.
    as_of: AwareDatetime
    created_at: AwareDatetime
    uploaded_at: AwareDatetime | None = None
    recording_type: Text
    content_type: Text
    user_id: UUID | None = None
    appointment_id: Text | None = None
    visit_id: Text | None = None
    session: AboutSession | None = None
    #: The client's own encryption: its bytes are kept unseen.
    client_encrypted: bool = False
    #: Whether words were asked for.
    transcribe: bool = True
    #: Measured, else as declared.
    duration_seconds: Seconds | None = None
    language: Text | None = None
    #: How many were told apart; None where nobody has looked.
    speaker_count: Annotated[int, Field(ge=0)] | None = None
    blobs: tuple[AboutBlob, ...]

    def blob(self, kind: BlobKind) -> AboutBlob | None:
        """Its blob of a kind."""
        return next((blob for blob in self.blobs if blob.kind == kind), None)


class WordsSegment(_Document):
    """A run of words; `words` are [text, start, end, confidence] each, times in seconds."""

    start: Seconds
    end: Seconds
    text: str
    speaker: Text | None = None
    confidence: float | None = None
    words: list[tuple[str, Seconds, Seconds, float | None]] = Field(default_factory=list)


class Words(_Document):
    """One version of what was said in a recording."""

    form: Literal["reelkeep.words/1"] = "reelkeep.words/1"
    organization_id: UUID
    recording_id: UUID
    transcript_id: UUID
    version: Annotated[int, Field(ge=1)]
    session_external_id: Text | None = None
    created_at: AwareDatetime
    engine: Text
    model: Text
    device: Text
    language: Text | None = None
    language_probability: float | None = None
    confidence: float | None = None
    duration_seconds: Seconds
    warnings: list[Text] = Field(default_factory=list)
    segments: list[WordsSegment]


def to_bytes(document: About | Words, *, compressed: bool = False) -> bytes:
    """The file; the same facts give the same bytes."""
    text = json.dumps(
        document.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    body = text.encode() + b"\n"
    return gzip.compress(body, mtime=0) if compressed else body


def id_of(recording_id: UUID, body: bytes) -> UUID:
    """The blob's id: written twice, it is the same blob under the same key."""
    return uuid5(recording_id, sha256(body).hexdigest())


def read_about(body: bytes, key: str) -> About:
    """The document in a file beside an original; `WrongBytes` when it is none."""
    try:
        return About.model_validate_json(body)
    except ValidationError as error:
        raise _not_one(key, error) from None


def read_words(body: bytes, key: str) -> Words:
    """The document in a file of words, compressed or not; `WrongBytes` when it is none, or far too large."""
    try:
        return Words.model_validate_json(_unpacked(body) if body[:2] == b"\x1f\x8b" else body)
    except (ValidationError, zlib.error, EOFError) as error:
        raise _not_one(key, error) from None


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    plain = unpacker.decompress(body, WORDS_BYTES_MAX)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise EOFError(f"it is cut off, or unpacks to more than {WORDS_BYTES_MAX:,} bytes")
    return plain


def _not_one(key: str, error: Exception) -> WrongBytes:
    why = f"{len(error.errors())} values are not right" if isinstance(error, ValidationError) else str(error)
    return WrongBytes(f"{key} is not a description of a recording: {why}.", key=key)
