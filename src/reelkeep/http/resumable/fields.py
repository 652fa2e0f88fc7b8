"""Structured fields (RFC 9651): the few kinds that resumable uploads are told in.

A field that is not what it should be is as if it had not been sent; the draft asks for that.
"""

import base64
import re
from collections.abc import Mapping, Sequence

#: Parameters say nothing here, whatever they are.
_PARAMETERS = r"(?:;[^,]*)?"
_INTEGER = re.compile(rf" *(-?[0-9]{{1,15}}){_PARAMETERS} *")
_SHA256 = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):", re.IGNORECASE)
_BOOLEAN = re.compile(rf" *\?([01]){_PARAMETERS} *")


def integer(lines: Sequence[str]) -> int | None:
    """An Item whose value is an Integer of at least 0, or None."""
    found = _INTEGER.fullmatch(",".join(lines))
    value = int(found[1]) if found else -1
    return value if value >= 0 else None


def boolean(lines: Sequence[str]) -> bool | None:
    """An Item whose value is a Boolean, or None."""
    found = _BOOLEAN.fullmatch(",".join(lines))
    return found[1] == "1" if found else None


def sha256(lines: Sequence[str]) -> bytes | None:
    """The SHA-256 of a `Content-Digest` or `Repr-Digest` (RFC 9530), or None."""
    found = _SHA256.search(",".join(lines))
    return base64.b64decode(found[1]) if found else None


def written_boolean(value: bool) -> str:
    """A Boolean as a field has it."""
    return "?1" if value else "?0"


def written_dictionary(members: Mapping[str, int]) -> str:
    """A Dictionary of Integers as a field has it."""
    return ", ".join(f"{name}={value}" for name, value in members.items())
