"""The one place that builds every key.

By default a key holds ids only. What follows `recordings/` may follow a template of the organization's or of
the store's (`KeyTemplate`); the blob's id is always in it, where nothing else can be taken for it, so that no
two blobs ever share a key whatever the host's own ids and file names are.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from reelkeep.blobs.models import BlobKind
from reelkeep.errors import ErrorCode, Invalid
from reelkeep.stores.keys import KEY_BYTES_MAX, PART_BYTES_MAX, check_key

INCOMING = "incoming/"
#: What lies here is immutable: no ticket and no access key can write or delete it. All templates lie in it.
SEALED = "recordings/"

#: How a key begins after `SEALED`, whatever the template.
FIRST = "{organization}/"
#: What is left of a key's length for the prefix of a bucket.
LAID_OUT_BYTES_MAX = KEY_BYTES_MAX - 128
WORD_CHARACTERS_MAX = 64
NAME_CHARACTERS_MAX = 80
TEMPLATE_CHARACTERS_MAX = 300
#: Stands where a recording has no such fact.
NOTHING = "none"
#: The endings of what describes a recording, and of its words; `storage import` knows them by these.
ABOUT_ENDINGS = (".about.json", "_metadata.json")
WORDS_ENDINGS = (".words.json", ".words.json.gz", "_transcript.json", "_transcript.json.gz")

_EXTENSIONS = {
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/m4a": "m4a",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/x-m4a": "m4a",
    "audio/x-wav": "wav",
    "video/mp4": "mp4",
    "video/mpeg": "mpg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
}
_FIELD = re.compile(r"\{([^{}]*)\}")
_METADATA = re.compile(r"metadata\.([A-Za-z0-9_-]{1,40})")
_LITERAL = re.compile(r"[A-Za-z0-9._/-]*")
_KEPT = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key may say of the recording that a blob belongs to."""

    organization_id: UUID
    recording_id: UUID
    created_at: datetime
    user_id: UUID | None = None
    recording_type: str = "recording"
    appointment_id: str | None = None
    visit_id: str | None = None
    #: The host application's own id of the session.
    session_id: str | None = None
    filename: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyedBlob:
    """The blob that a key is for."""

    id: UUID
    kind: BlobKind
    content_type: str


def incoming_key(organization_id: UUID, upload_id: UUID) -> str:
    """Where an upload's bytes lie until they are sealed; the only place a ticket can write."""
    return f"{INCOMING}{organization_id}/{upload_id}"


def upload_of_key(key: str) -> tuple[UUID, UUID] | None:
    """The organization and upload of an incoming key, or None when it is not one of ours."""
    parts = key.removeprefix(INCOMING).split("/")
    if not key.startswith(INCOMING) or len(parts) != 2:
        return None
    try:
        return UUID(parts[0]), UUID(parts[1])
    except ValueError:
        return None


def blob_key(organization_id: UUID, recording_id: UUID, blob_id: UUID) -> str:
    """Where a blob's bytes lie by default; no ticket can write there."""
    return f"{SEALED}{organization_id}/{recording_id}/{blob_id}"


