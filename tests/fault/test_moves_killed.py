"""A move between stores whose workers are killed at every step of it, each where the one before was not.

Two recordings move at once: one by a copy inside the service, one by a stream through the worker. Whoever
comes to a step that nobody was killed at is held there and killed: in front of each request to either store,
and inside each transaction that changes a copy or a job, before the row changes.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from reelkeep.blobs.models import CopyState
from reelkeep.placement.check import check_store
from reelkeep.placement.models import RelocationState
from reelkeep.placement.relocate import begin_relocation, progress_of
from reelkeep.runtime import Runtime
from reelkeep.wiring import open_runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.clock import Later
from tests.fixtures.holds import Holds, Step, holds, lane_of
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs, settings_for, url_of
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of, write_rules
from tests.fixtures.usage import usage_of
from tests.service.test_processing import take_in
from tests.service.test_reconcile import settle

QUICK = {
    "REELKEEP_WORKER_STALLED_SECONDS": "2",
    "REELKEEP_WORKER_HEARTBEAT_SECONDS": "1",
    "REELKEEP_WORKER_SHUTDOWN_SECONDS": "1",
    "REELKEEP_SWEEP_SECONDS": "1",
    "REELKEEP_DOWNLOAD_EXPIRES_IN_SECONDS": "1",
    "REELKEEP_ENGINE": "fake",
}
#: From one death to the next step: a claim's time, a look for silent workers, and a start on a busy machine.
LIFE_SECONDS_MAX = 45.0
#: What a lane that does not wait for the other needs to come to its own step.
BESIDE_SECONDS = 1.5
MOVES = {"first": "second", "third": "second"}
#: Requests of the one and of the other; the last ones remove what an attempt before has left.
INSIDE = {"HEAD first", "PUT second", "HEAD second", "GET second", "DELETE first", "DELETE second"}
STREAMED = {"GET third", "PUT second", "DELETE third", "DELETE second"}
#: The same writes are made for both: those of jobs are tried with the one, those of copies with the other.
JOBS = {"job none -> todo", "job todo -> doing", "job doing -> todo", "job doing -> none"}
COPIES = {
    "copy none -> making",
    "copy making -> making",
    "copy making -> present",
    "copy present -> deleting",
    "copy deleting -> deleting",
    "copy deleting -> none",
}


@dataclass(frozen=True)
class Recording:
    """One recording, where it is and how it sounds."""

    person: Person
    recording_id: str
    blob_id: UUID
    sound: bytes

    @property
    def lane(self) -> str:
        return lane_of(self.person.organization_id)


@dataclass
class Listening:
    """Reads every recording over and over through the API; it ends at the first that is not whole."""

    runtime: Runtime
    recordings: list[Recording]
    times: int = 0

    async def forever(self) -> None:
        async with client_of(self.runtime) as client:
            while True:
                for it in self.recordings:
                    url = f"/api/v1/recordings/{it.recording_id}/media/original"
                    answer = await client.get(url, headers=it.person.headers)
                    assert answer.status_code == 200, answer.text
                    assert answer.content == it.sound
                    self.times += 1
                await asyncio.sleep(0.1)


@dataclass
class Lives:
    """Workers one after another, as real processes."""

    data: Path
    environment: dict[str, str]
    count: int = 0
    process: asyncio.subprocess.Process | None = field(default=None)

    @property
    def log(self) -> Path:
        return self.data.parent / "worker.log"

    async def begin(self) -> None:
        self.count += 1
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "reelkeep", "worker", "--data", str(self.data),
                env={**os.environ, **self.environment}, stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def write_stores(path: Path, ceph: Ceph, buckets: dict[str, str], urls: dict[str, str]) -> Path:
    path.write_text(
        "".join(
            f'[stores.{name}]\nkind = "s3"\nservice = "ceph"\nbucket = "{bucket}"\n'
            f'endpoint_url = "{urls[name]}"\nregion = "us-east-1"\npath_style = true\n'
            f'access_key_id = "{ceph.access_key}"\nsecret_access_key = "{ceph.secret_key}"\n\n'
            for name, bucket in buckets.items()
        )
    )
    return path


async def keep_in(runtime: Runtime, store: str, length: float) -> Recording:
    """A recording of an organization of its own, whose original alone lies in this store."""
    person, sound = await add_person(runtime), wav(beeps(length))
    recording_id = await take_in(runtime, person, sound)
    await do_jobs(runtime)
    await write_rules(runtime, f"original: {store}\n*: local", str(person.organization_id))
    blob = (await blobs_of(runtime, person))[0]
    await settle(runtime, person, blob.id)
    assert set(await copies_of(runtime, person, blob.id)) == {store}
    return Recording(person, recording_id, blob.id, sound)


async def is_done(runtime: Runtime) -> bool:
    states = {(await progress_of(runtime, source)).state for source in MOVES}
    async with runtime.database.owner() as session:
        waiting = text("select count(*) from procrastinate_jobs where task_name = 'reconcile'")
        return states == {RelocationState.DONE} and not await session.scalar(waiting)


async def next_steps(runtime: Runtime, held: Holds, lives: Lives) -> set[Step]:
    """Where the worker that lives now is held; none when the moves are over."""
    first_at: float | None = None
    clock = asyncio.get_running_loop().time
    began = clock()
    while not (first_at is None and await is_done(runtime)):
        steps = await held.held()
        if steps and first_at is None:
            first_at = clock()
        if {lane for lane, _ in steps} == held.lanes or (first_at and clock() - first_at > BESIDE_SECONDS):
            return steps
        assert clock() - began < LIFE_SECONDS_MAX, lives.log.read_text()[-6000:]
        await asyncio.sleep(0.1)
    return set()


@asynccontextmanager
async def in_the_background(listening: Listening) -> AsyncIterator[None]:
    task = asyncio.create_task(listening.forever())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.s3
@pytest.mark.timeout(600)  # fifteen starts of a process, on a machine that may be busy
async def test_workers_killed_at_every_step_of_a_move_lose_nothing_and_leave_nothing(
    tmp_path: Path, conninfo: str, ceph: Ceph
) -> None:
    buckets = {
        name: f"{name}-{tmp_path.name[-6:]}-{os.getpid()}".replace("_", "-") for name in (*MOVES, "second")
    }
    for bucket in buckets.values():
        ceph.client().create_bucket(Bucket=bucket)
    data = tmp_path / "data"
    direct = write_stores(tmp_path / "direct.toml", ceph, buckets, dict.fromkeys(buckets, ceph.endpoint_url))
    flags = {"stores_file": direct, "download_expires_in_seconds": 1}
    async with open_runtime(settings_for(data, conninfo, **flags)) as runtime:
        recordings = [await keep_in(runtime, source, 0.5 + n) for n, source in enumerate(MOVES)]
        names = {bucket: name for name, bucket in buckets.items()}
        async with holds(conninfo, ceph.endpoint_url, names, fronts=2) as (held, urls):
            inside, streamed = (it.lane for it in recordings)
            held.lanes = {inside, streamed}
            await held.pass_by({(inside, step) for step in COPIES} | {(streamed, step) for step in JOBS})
            # `third` has another address, so that nobody takes it for the same service.
            addresses = {"first": urls[0], "second": urls[0], "third": urls[1]}
            behind = write_stores(tmp_path / "behind.toml", ceph, buckets, addresses)
            lives = Lives(
                data, QUICK | {"DATABASE_URL": url_of(conninfo), "REELKEEP_STORES_FILE": str(behind)}
            )
            for source, target in MOVES.items():
                await begin_relocation(runtime, source, target)
            listening = Listening(runtime, recordings)
            async with in_the_background(listening):
                try:
                    await lives.begin()
                    while steps := await next_steps(runtime, held, lives):
                        await lives.kill()
                        await held.pass_by(steps)
                        await lives.begin()
                finally:
                    await lives.kill()
            assert listening.times > lives.count
            assert {step for lane, step in held.passed if lane == inside} == INSIDE | JOBS | COPIES
            assert {step for lane, step in held.passed if lane == streamed} == STREAMED | JOBS | COPIES
        await look_at_the_end(runtime, recordings, buckets, ceph)


async def look_at_the_end(
    runtime: Runtime, recordings: list[Recording], buckets: dict[str, str], ceph: Ceph
) -> None:
    """Each original lies in `second` alone, whole; and no store has a byte that nobody knows."""
    keys = set()
    for it in recordings:
        copies = await copies_of(runtime, it.person, it.blob_id)
        assert set(copies) == {"second"}
        copy = copies["second"]
        assert (copy.state, copy.claim_id, copy.claimed_until) == (CopyState.PRESENT, None, None)
        assert copy.verified_at is not None
        assert await bytes_in(runtime, copy) == it.sound
        await usage_of(runtime, it.person)
        keys.add(copy.key)
    for name, bucket in buckets.items():
        listed = ceph.client().list_objects_v2(Bucket=bucket, Prefix="recordings/").get("Contents", [])
        assert {entry["Key"] for entry in listed} == (keys if name == "second" else set())
        later = replace(runtime, clock=Later(timedelta(hours=2)))
        found = await check_store(later, name, verify=True)
        assert found.is_clean, found
