"""Placement rules: where the blobs of each kind should have copies, and how long recordings are kept.

Written as lines of text, one for each kind:

    original: s3-eu, r2-backup; after 90 days: s3-eu GLACIER_IR
    renditions: s3-eu; after 30 days: none
    *: s3-eu
    keep originals: 365 days
    keep recordings: 3650 days
    keep trash: 30 days

A place is a store, perhaps followed by a storage class. `none` removes what can be made again on demand.
`renditions` stands for playback and peaks; the line of a kind goes before it, and `*` comes last.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

from reelkeep.blobs.models import BlobKind
from reelkeep.errors import ErrorCode, Invalid

ANY = "*"
RENDITIONS = "renditions"
#: What a worker makes from the original, at any time.
MADE_AGAIN = (BlobKind.PLAYBACK, BlobKind.PEAKS)
AFTER = re.compile(r"after\s+(\d+)\s+days?")
DAYS = re.compile(r"(\d+)\s+days?")
RULES_CHARACTERS_MAX = 10_000
DAYS_MAX = 36_500


class Kept(StrEnum):
    """What a `keep` line is about."""

    ORIGINALS = "originals"
    RECORDINGS = "recordings"
    TRASH = "trash"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one copy should be."""

    store: str
    #: Empty: the store's own.
    storage_class: str = ""

    def __str__(self) -> str:
        """As a rule writes it."""
        return f"{self.store} {self.storage_class}".rstrip()


Places = tuple[Place, ...]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is wanted, by kind: places from an age on, the youngest age (0) first."""

    by_kind: Mapping[str, tuple[tuple[timedelta, Places], ...]]
    kept: Mapping[Kept, timedelta] = field(default_factory=dict)

    def wanted(self, kind: str, age: timedelta) -> Places:
        """Where a blob of this kind and age should have copies; empty: nowhere."""
        found = self._of(kind)
        return next(places for begins, places in reversed(found) if begins <= max(age, timedelta()))

    def next_change(self, kind: str, age: timedelta) -> timedelta | None:
        """How much older a blob must become until something else is wanted; None: never."""
        later = [begins for begins, _ in self._of(kind) if begins > age]
        return min(later) - age if later else None

    def stores(self) -> frozenset[str]:
        """Every store that a rule names."""
        return frozenset(place.store for steps in self.by_kind.values() for _, ps in steps for place in ps)

    def _of(self, kind: str) -> tuple[tuple[timedelta, Places], ...]:
        if kind in self.by_kind:
            return self.by_kind[kind]
        if kind in MADE_AGAIN and RENDITIONS in self.by_kind:
            return self.by_kind[RENDITIONS]
        return self.by_kind[ANY]


@dataclass(frozen=True, slots=True)
class Known:
    """What rules may name: the stores, and of each its storage classes (None: it has none)."""

    stores: Mapping[str, frozenset[str]]


def parse_rules(text: str, known: Known, primary: str) -> Rules:
    """Read rules and check them whole; kinds without a line are kept in `primary`.

    Raises `PLACEMENT_INVALID` that names the line and says what to write.
    """
    if len(text) > RULES_CHARACTERS_MAX:
        raise _wrong(
            0, f"the rules have {len(text):,} characters and at most {RULES_CHARACTERS_MAX:,} may be"
        )
    by_kind: dict[str, tuple[tuple[timedelta, Places], ...]] = {}
    kept: dict[Kept, timedelta] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stated = line.partition("#")[0].strip()
        if not stated:
            continue
        subject, colon, rest = stated.partition(":")
        subject = " ".join(subject.split()).lower()
        if not colon:
            raise _wrong(number, 'begin with what it is for and a colon, as in "original: local"')
        if subject.startswith("keep "):
            _add(kept, number, _kept(number, subject.removeprefix("keep ")), _days(number, rest))
        else:
            kind = _kind(number, subject)
            _add(by_kind, number, kind, _steps(number, kind, rest, known))
    by_kind.setdefault(ANY, ((timedelta(), (Place(primary),)),))
    if Kept.ORIGINALS in kept and any(not places for steps in by_kind.values() for _, places in steps):
        raise _wrong(
            0,
            "keep originals removes what renditions are made again from, so they cannot be none at any age; "
            "give them a place",
        )
    return Rules(by_kind, kept)


def _add(found: dict[K, V], number: int, name: K, value: V) -> None:
    if name in found:
        raise _wrong(number, f"{name} has a line already; put both into one")
    found[name] = value


def _kind(number: int, subject: str) -> str:
    names = {ANY: ANY, RENDITIONS: RENDITIONS, "rendition": RENDITIONS, "originals": BlobKind.ORIGINAL}
    names |= {kind.value: kind for kind in BlobKind}
    if subject not in names:
        allowed = ", ".join([*(kind.value for kind in BlobKind), RENDITIONS, ANY])
        raise _wrong(number, f'there is no kind "{subject}"; the kinds are {allowed}')
    return names[subject]


def _kept(number: int, subject: str) -> Kept:
    try:
        return Kept(subject)
    except ValueError:
        raise _wrong(number, "keep originals, keep recordings or keep trash, then days") from None


def _days(number: int, text: str) -> timedelta:
    match = DAYS.fullmatch(text.strip().lower())
    if match is None or not 0 < int(match[1]) <= DAYS_MAX:
        raise _wrong(number, f'say how long, as in "365 days" (1 to {DAYS_MAX:,})')
    return timedelta(days=int(match[1]))


def _steps(number: int, kind: str, rest: str, known: Known) -> tuple[tuple[timedelta, Places], ...]:
    steps: list[tuple[timedelta, Places]] = []
    for index, step in enumerate(rest.split(";")):
        begins, places = timedelta(), step
        if index:
            when, _, places = step.partition(":")
            match = AFTER.fullmatch(" ".join(when.split()).lower())
            if match is None or int(match[1]) > DAYS_MAX:
                raise _wrong(number, 'after a semicolon comes "after N days:" and then places')
            begins = timedelta(days=int(match[1]))
        steps.append((begins, _places(number, kind, places, known)))
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(steps)):
        raise _wrong(number, "the days must grow from one step to the next")
    return tuple(steps)


def _places(number: int, kind: str, text: str, known: Known) -> Places:
    if text.strip().lower() == "none":
        if kind not in (RENDITIONS, *MADE_AGAIN):
            raise _wrong(number, f"only renditions can be made again; {kind} needs at least one place")
        return ()
    places = tuple(_place(number, item, known) for item in text.split(","))
    stores = [place.store for place in places]
    if len(set(stores)) != len(stores):
        raise _wrong(number, "a store can be named once in a step")
    return places


def _place(number: int, text: str, known: Known) -> Place:
    words = text.split()
    if not 1 <= len(words) <= 2:
        raise _wrong(number, 'a place is a store and perhaps a storage class, as in "s3-eu STANDARD_IA"')
    store, storage_class = words[0], words[1] if len(words) == 2 else ""
    if store not in known.stores:
        raise _wrong(number, f'there is no store "{store}"; the stores are {_list(known.stores)}')
    if storage_class and storage_class not in known.stores[store]:
        classes = _list(known.stores[store]) or "none"
        raise _wrong(number, f"{store} has no storage class {storage_class}; its classes are {classes}")
    return Place(store, storage_class)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _wrong(number: int, problem: str) -> Invalid:
    where = f"Line {number} of the rules: " if number else ""
    sentence = f"{where}{problem}."
    return Invalid(sentence[0].upper() + sentence[1:], ErrorCode.PLACEMENT_INVALID, line=number or None)