@dataclass(frozen=True)
class KeyTemplate:
    """How keys are built, checked when it is written: `KeyTemplate.parse`."""

    text: str

    @classmethod
    def parse(cls, text: str, *, may_name: bool = True) -> "KeyTemplate":
        """A template from its text or the name of a preset.

        Raises `KEY_TEMPLATE_INVALID` that says what is wrong. `may_name` is off where nobody has asked for
        file names in keys: for a store as a whole.
        """
        template = cls(PRESETS.get(text, text))
        template.check()
        if not may_name and "filename" in template.fields:
            raise _wrong(text, "file names go into keys only where an organization asks for it")
        return template

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names in braces, in order."""
        return tuple(_FIELD.findall(self.text))

    def check(self) -> None:
        """Raise `KEY_TEMPLATE_INVALID` unless two blobs can never get one key by it."""
        text = self.text
        if len(text) > TEMPLATE_CHARACTERS_MAX:
            raise _wrong(text, f"it has more than {TEMPLATE_CHARACTERS_MAX} characters")
        unknown = [name for name in self.fields if name not in _VALUES and not _METADATA.fullmatch(name)]
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in _VALUES)
            raise _wrong(text, f"it has no {{{unknown[0]}}}; there are {known} and {{metadata.NAME}}")
        if not _LITERAL.fullmatch(_FIELD.sub("", text)):
            raise _wrong(text, "between the fields only A-Z a-z 0-9 . _ - and / may stand")
        if not text.startswith(FIRST):
            raise _wrong(text, f"it has to begin with {FIRST}")
        for name in ("recording", "blob"):
            if name not in self.fields:
                raise _wrong(text, f"{{{name}}} is missing: without it two could get the same key")
        parts = text.split("/")
        if not all(parts) or any(part.strip(".") == "" for part in parts):
            raise _wrong(text, "a part between two slashes is empty")
        if any("ext" in _FIELD.findall(part) for part in parts[:-1]) or text.count("{ext}") > 1:
            raise _wrong(text, "{ext} belongs at the end")
        if "{ext}" in text and not text.endswith(".{ext}"):
            raise _wrong(text, "write the ending as .{ext}, at the end")
        if "{filename}" in text and not text.endswith("/{filename}"):
            raise _wrong(text, "{filename} has to be the whole last part")
        if not any(_tells_blobs_apart(part) for part in parts):
            raise _wrong(
                text,
                "{blob} has to stand at the end of its part, before .{ext}, or behind fixed text: "
                "anywhere else a host's id could be taken for it",
            )
        self._check_lengths(parts)

    def build(self, facts: KeyFacts, blob: KeyedBlob, *, compressed: bool = False) -> str:
        """The key of a blob, below `SEALED`; `check_key` takes it in every store."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name in _VALUES:
                return _VALUES[name](facts, blob)
            return _word(facts.metadata.get(name.partition(".")[2]))

        laid_out = _FIELD.sub(value, self.text.removesuffix(".{ext}").removesuffix("/{filename}"))
        if self.text.endswith("/{filename}"):
            return check_key(f"{SEALED}{laid_out}/{_file_name(facts, blob, compressed)}")
        ending = _ENDINGS.get(blob.kind)
        if ending is None:
            ending = f".{_extension(blob.content_type)}" if self.text.endswith(".{ext}") else ""
        return check_key(f"{SEALED}{laid_out}{ending}{_compressed(blob, compressed)}")

    def _check_lengths(self, parts: list[str]) -> None:
        longest = [_longest(part) for part in parts]
        if max(longest) > PART_BYTES_MAX:
            part = parts[longest.index(max(longest))]
            raise _wrong(self.text, f"the part {part} may become longer than {PART_BYTES_MAX} characters")
        if len(SEALED) + sum(longest) + len(parts) > LAID_OUT_BYTES_MAX:
            raise _wrong(self.text, f"a key may become longer than {LAID_OUT_BYTES_MAX} characters")


#: The layouts of products that people come from, with our ids where theirs could meet.
PRESETS = {
    "ids": "{organization}/{recording}/{blob}",
    "clinic": "{organization}/{metadata.customer_id}/{date}/{session}/{recording}/{blob}.{ext}",
    "appointments": "{organization}/{user}/{context}/{recording}/{stamp}_{blob}.{ext}",
    "coach": "{organization}/users/{user}/recordings/{recording}/{kind}_{blob}.{ext}",
    "conversations": "{organization}/{session}/{year}/{month}/{day}/{recording}/{blob}.{ext}",
    "conversations-named": "{organization}/{session}/{year}/{month}/{day}/{recording}/{blob}/{filename}",
    "conversations-s3": "{organization}/{area}/{session}/{year}/{month}/{day}/{recording}/{blob}.{ext}",
    "lectures": "{organization}/users/user_{user}/recordings/{recording}/{source}_{blob}.{ext}",
}
#: What `ids` is when nothing else is said: today's keys stay as they are.
DEFAULT = KeyTemplate(PRESETS["ids"])

