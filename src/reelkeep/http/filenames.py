"""The name of a file as clients tell it: `Content-Disposition` of a request and of a form's part.

Source: RFC 6266 and 8187 (`filename*`), RFC 7578 (forms), and what browsers and curl make of them.
"""

import re
from urllib.parse import unquote_to_bytes

_PARAMETER = re.compile(
    r""";\s*(?P<name>[!#-'*+.0-9A-Z^-z|~-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^;]*))""",
    re.DOTALL,
)
_EXTENDED = re.compile(r"(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<value>.*)", re.IGNORECASE | re.DOTALL)
#: Only these, so that the backslash of a name as Windows has it (`C:\visit.m4a`) stays one.
_ESCAPED = re.compile(r'\\(["\\])')
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
FILENAME_CHARACTERS_MAX = 255


def parameters_of(header: bytes) -> dict[str, str]:
    """The parameters of a `Content-Disposition`, names in lower case; of one told twice the first counts."""
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(_text(header)):
        quoted = match["quoted"]
        value = match["plain"].strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)
        found.setdefault(match["name"].lower(), value)
    return found


def filename_of(parameters: dict[str, str], *, form: bool = False) -> str | None:
    """The file's name without folders, or None; `filename*` goes before `filename`.

    In a form, browsers write `%22`, `%0D` and `%0A` for what would break its header.
    """
    name = _extended(parameters.get("filename*", "")) or parameters.get("filename", "")
    if form:
        name = name.replace("%22", '"').replace("%0D", " ").replace("%0A", " ")
    return plain_name(name)


def plain_name(name: str) -> str | None:
    """A name as a recording keeps it: no folders, nothing unprintable, not too long; None for none."""
    base = re.split(r"[/\\]", name)[-1]
    base = _UNPRINTABLE.sub("_", base).strip()
    if len(base) <= FILENAME_CHARACTERS_MAX:
        return base or None
    stem, dot, ending = base.rpartition(".")
    if not dot or len(ending) > 16:
        return base[:FILENAME_CHARACTERS_MAX]
    return f"{stem[: FILENAME_CHARACTERS_MAX - len(ending) - 1]}.{ending}"


def _extended(value: str) -> str | None:
    match = _EXTENDED.fullmatch(value.strip())
    if not match:
        return None
    raw = unquote_to_bytes(match["value"])
    try:
        return raw.decode(match["charset"])
    except UnicodeDecodeError:
        return None


def _text(header: bytes) -> str:
    """UTF-8, as everybody writes it by now; else Latin-1, which cannot fail."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")
