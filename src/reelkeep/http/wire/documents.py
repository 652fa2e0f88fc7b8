"""The XML that S3 speaks: answers are written here, and the two kinds of requests that carry XML are read."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import NoReturn
from xml.sax.saxutils import escape

from reelkeep.stores.refusals import S3Refusal

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
#: How many parts and keys one document may name.
PARTS_MAX, DELETED_MAX = 10_000, 1000
#: A name with its text, or with the elements inside it. What is None is left out.
Element = tuple[str, "str | int | bool | list[Element] | None"]


def xml(root: str, elements: Mapping[str, str]) -> bytes:
    """A flat document without a namespace; characters that XML cannot carry become a question mark."""
    return _whole(root, "", _inner(list(elements.items())))


def document(root: str, elements: Iterable[Element]) -> bytes:
    """A document in S3's namespace."""
    return _whole(root, f' xmlns="{NAMESPACE}"', _inner(elements))


def moment(at: datetime) -> str:
    """A time as S3 writes it in XML."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


@dataclass(frozen=True, slots=True)
class Unwanted:
    """An object that is to be deleted."""

    key: str
    #: Names of what its deletion is bound to.
    conditions: tuple[str, ...] = ()


def read_parts(body: bytes) -> list[tuple[int, str]]:
    """The parts that a CompleteMultipartUpload names; their etags without quotes."""
    root = _read(body, "CompleteMultipartUpload")
    try:
        parts = [
            (int(part.findtext("{*}PartNumber", "")), part.findtext("{*}ETag", "").strip().strip('"'))
            for part in root.iterfind("{*}Part")
        ]
    except ValueError as error:
        raise _malformed() from error
    if not parts or len(parts) > PARTS_MAX:
        raise _malformed()
    if any(before >= after for (before, _), (after, _) in pairwise(parts)):
        raise S3Refusal(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in order by "
            "part number.",
        )
    return parts


def read_deletions(body: bytes) -> tuple[list[Unwanted], bool]:
    """What a Delete names, and whether it is to be told of refusals alone."""
    root = _read(body, "Delete")
    unwanted = [
        Unwanted(one.findtext("{*}Key", ""), tuple(_name(each) for each in one if _name(each) != "Key"))
        for one in root.iterfind("{*}Object")
    ]
    if not unwanted or len(unwanted) > DELETED_MAX or not all(one.key for one in unwanted):
        raise _malformed()
    return unwanted, root.findtext("{*}Quiet", "").strip().lower() == "true"


def _read(body: bytes, name: str) -> ET.Element:
    try:
        root = ET.fromstring(body, ET.XMLParser(target=_NoDoctype()))  # noqa: S314 - no entities without one
    except (ET.ParseError, ValueError) as error:
        raise _malformed() from error
    if _name(root) != name:
        raise _malformed()
    return root


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


class _NoDoctype(ET.TreeBuilder):
    """Refuses what entities are declared in, before any is."""

    def doctype(self, *_declared: str | None) -> NoReturn:
        raise ValueError("a document type is not taken")


def _malformed() -> S3Refusal:
    return S3Refusal(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def _whole(root: str, attributes: str, inner: str) -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{attributes}>{inner}</{root}>'
    return text.encode("utf-8", "replace")


def _inner(elements: Iterable[Element]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in elements if value is not None)


def _text(value: "str | int | bool | list[Element]") -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _inner(value)
    return escape("".join(c if c >= " " and c not in "\ufffe\uffff" else "?" for c in str(value)))
