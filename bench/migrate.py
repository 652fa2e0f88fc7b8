"""Migrating blobs from a folder to a bucket, against rclone; and planning over very many blobs."""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from bench.figures import Report
from bench.installation import REELKEEP, Installation, installation
from bench.machine import ROOT
from bench.processes import MB, PeakMemory, processor_seconds
from bench.registry import Setup
from bench.usage import FILL, ORGANIZATION, STORES
from reelkeep.accounts.setup import default_organization
from reelkeep.blobs.keep import insert_blob, write_bytes
from reelkeep.blobs.models import BlobKind
from reelkeep.recordings.blob_keys import plan_blob
from reelkeep.recordings.create import NewRecording, create_recording
from reelkeep.runtime import Runtime
from reelkeep.settings import load_settings
from reelkeep.wiring import open_runtime

SMALL, SMALL_BYTES, SMALL_ROUNDS = 2_000, 200_000, 5
LARGE, LARGE_BYTES, LARGE_ROUNDS = 20, 200_000_000, 3
#: Room for the large ones: a service that is full makes its clients wait.
OBJECTS_BYTES = 6_000_000_000
PLANNED = 1_000_000
MEMORY_MB_MAX, PLAN_SECONDS_MAX = 200, 60
PIECE = 1 << 20
LEFT = "select count(*) from copy where store = 'local' and state <> 'deleting'"
ARRIVED = "select count(*) from copy where store = 's3' and state = 'present' and verified_at is not null"
TOOK = "select extract(epoch from clock_timestamp() - began_at) from relocation"
LOOKS_A_SECOND = 2
COUNTED = (
    "Blobs of random bytes in a local store, known by their rows; a Ceph RADOS Gateway on loopback, its data "
    "in memory. Counted is the time from when `reelkeep storage migrate` has begun the move until no copy is "
    "left to be moved, with one worker; each copy is proved by the gateway's own check of the SHA-256 that "
    "was computed while sending, and committed. rclone copies the same files, before they are moved, to "
    "another such gateway with `rclone copy --checksum`, at its defaults: what lies in a gateway takes "
    "memory, in which else the files would be kept. Memory is the worker's peak with its children, without "
    "Postgres, which it had started, in a move of its own. Planning is `reelkeep storage plan` over a "
    "million blobs with one copy each, under a rule for all, from its start to its end."
)


