"""Bytes that grow on S3 while processes are killed and the service fails."""

import asyncio
import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from reelkeep.errors import StoreUnavailable
from reelkeep.stores.guarded import guard
from reelkeep.stores.patience import Patience
from reelkeep.stores.protocol import PART_BYTES_MIN, Grows, GrowthNotes, TakesParts
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.signer import Credentials
from tests.fixtures.ceph import Ceph
from tests.fixtures.front import FAILING, Fault, front_of

pytestmark = pytest.mark.s3
KEY = "incoming/a"
SIZE = 2 * PART_BYTES_MIN + 900_000
QUICK = Patience(tries_max=3, first_wait_seconds=0.001, wait_seconds_max=0.002)

#: Appends from where the notes end, and says each step; the notes are kept as a row would, in one step.
CHILD = """
import asyncio, json, os, random, sys
from pathlib import Path
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.signer import Credentials

given = json.loads(sys.argv[1])
row, body = Path(given["row"]), random.Random(7).randbytes(given["size"])
config = S3StoreConfig("s3", given["bucket"], endpoint_url=given["url"], scratch=row.parent,
                       credentials=Credentials(*given["keys"]), encryption=None)

def keep(notes):
    fresh = row.with_suffix(".new")
    fresh.write_text(json.dumps(notes))
    os.replace(fresh, row)

async def main():
    store = S3Store(config)
    notes = json.loads(row.read_text())
    at = await store.grown("incoming/a", notes)
    print("from", at, flush=True)
    async with store.growing("incoming/a", notes, content_type="audio/mp4") as growing:
        while at < len(body):
            size = random.choice([1000, 70_000, 900_000])
            await growing.write(body[at : at + size])
            at += len(body[at : at + size])
            print("wrote", at, flush=True)
            if random.random() < 0.4 or at == len(body):
                notes = await growing.flush()
                print("flushed", at, flush=True)
                keep(notes)
                print("noted", at, flush=True)
    print("finishing", flush=True)
    await store.finish_growth("incoming/a", notes, content_type="audio/mp4")
    print("finished", flush=True)

asyncio.run(main())
"""


def test_a_process_killed_anywhere_loses_only_what_was_not_noted(
    ceph: Ceph, ceph_bucket: str, tmp_path: Path
) -> None:
    row, noted, chance = tmp_path / "row.json", 0, random.Random()
    row.write_text("{}")
    given = {
        "row": str(row),
        "size": SIZE,
        "bucket": ceph_bucket,
        "url": ceph.endpoint_url,
        "keys": [ceph.access_key, ceph.secret_key],
    }
    for kill_at in [chance.randrange(1, 25) for _ in range(4)] + ["finishing", None]:
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, json.dumps(given)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for count, line in enumerate(child.stdout):
                step, _, offset = line.strip().partition(" ")
                if step == "from":
                    assert int(offset) >= noted, "bytes that were noted are gone"
                elif step == "noted":
                    noted = int(offset)
                if kill_at in (count, step):
                    child.kill()
                    break
            rest = child.stdout.read()
            if kill_at is None:
                assert (step, rest, child.wait()) == ("finished", "", 0)
    client = ceph.client()
    body = client.get_object(Bucket=ceph_bucket, Key=KEY)["Body"].read()
    assert hashlib.sha256(body).digest() == hashlib.sha256(random.Random(7).randbytes(SIZE)).digest()
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=ceph_bucket)["Contents"]] == [KEY]
    assert client.list_multipart_uploads(Bucket=ceph_bucket).get("Uploads", []) == []
    assert [path.name for path in tmp_path.iterdir() if path.name != "row.json.new"] == ["row.json"]


def config_at(url: str, ceph: Ceph, bucket: str, scratch: Path) -> S3StoreConfig:
    return S3StoreConfig(
        "s3",
        bucket,
        endpoint_url=url,
        credentials=Credentials(ceph.access_key, ceph.secret_key),
        scratch=scratch,
        patience=QUICK,
        retries_max=1,
    )


