"""What only the local store promises of objects in parts: whole at every moment, kill -9 included."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reelkeep.errors import ObjectNotFound, StoreUnavailable, WrongBytes
from reelkeep.stores import local_parts
from reelkeep.stores.conditions import OnlyIf
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.local_files import ExpectedBytes
from reelkeep.stores.protocol import PART_BYTES_MIN, TakesParts
from reelkeep.stores.refusals import S3Refusal

KEY = "incoming/a/b"
FIRST, LAST = b"1" * PART_BYTES_MIN, b"the last"


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalStore]:
    store = LocalStore(LocalStoreConfig("l", "b", tmp_path / "store", "http://127.0.0.1:9", "k", "s"))
    yield store
    await store.close()


def files(store: LocalStore) -> list[str]:
    """Every file but the locks."""
    root = store._config.root
    found = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return sorted(str(path) for path in found if path.parts[0] != "locks")


async def body_of(store: LocalStore, key: str = KEY) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def two_parts(store: LocalStore, key: str = KEY) -> tuple[str, list[tuple[int, str]]]:
    upload_id = await store.create_parts(key, content_type="audio/mp4")
    sent = [await store.put_part(key, upload_id, number, body) for number, body in ((2, LAST), (1, FIRST))]
    return upload_id, sorted((part.number, part.etag) for part in sent)


def test_it_takes_parts(local: LocalStore) -> None:
    assert isinstance(local, TakesParts)


async def test_the_object_has_s3s_etag_and_the_type_of_the_beginning(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    facts = await local.complete_parts(KEY, upload_id, parts)
    joined = hashlib.md5(FIRST).digest() + hashlib.md5(LAST).digest()
    assert facts.etag == f"{hashlib.md5(joined).hexdigest()}-2"
    assert (facts.content_type, facts.sha256, facts.size_bytes) == (
        "audio/mp4",
        None,
        len(FIRST) + len(LAST),
    )
    assert await local.head(KEY) == facts
    assert await body_of(local) == FIRST + LAST
    assert len(files(local)) == 2
    assert (await local.copy(KEY, "recordings/x")).etag == facts.etag


async def test_completing_again_tells_of_the_same_object_and_other_parts_of_none(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    facts = await local.complete_parts(KEY, upload_id, parts)
    assert await local.complete_parts(KEY, upload_id, parts) == facts
    with pytest.raises(ObjectNotFound):
        await local.complete_parts(KEY, upload_id, parts[:1])
    await local.delete(KEY)
    with pytest.raises(ObjectNotFound):
        await local.complete_parts(KEY, upload_id, parts)


async def test_many_completing_at_once_make_one_object(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    made = await asyncio.gather(*(local.complete_parts(KEY, upload_id, parts) for _ in range(24)))
    assert len({facts.modified_at for facts in made}) == 1
    assert len(files(local)) == 2


async def test_an_upload_is_known_under_its_own_key_alone(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    for key, known_as in (("incoming/a/c", upload_id), (KEY, "0" * 32), (KEY, "../../objects"), (KEY, "")):
        with pytest.raises(ObjectNotFound):
            await local.put_part(key, known_as, 1, b"x")
        with pytest.raises(ObjectNotFound):
            await local.complete_parts(key, known_as, parts)
        with pytest.raises(ObjectNotFound):
            _ = [part async for part in local.list_parts(key, known_as)]
        await local.abort_parts(key, known_as)
    assert len([part async for part in local.list_parts(KEY, upload_id)]) == 2


async def test_a_part_sent_again_takes_the_place_of_the_first(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    again = await local.put_part(KEY, upload_id, 2, b"another end")
    with pytest.raises(WrongBytes) as wrong:
        await local.complete_parts(KEY, upload_id, parts)
    assert wrong.value.details["check"] == "part"
    await local.complete_parts(KEY, upload_id, [parts[0], (2, again.etag)])
    assert await body_of(local) == FIRST + b"another end"
    assert len(files(local)) == 2


async def test_one_part_sent_many_times_at_once_leaves_one(local: LocalStore) -> None:
    upload_id = await local.create_parts(KEY)
    bodies = [bytes([n]) * 70_000 for n in range(12)]
    await asyncio.gather(*(local.put_part(KEY, upload_id, 1, body) for body in bodies))
    (part,) = [part async for part in local.list_parts(KEY, upload_id)]
    await local.complete_parts(KEY, upload_id, [(1, part.etag)])
    assert await body_of(local) in bodies
    assert len(files(local)) == 2


async def test_parts_sent_while_it_is_completed_never_mix_into_it(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)

    async def send_again(number: int, body: bytes) -> None:
        for _ in range(5):
            try:
                await local.put_part(KEY, upload_id, number, body)
            except ObjectNotFound:  # completed meanwhile
                return

    await asyncio.gather(
        local.complete_parts(KEY, upload_id, parts), send_again(1, FIRST), send_again(2, LAST)
    )
    assert await body_of(local) == FIRST + LAST
    await local.sweep_temporary(0)
    assert len(files(local)) == 2


async def test_a_damaged_part_is_refused_and_may_be_sent_again(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    (data,) = (local._config.root / "parts" / upload_id).glob("00001.*.bytes")
    os.truncate(data, 100)
    with pytest.raises(WrongBytes) as wrong:
        await local.complete_parts(KEY, upload_id, parts)
    assert wrong.value.details["check"] == "part"
    await local.put_part(KEY, upload_id, 1, FIRST)
    (local._config.root / "parts" / upload_id / "00002.json").write_text("{")
    assert [part.number async for part in local.list_parts(KEY, upload_id)] == [1]
    await local.put_part(KEY, upload_id, 2, LAST)
    await local.complete_parts(KEY, upload_id, parts)
    assert await body_of(local) == FIRST + LAST


async def test_a_condition_is_held_in_the_step_that_makes_it_visible(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    other, _ = await two_parts(local)
    facts = await local.complete_parts(KEY, upload_id, parts, only_if=OnlyIf(absent=True))
    with pytest.raises(S3Refusal, match="PreconditionFailed"):
        await local.complete_parts(KEY, other, parts, only_if=OnlyIf(absent=True))
    # Nothing was lost by it: the parts are there, and completing the first again is no new write.
    assert await local.complete_parts(KEY, upload_id, parts, only_if=OnlyIf(absent=True)) == facts
    await local.complete_parts(KEY, other, parts, only_if=OnlyIf(etag=facts.etag))


async def test_of_writers_that_want_nothing_there_one_wins(local: LocalStore) -> None:
    async def write(n: int) -> bool:
        try:
            async with local.writer(KEY, only_if=OnlyIf(absent=True)) as writer:
                await writer.write(bytes([n]))
                await writer.commit()
        except S3Refusal:
            return False
        return True

    assert sum(await asyncio.gather(*(write(n) for n in range(16)))) == 1
    assert len(files(local)) == 2


async def test_an_abort_removes_everything_and_twice_is_harmless(local: LocalStore) -> None:
    upload_id, parts = await two_parts(local)
    await local.abort_parts(KEY, upload_id)
    await local.abort_parts(KEY, upload_id)
    assert files(local) == []
    with pytest.raises(ObjectNotFound):
        await local.complete_parts(KEY, upload_id, parts)


async def test_uploads_under_way_are_listed_with_their_age(local: LocalStore) -> None:
    assert [upload async for upload in local.list_part_uploads()] == []
    ids = {key: await local.create_parts(key) for key in ("b/2", "a/1", "b/1")}
    listed = [upload async for upload in local.list_part_uploads("b/")]
    assert [(upload.key, upload.upload_id) for upload in listed] == [
        ("b/1", ids["b/1"]),
        ("b/2", ids["b/2"]),
    ]
    assert listed[0].begun_at >= listed[1].begun_at
    (local._config.root / "parts" / ids["a/1"] / "upload.json").write_text("damaged")
    assert len([upload async for upload in local.list_part_uploads()]) == 2


async def test_a_cancelled_complete_leaves_the_parts_and_no_object(
    local: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_parts, "COPY_BYTES", 1024)  # many steps, between which it may stop
    upload_id, parts = await two_parts(local)
    completing = asyncio.create_task(local.complete_parts(KEY, upload_id, parts))
    temporary = local._config.root / "temporary"
    while not any(path.stat().st_size for path in temporary.iterdir()):  # noqa: ASYNC110 - a file's growth
        await asyncio.sleep(0)
    completing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await completing
    with pytest.raises(ObjectNotFound):
        await local.head(KEY)
    monkeypatch.undo()
    await local.complete_parts(KEY, upload_id, parts)
    assert await body_of(local) == FIRST + LAST
    assert len(files(local)) == 2


async def test_a_part_that_is_not_committed_leaves_nothing(local: LocalStore) -> None:
    upload_id = await local.create_parts(KEY)
    async with local.part_writer(KEY, upload_id, 1) as writer:
        await writer.write(FIRST)
    async with local.part_writer(KEY, upload_id, 1, expected=ExpectedBytes(md5="0" * 32)) as writer:
        await writer.write(FIRST)
        with pytest.raises(WrongBytes):
            await writer.commit()
    assert len(files(local)) == 1
    with pytest.raises(StoreUnavailable):
        await writer.commit()


#: Dies right before the n-th step on the disk, for every n, each time on a fresh copy of the same folder.
KILLED = """
import asyncio, os, shutil, signal, sys
from pathlib import Path
from reelkeep.stores.local import LocalStore, LocalStoreConfig

