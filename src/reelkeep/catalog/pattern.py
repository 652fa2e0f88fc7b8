"""A pattern for the layout of files that somebody else has laid out: what a path tells of a recording."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reelkeep.errors import ErrorCode, Invalid

EXAMPLE = "{year}/{client}/{session}.{ext}"
_FIELD = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: What a field takes; any other takes what there is up to the next slash.
_TAKES = {
    "year": r"\d{4}",
    "month": r"\d{2}",
    "day": r"\d{2}",
    "date": r"\d{4}-?\d{2}-?\d{2}",
    "part": r"\d{1,5}",
    "ext": r"[A-Za-z0-9]{1,8}",
    "any": r"[^/]*",
    "folders": r".+",
}
_OF_RECORDING = {
    "session": "session_external_id",
    "appointment": "appointment_id",
    "visit": "visit_id",
    "type": "recording_type",
    "title": "title",
}
_DATES = ("year", "month", "day", "date")
_IGNORED = ("ext", "any", "folders", "name")


@dataclass(frozen=True, slots=True)
class Told:
    """What a path tells: values of the recording's own fields, and the rest for its metadata."""

    fields: Mapping[str, Any]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Pattern:
    """How paths are read; `Pattern.parse` makes one."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """A pattern from its text; raises `IMPORT_PATTERN` that says what is wrong with it."""
        pattern = cls(text)
        names = _FIELD.findall(text)
        unfit = [name for name in names if not _NAME.fullmatch(name)]
        if unfit or _FIELD.sub("", text).count("{") or _FIELD.sub("", text).count("}"):
            told = f"{{{unfit[0]}}} is no name for a field" if unfit else "a brace stands alone"
            raise _wrong(text, f"{told}; fields are written as {{client}}, of a-z 0-9 _")
        if not names:
            raise _wrong(text, "it has no field")
        if text.startswith("/") or ".." in text.split("/"):
            raise _wrong(text, "paths are told from the folder that is imported, without .. in them")
        return pattern

    def read(self, path: str) -> Told | None:
        """What a path tells, its parts joined by `/`; None for one that is laid out otherwise."""
        found = self._expression.fullmatch(path)
        if found is None:
            return None
        values = {name: value for name, value in found.groupdict().items() if value}
        fields: dict[str, Any] = {
            field: values[name] for name, field in _OF_RECORDING.items() if name in values
        }
        if "part" in values:
            fields["part_number"] = int(values["part"])
        apart = (*_OF_RECORDING, *_DATES, *_IGNORED, "part")
        metadata = {name: value for name, value in values.items() if name not in apart}
        return Told(fields, metadata | _date(values))

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        seen: set[str] = set()

        def group(name: str) -> str:
            if name in ("any", "folders"):
                return f"(?:{_TAKES[name]})"
            if name in seen:
                return f"(?P={name})"
            seen.add(name)
            return f"(?P<{name}>{_TAKES.get(name, '[^/]+?')})"

        parts = _FIELD.split(self.text)
        return re.compile(
            "".join(group(part) if number % 2 else re.escape(part) for number, part in enumerate(parts))
        )


def _date(values: Mapping[str, str]) -> dict[str, str]:
    if "date" in values:
        digits = values["date"].replace("-", "")
        return {"recorded_on": f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"}
    told = "-".join(values[name] for name in ("year", "month", "day") if name in values)
    return {"recorded_on": told} if told else {}


def _wrong(text: str, problem: str) -> Invalid:
    return Invalid(
        f"{text[:80]!r} is no pattern for files: {problem}. An example is {EXAMPLE}",
        ErrorCode.IMPORT_PATTERN,
        pattern=text[:300],
    )