async def grow_all(config: S3StoreConfig, body: bytes, chance: random.Random) -> int:
    """Append and finish, going on after each failure as another process would; how often that was."""
    notes: GrowthNotes = {}
    failures = 0
    while failures < 200:
        store = S3Store(config)
        guarded = guard(store, QUICK)
        assert isinstance(guarded, Grows)
        try:
            at = await guarded.grown(KEY, notes)
            async with guarded.growing(KEY, notes, content_type="audio/mp4") as growing:
                while at < len(body):
                    size = chance.choice([2000, 300_000, 3_000_000])
                    await growing.write(body[at : at + size])
                    at += len(body[at : at + size])
                    if chance.random() < 0.5:
                        notes = await growing.flush()
                notes = await growing.flush()
            await guarded.finish_growth(KEY, notes, content_type="audio/mp4")
            return failures
        except StoreUnavailable:
            failures += 1
        finally:
            await store.close()
    raise AssertionError("it never came through")


@pytest.mark.parametrize("seed", range(2))
async def test_a_service_that_fails_at_random_loses_no_byte(
    ceph: Ceph, ceph_bucket: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    body = chance.randbytes(SIZE)
    struck: list[Fault] = []

    def decide(request: str) -> Fault | None:
        if chance.random() < 0.6:
            return None
        struck.append(chance.choice(FAILING))
        return struck[-1]

    async with front_of(ceph.endpoint_url, decide) as front:
        with structlog.testing.capture_logs():  # else hundreds of stacks are printed
            await grow_all(config_at(front.url, ceph, ceph_bucket, tmp_path), body, chance)
        assert len(struck) > 3
        made = [head for head in front.heads if head.startswith(("POST", "PUT")) and "partNumber" not in head]
        making = [head for head in made if "uploadId" not in head]
        assert making
        assert all("x-amz-server-side-encryption: AES256" in head for head in making)
    store = S3Store(config_at(ceph.endpoint_url, ceph, ceph_bucket, tmp_path))
    found = b"".join([piece async for piece in store.read(KEY)])
    assert hashlib.sha256(found).digest() == hashlib.sha256(body).digest()
    # What a fault kept from being cleared is shown, so that the sweep can do it.
    for facts in [facts async for facts in store.list_growths()]:
        await store.discard_growth(facts.key, {})
    assert [facts.key async for facts in store._requests.list_objects("")] == [KEY]
    assert [upload async for upload in store.list_part_uploads()] == []
    await store.close()


async def test_a_completion_whose_answer_is_lost_is_known_again(
    ceph: Ceph, ceph_bucket: str, tmp_path: Path
) -> None:
    lost: list[str] = []

    def decide(request: str) -> Fault | None:
        if request.startswith("POST") and "uploadId" in request and not lost:
            lost.append(request)
            return Fault.ANSWER_LOST
        return None

    async with front_of(ceph.endpoint_url, decide) as front:
        inside = S3Store(config_at(front.url, ceph, ceph_bucket, tmp_path))
        store = guard(inside, QUICK)
        upload_id = await inside.create_parts(KEY)
        part = await inside.put_part(KEY, upload_id, 1, b"part")
        assert isinstance(store, TakesParts)
        facts = await store.complete_parts(KEY, upload_id, [(1, part.etag)])
        await store.close()
    assert lost
    assert facts.size_bytes == 4


async def test_a_service_that_is_silent_does_not_hold_a_go_for_ever(
    ceph: Ceph, ceph_bucket: str, tmp_path: Path
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    config = S3StoreConfig(
        "s3", "bucket", endpoint_url=url, credentials=Credentials("key", "secret"), scratch=tmp_path,
        patience=QUICK, idle_timeout_seconds=0.1,
    )  # fmt: skip
    store = S3Store(config)
    async with store.growing(KEY, {}) as growing:
        await growing.write(b"sound")
        with structlog.testing.capture_logs(), pytest.raises(StoreUnavailable):
            await growing.flush()
    await store.close()
    server.close()
