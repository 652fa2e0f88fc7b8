"""What a server's answer to a fetch says: which bytes, of which version, called what. Pure rules, no I/O."""

import email.message
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from urllib.parse import unquote

from reelkeep.errors import ErrorCode, Invalid

FILENAME_LENGTH_MAX = 255
#: Types that servers give for "some file"; what is in it then says what it is.
UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/force-download"})
#: Types of pages and documents: an address of these is a mistake, told before the bytes are fetched.
HOPELESS = (
    "text/html",
    "image/",
    "application/json",
    "application/xml",
    "application/xhtml",
    "application/pdf",
)
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, header names in lower case."""

    status: int
    headers: Mapping[str, str]

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty where the server knows none."""
        plain = self.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        return "" if plain in UNTYPED else plain

    @property
    def is_encoded(self) -> bool:
        """Whether the bytes are compressed for the way, though that was not asked for."""
        return self.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")

    @property
    def length(self) -> int | None:
        """The bytes of this answer's body, where it says so."""
        value = self.headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None

    @property
    def range(self) -> tuple[int, int | None] | None:
        """The first byte of a partial answer and the size of the whole, or None when it cannot be used."""
        found = CONTENT_RANGE.fullmatch(self.headers.get("content-range", "").strip().lower())
        if self.status != 206 or found is None:
            return None
        return int(found[1]), None if found[3] == "*" else int(found[3])

    @property
    def retry_after_seconds(self) -> int | None:
        """How long the server asks to be left alone, where it says so in seconds."""
        value = self.headers.get("retry-after", "").strip()
        return min(int(value), 3_600) if value.isascii() and value.isdigit() and len(value) < 10 else None

    @property
    def validator(self) -> str | None:
        """What tells this version of the bytes from every other, for `If-Range` (RFC 9110, 13.1.5).

        A strong ETag, else a Last-Modified that is older than the answer; a weak one proves nothing.
        """
        etag = self.headers.get("etag", "").strip()
        if etag:
            return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 2 else None
        modified = self.headers.get("last-modified", "").strip()
        try:
            older = parsedate_to_datetime(modified) < parsedate_to_datetime(self.headers.get("date", ""))
        except (TypeError, ValueError):
            return None
        return modified if older else None

    @property
    def filename(self) -> str | None:
        """The name in `Content-Disposition` (RFC 6266, RFC 8187)."""
        message = email.message.Message()
        message["content-disposition"] = self.headers.get("content-disposition", "")
        try:
            return plain_name(message.get_filename() or "")
        except (LookupError, ValueError):  # a charset that nobody knows
            return None


def is_hopeless(content_type: str) -> bool:
    """Whether a server's own word rules out that the bytes are sound or video."""
    return content_type.startswith(HOPELESS)


def not_media(told_type: str) -> Invalid:
    """The refusal of what is at an address and is no recording."""
    what = f"The address gives {told_type}, which" if told_type else "What is at the address"
    return Invalid(
        f"{what} is no sound or video that is known here. If it is a page that shows the recording, give the "
        "address of the file itself.",
        ErrorCode.UNSUPPORTED_TYPE,
        content_type=told_type or None,
    )


def header_text(raw: bytes) -> str:
    """A header's value; servers write UTF-8 where only Latin-1 was foreseen."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def name_in_path(raw_path: bytes) -> str | None:
    """The file name at the end of a URL's path."""
    path = raw_path.partition(b"?")[0].decode("latin-1")
    return plain_name(unquote(path.rsplit("/", 1)[-1], errors="replace"))


def plain_name(name: str) -> str | None:
    """A name as a file name: no folders, no control characters, not too long; None where nothing is left."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(c for c in last if c.isprintable() and not "\ud800" <= c <= "\udfff").strip()
    if shown.strip(". ") == "":
        return None
    if len(shown) > FILENAME_LENGTH_MAX:
        suffix = PurePosixPath(shown).suffix[:20]
        shown = shown[: FILENAME_LENGTH_MAX - len(suffix)] + suffix
    return shown