_ENDINGS = {BlobKind.SIDECAR: ".about.json", BlobKind.TRANSCRIPT: ".words.json"}
_NAMED = {
    BlobKind.PLAYBACK: "_playback",
    BlobKind.PEAKS: "_peaks",
    BlobKind.SIDECAR: "_metadata.json",
    BlobKind.TRANSCRIPT: "_transcript.json",
}
_VALUES: dict[str, Callable[[KeyFacts, KeyedBlob], str]] = {
    "organization": lambda facts, _: str(facts.organization_id),
    "recording": lambda facts, _: str(facts.recording_id),
    "blob": lambda _, blob: str(blob.id),
    "kind": lambda _, blob: blob.kind.value,
    "source": lambda _, blob: "source" if blob.kind == BlobKind.ORIGINAL else blob.kind.value,
    "area": lambda _, blob: "transcripts" if blob.kind == BlobKind.TRANSCRIPT else "audio",
    "user": lambda facts, _: str(facts.user_id) if facts.user_id else NOTHING,
    "type": lambda facts, _: _word(facts.recording_type),
    "appointment": lambda facts, _: _word(facts.appointment_id),
    "visit": lambda facts, _: _word(facts.visit_id),
    "context": lambda facts, _: _context(facts),
    "session": lambda facts, _: _word(facts.session_id or str(facts.recording_id)),
    "year": lambda facts, _: f"{facts.created_at:%Y}",
    "month": lambda facts, _: f"{facts.created_at:%m}",
    "day": lambda facts, _: f"{facts.created_at:%d}",
    "date": lambda facts, _: f"{facts.created_at:%Y%m%d}",
    "stamp": lambda facts, _: f"{facts.created_at:%Y%m%d_%H%M%S}",
    "ext": lambda _, blob: _extension(blob.content_type),
    "filename": lambda facts, blob: _file_name(facts, blob, compressed=False),
}
_LENGTHS = {
    **dict.fromkeys(("organization", "recording", "blob", "user"), 36),
    **dict.fromkeys(("kind", "source", "area", "year", "month", "day", "date"), 12),
    "stamp": 15,
    "context": WORD_CHARACTERS_MAX + 12,
    "ext": 16,
    "filename": NAME_CHARACTERS_MAX + 24,
}


def _tells_blobs_apart(part: str) -> bool:
    """Whether the blob's id stands where it cannot be taken for another value of its part.

    Parts are told apart by their number, since no value holds a slash; in its part an id of fixed length is
    found from the end, or from the beginning where only fixed text stands before it.
    """
    if "{blob}" not in part:
        return False
    before, _, after = part.partition("{blob}")
    return "{" not in before or "{" not in after.removesuffix(".{ext}")


def _longest(part: str) -> int:
    fields = _FIELD.findall(part)
    literal = len(_FIELD.sub("", part))
    return literal + sum(_LENGTHS.get(name, WORD_CHARACTERS_MAX) for name in fields) + len(".words.json.gz")


def _word(value: object) -> str:
    """A host's own value as one part of a key; where it had to be changed, a digest keeps it apart."""
    text = NOTHING if value is None else str(value)
    kept = _ascii(text)
    if kept == text and 0 < len(kept) <= WORD_CHARACTERS_MAX:
        return kept
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept[: WORD_CHARACTERS_MAX - 9]}-{digest}".lstrip("-")


def _context(facts: KeyFacts) -> str:
    if facts.appointment_id is not None:
        return f"appointment_{_word(facts.appointment_id)}"
    return f"visit_{_word(facts.visit_id)}" if facts.visit_id is not None else "general"


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _KEPT.sub("_", plain).strip("_")


def _file_name(facts: KeyFacts, blob: KeyedBlob, compressed: bool) -> str:
    stem, dot, ending = facts.filename.rpartition(".")
    stem = _ascii(stem if dot else ending)[:NAME_CHARACTERS_MAX] or "recording"
    added = _NAMED.get(blob.kind, "")
    if added.endswith(".json"):
        return stem + added + _compressed(blob, compressed)
    return f"{stem}{added}.{_extension(blob.content_type)}"


def _compressed(blob: KeyedBlob, compressed: bool) -> str:
    return ".gz" if compressed and blob.kind == BlobKind.TRANSCRIPT else ""


def _extension(content_type: str) -> str:
    """The ending that a media type is known by, of letters and digits; `bin` for what has none."""
    plain = content_type.partition(";")[0].strip().lower()
    if plain in _EXTENSIONS:
        return _EXTENSIONS[plain]
    guessed = re.sub(r"[^a-z0-9]", "", plain.partition("/")[2].removeprefix("x-"))[:8]
    return guessed or "bin"


def _wrong(text: str, problem: str) -> Invalid:
    return Invalid(
        f"{text[:80]!r} cannot lay out keys: {problem}. Presets are {', '.join(PRESETS)}.",
        ErrorCode.KEY_TEMPLATE_INVALID,
        template=text[:TEMPLATE_CHARACTERS_MAX],
    )
