"""What growing bytes on S3 consist of, as it is noted in the upload's row.

The bytes are the parts of a multipart upload, one after another, and after them the tails: small objects
with what does not fill a part yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from reelkeep.stores.protocol import COUNTED, PART_BYTES_MIN, GrowthNotes

#: A key with this and a name after it is a tail of the key before it.
TAILS = ".growing/"
#: Parts double in size after so many, so that 10,000 hold S3's largest object of 5 TiB.
_PARTS_OF_ONE_SIZE = 900


def part_bytes(number: int) -> int:
    """How large the part of a number is, unless it is the last."""
    return PART_BYTES_MIN << ((number - 1) // _PARTS_OF_ONE_SIZE)


@dataclass(slots=True)
class S3Notes:
    """The parts and tails that hold what has come."""

    #: Stands in the object's metadata, so that it is known again after a death between two steps.
    growth_id: str
    upload_id: str | None = None
    #: Size and etag of part 1, 2, …
    parts: list[tuple[int, str]] = field(default_factory=list)
    #: Full key and size of each tail.
    tails: list[tuple[str, int]] = field(default_factory=list)
    #: Tails that begin before this offset have been removed.
    swept_bytes: int = 0
    #: Of all bytes, when one `growing` saw them from the first on.
    sha256: str | None = None

    @classmethod
    def read(cls, notes: GrowthNotes) -> "S3Notes":
        """From JSON; empty notes are those of nothing yet."""
        noted = cls(
            notes.get("growth_id") or token_hex(8),
            notes.get("upload_id"),
            _pairs(notes.get("parts", ())),
            _pairs(notes.get("tails", ())),
            notes.get("swept_bytes", 0),
            notes.get("sha256"),
        )
        noted._cut(notes.get(COUNTED, noted.size_bytes))
        return noted

    def write(self) -> GrowthNotes:
        """As JSON."""
        return {
            "growth_id": self.growth_id,
            "upload_id": self.upload_id,
            "parts": [list(pair) for pair in self.parts],
            "tails": [list(pair) for pair in self.tails],
            "swept_bytes": self.swept_bytes,
            "sha256": self.sha256,
        }

    @property
    def parts_bytes(self) -> int:
        """Bytes in parts."""
        return sum(size for size, _ in self.parts)

    @property
    def tails_bytes(self) -> int:
        """Bytes in tails."""
        return sum(size for _, size in self.tails)

    @property
    def size_bytes(self) -> int:
        """Bytes that are safe."""
        return self.parts_bytes + self.tails_bytes

    def _cut(self, size_bytes: int) -> None:
        """Forget what lies beyond so many bytes; of a part that does, all, since no half of it can be had."""
        if size_bytes >= self.size_bytes:
            return
        self.sha256 = None
        if size_bytes < self.parts_bytes:
            self.tails.clear()
        while self.parts_bytes > size_bytes:
            self.parts.pop()
        left, tails = size_bytes - self.parts_bytes, self.tails
        self.tails = []
        for key, size in tails:
            if left > 0:
                self.tails.append((key, min(size, left)))
            left -= size

    def new_tail_key(self, key: str, start: int) -> str:
        """A key that no other process uses, for a tail from this offset on."""
        return f"{key}{TAILS}{start:015d}-{token_hex(6)}"


def growing_key(tail_key: str) -> tuple[str, int] | None:
    """The key that a tail belongs to and the offset it begins at, or None for other objects."""
    key, found, name = tail_key.partition(TAILS)
    start = name.partition("-")[0]
    return (key, int(start)) if found and start.isdigit() else None


def _pairs(noted: Sequence[Any]) -> list[Any]:
    return [tuple(pair) for pair in noted]
