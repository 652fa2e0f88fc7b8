"""Listing a folder page by page gives what S3's rules say, whatever the keys, prefix and delimiter."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from reelkeep.stores.local_folder import LocalFolder
from reelkeep.stores.local_walk import PAST, Within
from reelkeep.stores.protocol import ObjectFacts

PART = st.text("ab-.0", min_size=1, max_size=3).filter(lambda part: part not in (".", ".."))
KEYS = st.sets(st.lists(PART, min_size=1, max_size=4).map("/".join), max_size=25)
TEXT = st.text("ab-.0/", max_size=4)


def put(folder: LocalFolder, key: str) -> None:
    path, descriptor = folder.new_temporary()
    Path(f"/proc/self/fd/{descriptor}").write_bytes(b"")
    folder.publish(path, ObjectFacts(key, 0, None, "etag", datetime.now(UTC)))


def expected(keys: set[str], within: Within) -> list[str]:
    """S3's rules, said in the shortest way."""
    entries = []
    for key in sorted(keys):
        if key.startswith(within.prefix) and key > within.after:
            before, found, _ = key[len(within.prefix) :].partition(within.delimiter or "\n")
            entry = within.prefix + before + found
            if entry not in entries:
                entries.append(entry)
    return entries


def names(page: list[ObjectFacts | str]) -> list[str]:
    return [entry if isinstance(entry, str) else entry.key for entry in page]


@settings(max_examples=150, deadline=None)
@given(keys=KEYS, prefix=TEXT, after=TEXT, delimiter=st.sampled_from(["", "/", "-", "/a", "b"]))
def test_a_page_holds_what_s3_would_list(keys: set[str], prefix: str, after: str, delimiter: str) -> None:
    with TemporaryDirectory() as root:
        folder = LocalFolder(Path(root))
        for key in keys:
            put(folder, key)
        within = Within(prefix, after, delimiter)
        assert names(folder.page(within, 1000)) == expected(keys, within)
        assert [facts.key for facts in folder.walk(prefix)] == expected(keys, Within(prefix))


@settings(max_examples=60, deadline=None)
@given(keys=KEYS, prefix=TEXT, delimiter=st.sampled_from(["", "/", "-"]), size=st.integers(1, 4))
def test_pages_one_after_another_leave_nothing_out_and_repeat_nothing(
    keys: set[str], prefix: str, delimiter: str, size: int
) -> None:
    with TemporaryDirectory() as root:
        folder = LocalFolder(Path(root))
        for key in keys:
            put(folder, key)
        listed: list[str] = []
        after = ""
        while page := folder.page(Within(prefix, after, delimiter), size):
            listed += names(page)
            after = page[-1] + PAST if isinstance(page[-1], str) else page[-1].key
        assert listed == expected(keys, Within(prefix, "", delimiter))
