"""A store's listing on disk, so that a bucket of any size is looked through with bounded memory. Blocks.

Keys are found by the ids in them, since every key holds its blob's. What has been explained is ticked off.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from reelkeep.blobs.keys import ABOUT_ENDINGS, WORDS_ENDINGS
from reelkeep.stores.protocol import ObjectFacts

_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PAGE = 500
_TABLES = """
pragma journal_mode = off;
pragma synchronous = off;
create table object (key text primary key, size integer not null, explained integer not null default 0)
  without rowid;
create table named (id text not null, key text not null, primary key (id, key)) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of the store."""

    key: str
    size_bytes: int


class Listing:
    """What a store holds. Of one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._rows.executescript(_TABLES)

    def add(self, batch: Sequence[ObjectFacts]) -> None:
        """Note objects. The first two ids of a key are the organization's and, perhaps, the recording's."""
        self._rows.execute("begin")
        self._rows.executemany(
            "insert or ignore into object (key, size) values (?, ?)",
            ((facts.key, facts.size_bytes) for facts in batch),
        )
        self._rows.executemany(
            "insert or ignore into named values (?, ?)",
            ((found, facts.key) for facts in batch for found in _IDS.findall(facts.key)[1:]),
        )
        self._rows.execute("commit")

    def find(self, blob_id: UUID, size_bytes: int) -> list[Listed]:
        """The objects that may be this blob: its id is in their key, and they have its size."""
        rows = self._rows.execute(
            "select o.key, o.size from named n join object o on o.key = n.key where n.id = ? and o.size = ?",
            (str(blob_id), size_bytes),
        )
        return [Listed(*row) for row in rows]

    def beside(self, recording_id: UUID) -> list[Listed]:
        """The files that describe something and have this id in their key."""
        rows = self._rows.execute(
            "select o.key, o.size from named n join object o on o.key = n.key where n.id = ?",
            (str(recording_id),),
        )
        return [Listed(*row) for row in rows if row[0].endswith(ABOUT_ENDINGS)]

    def explain(self, keys: Iterable[str]) -> None:
        """Tick off objects of which is known whose they are."""
        self._rows.execute("begin")
        self._rows.executemany("update object set explained = 1 where key = ?", ((key,) for key in keys))
        self._rows.execute("commit")

    def abouts(self) -> Iterator[list[Listed]]:
        """The files that describe recordings, in pages."""
        return self._pages("", ABOUT_ENDINGS, wanted=True)

    def others(self) -> Iterator[list[Listed]]:
        """What is not explained and describes nothing by itself, in pages."""
        return self._pages("and explained = 0", (*ABOUT_ENDINGS, *WORDS_ENDINGS), wanted=False)

    def unexplained(self) -> int:
        """How many objects nobody has told of."""
        count: int = self._rows.execute("select count(*) from object where explained = 0").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file; whoever made its folder removes it."""
        self._rows.close()

    def _pages(self, where: str, endings: tuple[str, ...], *, wanted: bool) -> Iterator[list[Listed]]:
        after = ""
        while True:
            page = self._rows.execute(
                f"select key, size from object where key > ? {where} order by key limit {_PAGE}",  # noqa: S608
                (after,),
            ).fetchall()
            if not page:
                return
            after = page[-1][0]
            yield [Listed(*row) for row in page if row[0].endswith(endings) == wanted]
