"""Interop versions: how the drafts differ, as data. What follows from it is in `asked.py` and `told.py`.

A client says with each request which draft it speaks; an upload may be begun in one and gone on with in
another (a phone that was updated in between), so nothing of it is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reelkeep.http.resumable import fields

VERSION_FIELD = "Upload-Draft-Interop-Version"


@dataclass(frozen=True, slots=True)
class Version:
    """One iteration of the draft, by the number that clients send."""

    number: int
    #: `Upload-Incomplete: ?1` where later ones say `Upload-Complete: ?0`.
    says_incomplete: bool = False
    #: A PATCH must be `application/partial-upload`; lengths and limits are told.
    types_patches: bool = True
    #: How `Upload-Limit` names the seconds that an upload still has.
    lifetime: Literal["expires", "max-age"] = "max-age"
    #: A PATCH must say whether it is the last.
    must_say_complete: bool = True

    @property
    def complete_field(self) -> str:
        """The field that tells whether an upload is complete."""
        return "Upload-Incomplete" if self.says_incomplete else "Upload-Complete"

    def completeness(self, complete: bool) -> dict[str, str]:
        """That field, with its value."""
        return {self.complete_field: fields.written_boolean(complete != self.says_incomplete)}

    @property
    def appended_status(self) -> int:
        """The status of a PATCH whose bytes are kept and that is not the last."""
        return 204 if self.must_say_complete else 201


#: iOS 17 sends 3, 18.0 sends 5, 18.1 and later 6, 26 sends 8; no client is known to send 4 or 7.
VERSIONS = {
    3: Version(3, says_incomplete=True, types_patches=False, must_say_complete=False),
    4: Version(4, types_patches=False, must_say_complete=False),
    5: Version(5, types_patches=False, must_say_complete=False),
    6: Version(6, lifetime="expires", must_say_complete=False),
    7: Version(7),
    8: Version(8),
}
NEWEST = VERSIONS[8]


def version_of(lines: Sequence[str]) -> Version | None:
    """The version that a request names, or None where it names none that is spoken here."""
    number = fields.integer(lines)
    return None if number is None else VERSIONS.get(number)
