"""E-mail addresses, which are how people are named when they sign in."""

import re
import unicodedata

from reelkeep.errors import Invalid

LENGTH_MAX = 254
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(rf"[^\s@\x00-\x1f\x7f\"(),:;<>\[\\\]]+@{_LABEL}(?:\.{_LABEL})*")


def read_email(text: str) -> str:
    """The address with its domain in lower case; `INVALID_REQUEST` when it is none.

    Nothing is sent to it, so names of private networks (`anna@clinic.local`) are as good as public ones.
    """
    address = unicodedata.normalize("NFC", text.strip())
    if len(address) > LENGTH_MAX or not _EMAIL.fullmatch(address):
        raise Invalid("This is not an e-mail address; write it like anna@example.org.", field="email")
    local, _, domain = address.partition("@")
    return f"{local}@{domain.lower()}"