action, root, before = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
KEY, FIRST, LAST = "incoming/a/b", b"1" * (5 << 20), b"the last"
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree"}
store = lambda: LocalStore(LocalStoreConfig("l", "b", root, "http://h", "k", "s"))

async def prepare():
    s = store()
    upload_id = await s.create_parts(KEY)
    parts = [(n, (await s.put_part(KEY, upload_id, n, b)).etag) for n, b in ((1, FIRST), (2, LAST))]
    return upload_id, parts

async def act(upload_id, parts):
    s = store()
    if action == "create": await s.create_parts(KEY)
    if action == "part": await s.put_part(KEY, upload_id, 2, LAST)
    if action == "complete": await s.complete_parts(KEY, upload_id, parts)
    if action == "abort": await s.abort_parts(KEY, upload_id)

async def read(s):
    return b"".join([piece async for piece in s.read(KEY)])

async def check(upload_id, parts):
    s = store()
    listed = [u async for u in s.list_part_uploads()]
    there = [o.key async for o in s.list_objects()]
    if there: assert await read(s) == FIRST + LAST
    if action in ("create", "part") or (action == "complete" and not there):
        kept = [(p.number, p.etag) async for p in s.list_parts(KEY, upload_id)]
        assert kept == parts, kept
    if action != "abort":
        await s.complete_parts(KEY, upload_id, parts)
        await s.complete_parts(KEY, upload_id, parts)
        assert await read(s) == FIRST + LAST
    async for upload in s.list_part_uploads():
        await s.abort_parts(upload.key, upload.upload_id)
    await s.sweep_temporary(0)
    left = [p for p in root.rglob("*") if p.is_file() and p.parent.name != "locks"]
    assert len(left) == (0 if action == "abort" else 2), left

def in_child(work, *arguments, die_before=None):
    pid = os.fork()
    if pid == 0:
        steps = [0]
        def hook(event, _arguments):
            if event in STEPS:
                steps[0] += 1
                if steps[0] == die_before: os.kill(os.getpid(), signal.SIGKILL)
        if die_before: sys.addaudithook(hook)
        try:
            asyncio.run(work(*arguments))
        except BaseException:
            import traceback; traceback.print_exc(); sys.stderr.flush(); os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

upload_id, parts = asyncio.run(prepare())
shutil.copytree(root, before)
for n in range(1, 1000):
    shutil.rmtree(root)
    shutil.copytree(before, root)
    code = in_child(act, upload_id, parts, die_before=n)
    assert code in (0, -signal.SIGKILL), code
    checked = in_child(check, upload_id, parts)
    assert checked == 0, f"after dying before step {n}"
    if code == 0: break
print(n)
"""


@pytest.mark.parametrize(("action", "steps_min"), [("create", 5), ("part", 9), ("complete", 9), ("abort", 4)])
def test_kill_9_before_any_step_leaves_what_can_go_on(tmp_path: Path, action: str, steps_min: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, action, tmp_path / "store", tmp_path / "before"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) >= steps_min
