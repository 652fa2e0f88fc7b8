"""Walks the folders of a local store in the order of its keys. Blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Endings of names on disk: of an object's facts, of its bytes, and of a folder of keys.
FACTS, BYTES, FOLDER = ".json", ".bytes", ".d"


@dataclass(frozen=True, slots=True)
class Within:
    """Which keys a walk visits: S3's `prefix`, `start-after` and `delimiter`."""

    prefix: str = ""
    #: Only keys that sort after this one; a common prefix with `PAST` at its end leaves all of its keys out.
    after: str = ""
    #: Keys that share what comes before the first of it are told as one, their common prefix.
    delimiter: str = ""

    def common_prefix(self, entry: str) -> str | None:
        """What a key, or a folder's name with its slash, is rolled up to."""
        if not self.delimiter or not entry.startswith(self.prefix):
            return None
        before, found, _ = entry[len(self.prefix) :].partition(self.delimiter)
        return self.prefix + before + self.delimiter if found else None

    def is_prefix(self, entry: str) -> bool:
        """Whether an entry of the walk is a common prefix; keys never end so."""
        return self.common_prefix(entry) == entry


#: Sorts after every character that a key may hold.
PAST = "\uffff"


def walk_entries(objects: Path, within: Within) -> Iterator[str]:
    """The keys under a folder of objects in order, and common prefixes in the place of those they stand for.

    One folder's names at a time are in memory. A folder that rolls up to a prefix is looked into for its
    first key only.
    """
    last = None
    for entry in _walk(objects, "", within):
        rolled = within.common_prefix(entry)
        if rolled is None:
            yield entry
        elif rolled != last:
            last = rolled
            yield rolled


def _walk(folder: Path, base: str, within: Within) -> Iterator[str]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return
    # A folder's keys all begin with its name and a slash, which sorts them among the files.
    entries = [base + name.removesuffix(FACTS) for name in names if name.endswith(FACTS)]
    entries += [f"{base}{name.removesuffix(FOLDER)}/" for name in names if name.endswith(FOLDER)]
    for entry in sorted(entries):
        if not entry.endswith("/"):
            if entry.startswith(within.prefix) and entry > within.after:
                yield entry
        elif _may_hold(entry, within):
            inside = _walk(folder / (entry[len(base) : -1] + FOLDER), entry, within)
            if within.common_prefix(entry) is None:
                yield from inside
            else:
                yield from _first(inside)


def _may_hold(entry: str, within: Within) -> bool:
    """Whether a folder can have keys that the walk visits."""
    if not entry.startswith(within.prefix) and not within.prefix.startswith(entry):
        return False
    return entry + PAST > within.after


def _first(keys: Iterator[str]) -> Iterator[str]:
    for key in keys:
        yield key
        return