async def measure(setup: Setup) -> Report:
    """Move, compare, then plan."""
    report = Report("migrate", "Migrating to a bucket, and planning", COUNTED)
    kinds = (("small", SMALL, SMALL_BYTES, SMALL_ROUNDS), ("large", LARGE, LARGE_BYTES, LARGE_ROUNDS))
    for name, count, size, rounds in kinds:
        blobs = Blobs(name, max(count // 50, 2) if setup.quick else count, size)
        _tell(report, blobs, [await _compare(setup, blobs) for _ in range(rounds)])
        await _weigh(setup, report, blobs)
    await _plan(setup, report)
    return report


@dataclass(frozen=True, slots=True)
class Blobs:
    """What is moved."""

    name: str
    count: int
    size_bytes: int

    @property
    def label(self) -> str:
        """As the report calls them."""
        return f"{self.count:,} × {self.size_bytes / 1000:,.0f} kB"


@dataclass(frozen=True, slots=True)
class Moved:
    """One comparison."""

    ours_seconds: float
    theirs_seconds: float
    processor_seconds: float

    @property
    def ratio(self) -> float:
        """Our speed as a multiple of rclone's."""
        return self.theirs_seconds / self.ours_seconds


async def _compare(setup: Setup, blobs: Blobs) -> Moved:
    async with _filled(setup, blobs) as place:
        # A gateway each: what the first has taken lies in memory, and drove the second's source out of it.
        with gateway(setup.scratch / "rclone") as ceph:
            setup.say(f"{blobs.name}: rclone")
            files = _flat(place.data / "stores" / "local" / "objects", place.folder / "files")
            theirs = _rclone(ceph, files)
        with gateway(setup.scratch / "reelkeep") as ceph:
            setup.say(f"{blobs.name}: Reelkeep")
            place.environment.update(ceph.settings(ceph.new_bucket()))
            worker = place.start_worker()
            before = processor_seconds([worker.pid])
            ours = _migrate(place, blobs.count)
            return Moved(ours, theirs, processor_seconds([worker.pid]) - before)


async def _weigh(setup: Setup, report: Report, blobs: Blobs) -> None:
    """By itself: looking at the memory of processes takes a good part of a processor."""
    async with _filled(setup, blobs) as place:
        with gateway(setup.scratch / "weighed") as ceph:
            setup.say(f"{blobs.name}: memory")
            place.environment.update(ceph.settings(ceph.new_bucket()))
            worker = place.start_worker()
            with PeakMemory(worker.pid) as memory:
                _migrate(place, blobs.count)
    postgres = sum(part.counted for command, part in memory.made_of if "postgres" in command)
    report.add(
        f"{blobs.label}: worker's memory at the peak",
        (memory.peak.counted - postgres) / MB,
        "MB",
        MEMORY_MB_MAX,
        f"and Postgres {postgres / MB:.0f} MB",
    )


@asynccontextmanager
async def _filled(setup: Setup, blobs: Blobs) -> AsyncIterator[Installation]:
    """An installation with these blobs in its folder, and nothing else to do."""
    setup.say(f"{blobs.name}: writing {blobs.count:,} blobs")
    folder = setup.scratch / blobs.name
    with installation(folder, REELKEEP_ENGINE="pocketsphinx") as place:
        async with open_runtime(load_settings(data=place.data)) as runtime:
            for number in range(blobs.count):
                await _add(runtime, f"{number:05}.wav", blobs.size_bytes)
        os.sync()  # else the kernel goes on writing them out beside whoever is measured
        yield place
    shutil.rmtree(folder)


def _flat(objects: Path, files: Path) -> Path:
    """The same files in one folder: in ours rclone would ask the bucket once for each of them."""
    files.mkdir()
    for file in objects.rglob("*.bytes"):
        (files / file.name).hardlink_to(file)
    return files


def _tell(report: Report, blobs: Blobs, moved: Sequence[Moved]) -> None:
    total = blobs.count * blobs.size_bytes
    middle = sorted(moved, key=lambda one: one.ratio)[len(moved) // 2]
    note = f"{middle.ours_seconds:.1f} s, CPU {middle.processor_seconds:.1f} s"
    report.add(f"{blobs.label}: Reelkeep", total / middle.ours_seconds / MB, "MB/s", note=note)
    theirs = middle.theirs_seconds
    report.add(f"{blobs.label}: rclone", total / theirs / MB, "MB/s", note=f"{theirs:.1f} s")
    every = ", ".join(f"{one.ratio:.2f}" for one in moved)
    report.add_least(
        f"{blobs.label}: Reelkeep's speed, times that of rclone",
        middle.ratio,
        "",
        1.0,
        f"the middle of {every}",
    )


async def _add(runtime: Runtime, name: str, size: int) -> None:
    async with runtime.database.directory() as session:
        organization = await default_organization(session)
    async with runtime.database.work(organization.id) as session:
        new = NewRecording(name, "audio/wav", transcribe=False)
        recording = await create_recording(session, organization.id, None, new)
    planned = await plan_blob(
        runtime,
        "local",
        BlobKind.ORIGINAL,
        "audio/wav",
        organization_id=organization.id,
        recording_id=recording.id,
    )
    kept = await write_bytes(runtime.stores.get("local"), planned, _pieces(size), size_bytes=size)
    async with runtime.database.work(organization.id) as session:
        blob = insert_blob(session, organization.id, BlobKind.ORIGINAL, kept)
        await session.flush()
        recording = await session.merge(recording)
        recording.original_blob_id = blob.id


async def _pieces(size: int) -> AsyncIterator[bytes]:
    piece = os.urandom(min(size, PIECE))
    for first in range(0, size, PIECE):
        yield piece[: size - first]


def _migrate(place: Installation, count: int) -> float:
    command = [*REELKEEP, "storage", "migrate", "--from", "local", "--to", "s3", "--data", str(place.data)]
    with place.database() as database:
        subprocess.run(
            command, check=True, env=place.environment, stdout=subprocess.DEVNULL, cwd=place.folder
        )
        while database.execute(LEFT).fetchone() != (0,):
            time.sleep(0.1)
        took = database.execute(TOOK).fetchone()
        arrived = database.execute(ARRIVED).fetchone()
    if arrived != (count,):
        raise RuntimeError(f"{arrived} of {count} copies arrived and are proved")
    assert took is not None
    return float(took[0])


def _rclone(ceph: "Gateway", files: Path) -> float:
    started = time.monotonic()
    target = f":s3:{ceph.new_bucket()}/kept"
    subprocess.run(
        ["rclone", "copy", "--checksum", str(files), target],
        check=True,
        # Debian's rclone cannot take a bundle of certificates from here.
        env={**{k: v for k, v in os.environ.items() if k != "AWS_CA_BUNDLE"}, **ceph.rclone()},
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - started


async def _plan(setup: Setup, report: Report) -> None:
    count = PLANNED // 50 if setup.quick else PLANNED
    with installation(setup.scratch / "planned") as place:
        place.start_server("--no-worker")
        with place.database() as database:
            database.execute(ORGANIZATION, [100])
            database.execute(STORES)
            # What is used in which store is measured elsewhere.
            database.execute("alter table copy disable trigger user")
            for first in range(1, count + 1, 50_000):
                setup.say(f"planning: {first - 1:,} of {count:,} blobs are there")
                database.execute(FILL, {"first": first, "last": min(first + 49_999, count)})
            database.execute("analyze")
        setup.say("planning")
        _walk(report, place, count)


def _walk(report: Report, place: Installation, count: int) -> None:
    rules = place.folder / "rules.txt"
    rules.write_text("*: local\n")
    command = [*REELKEEP, "storage", "plan", str(rules), "--json", "--data", str(place.data)]
    environment, started = dict(place.environment), time.monotonic()
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=place.folder) as process,
        PeakMemory(process.pid, LOOKS_A_SECOND) as memory,
    ):
        told = json.loads(process.communicate()[0])
        took = time.monotonic() - started
    if told["blobs"] != count:
        raise RuntimeError(f"{told['blobs']} of {count} blobs were looked at")
    report.add(f"planning over {count:,} blobs", took, "s", PLAN_SECONDS_MAX)
    report.add("its memory at the peak", memory.peak.counted / MB, "MB")


class Gateway:
    """A Ceph RADOS Gateway on loopback."""

    def __init__(self, port: int, access_key: str, secret_key: str) -> None:
        self._url, self._keys = f"http://127.0.0.1:{port}", (access_key, secret_key)

    def new_bucket(self) -> str:
        """A new empty bucket."""
        client = boto3.client(
            "s3",
            endpoint_url=self._url,
            aws_access_key_id=self._keys[0],
            aws_secret_access_key=self._keys[1],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        bucket = f"bench-{secrets.token_hex(4)}"
        client.create_bucket(Bucket=bucket)
        return bucket

    def settings(self, bucket: str) -> dict[str, str]:
        """What makes the bucket the store `s3` of an installation."""
        return {
            "REELKEEP_S3_BUCKET": bucket,
            "REELKEEP_S3_ENDPOINT_URL": self._url,
            "REELKEEP_S3_ACCESS_KEY_ID": self._keys[0],
            "REELKEEP_S3_SECRET_ACCESS_KEY": self._keys[1],
        }

    def rclone(self) -> dict[str, str]:
        """The same for rclone."""
        return {
            "RCLONE_S3_PROVIDER": "Ceph",
            "RCLONE_S3_ENDPOINT": self._url,
            "RCLONE_S3_ACCESS_KEY_ID": self._keys[0],
            "RCLONE_S3_SECRET_ACCESS_KEY": self._keys[1],
            "RCLONE_S3_FORCE_PATH_STYLE": "true",
        }


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """A gateway whose data lie in memory; gone afterwards."""
    port = 10_000 + secrets.randbelow(20_000)
    keys = f"key-{secrets.token_hex(6)}", secrets.token_hex(20)
    environment = {**os.environ, "S3_ACCESS_KEY": keys[0], "S3_SECRET_KEY": keys[1]}
    environment["OBJECTS_BYTES"] = str(OBJECTS_BYTES)
    start, stop = (ROOT / "scripts" / f"ceph-rgw-{word}.sh" for word in ("start", "stop"))
    subprocess.run([start, folder, str(port)], check=True, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield Gateway(port, *keys)
    finally:
        subprocess.run([stop, folder], check=True, stdout=subprocess.DEVNULL)
