"""The local store: objects are files under one folder, and clients reach them over our own S3 wire."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from os import close
from pathlib import Path

from reelkeep.clock import Clock, SystemClock
from reelkeep.stores.buffering import BufferBudget
from reelkeep.stores.conditions import ALWAYS, OnlyIf
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_files import (
    ExpectedBytes,
    LocalReader,
    in_thread,
    open_object,
    translated,
)
from reelkeep.stores.local_folder import LocalFolder
from reelkeep.stores.local_growth import GrowsInFiles, LocalGrowths
from reelkeep.stores.local_objects import object_publisher
from reelkeep.stores.local_part_uploads import PartUploads, TakesPartsInFiles
from reelkeep.stores.local_walk import Within
from reelkeep.stores.local_writer import LocalWriter
from reelkeep.stores.metadata import described, description_in
from reelkeep.stores.protocol import Abilities, ObjectFacts, Ticket, TicketLimits
from reelkeep.stores.signer import Credentials, Endpoint, Signer
from reelkeep.stores.tickets import SignedAccess

#: The wire's region: what S3 clients take when none is set.
WIRE_REGION = "us-east-1"
#: Where the wire lies under the public URL.
WIRE_PATH = "/s3"

# Most of their time goes into fsync, and a file system makes many of them durable in one go.
_THREADS = 16
_LIST_BATCH = 256


@dataclass(frozen=True, slots=True)
class LocalStoreConfig:
    """Where a local store lies and how clients reach it."""

    name: str
    bucket: str
    root: Path
    #: The address of this installation as clients see it, without the wire's own path.
    public_url: str
    access_key: str
    secret_key: str = field(repr=False)
    #: Every machine of this installation mounts the same folder.
    shared: bool = False
    #: What all uploads of this process share.
    buffers: BufferBudget = field(default_factory=BufferBudget, repr=False)

    def signer(self, clock: Clock | None = None) -> Signer:
        """The signer for this store's address on the wire."""
        credentials = Credentials(self.access_key, self.secret_key)
        endpoint = Endpoint.from_url(self.public_url.rstrip("/") + WIRE_PATH)
        return Signer(endpoint, WIRE_REGION, lambda: credentials, clock or SystemClock())


class LocalStore(TakesPartsInFiles, GrowsInFiles):
    """A `Store` in a folder of this machine, which also signs URLs and opens files."""

    def __init__(self, config: LocalStoreConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._folder = LocalFolder(config.root)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"store-{config.name}")
        self._access = SignedAccess(config.signer(clock), config.bucket)
        self._part_uploads = PartUploads(self._folder, self._pool, config.buffers)
        self._growths = LocalGrowths(self._folder, self._pool, config.buffers)

    @property
    def name(self) -> str:
        """The configured name."""
        return self._config.name

    @property
    def bucket(self) -> str:
        """The bucket of this store on the wire."""
        return self._config.bucket

    @property
    def abilities(self) -> Abilities:
        """It does not encrypt; it is shared only when its configuration says so."""
        return Abilities(encrypts_at_rest=False, shared=self._config.shared)

    def writer(
        self,
        key: str,
        *,
        content_type: str | None = None,
        expected: ExpectedBytes | None = None,
        only_if: OnlyIf = ALWAYS,
        storage_class: str | None = None,
        digested: bool = True,
        metadata: Mapping[str, str] | None = None,
    ) -> LocalWriter[ObjectFacts]:
        """Write an object piece by piece; without `commit` nothing is kept.

        `only_if` refuses (`S3Refusal`) in the same step that would make the object visible.
        """
        return LocalWriter(
            self._folder,
            self._pool,
            self._config.buffers,
            key=key,
            expected=expected or ExpectedBytes(),
            publish=object_publisher(
                self._folder,
                check_key(key),
                content_type,
                only_if,
                storage_class=storage_class or "",
                metadata=metadata or {},
            ),
            digested=digested,
        )

    @asynccontextmanager
    async def reader(self, key: str, *, ahead: range | None = None) -> AsyncIterator[LocalReader]:
        """An object's facts together with the bytes that they describe, or `ObjectNotFound`.

        With `ahead`, the beginning of that range is read in the same step, and is what comes first.
        """
        root = self._config.root
        job = asyncio.ensure_future(in_thread(self._pool, root, open_object, self._folder, key, ahead))
        try:
            opened = await asyncio.shield(job)
        except asyncio.CancelledError:
            job.add_done_callback(lambda done: None if done.exception() else close(done.result().descriptor))
            raise
        try:
            yield LocalReader(self._folder, self._pool, opened)
        finally:
            close(opened.descriptor)

    async def put(
        self,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        sha256: str | None = None,
        storage_class: str | None = None,
    ) -> ObjectFacts:
        """Write an object whole and durably; see `Store.put`."""
        expected = ExpectedBytes(size_bytes=size_bytes, sha256=sha256)
        async with self.writer(
            key, content_type=content_type, expected=expected, storage_class=storage_class
        ) as writer:
            async for piece in body:
                await writer.write(piece)
            return await writer.commit()

    async def put_undigested(
        self,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        storage_class: str | None = None,
    ) -> ObjectFacts:
        """Write an object that proves itself; see `PutsUndigested`."""
        async with self.writer(
            key,
            content_type=content_type,
            expected=ExpectedBytes(size_bytes=size_bytes),
            storage_class=storage_class,
            digested=False,
        ) as writer:
            async for piece in body:
                await writer.write(piece)
            return await writer.commit()

    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object, or `ObjectNotFound`."""
        record = await in_thread(self._pool, self._config.root, self._folder.read, key)
        return record.facts

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object or of a range of it; see `Store.read`."""
        async with self.reader(key, ahead=range(start, sys.maxsize if end is None else end)) as reader:
            async for piece in reader.pieces(start, end):
                yield piece

    async def copy(
        self, source_key: str, target_key: str, *, storage_class: str | None = None
    ) -> ObjectFacts:
        """Give the source's bytes a second name; they are not read."""
        check_key(target_key)
        return await in_thread(
            self._pool,
            self._config.root,
            self._folder.copy,
            source_key,
            target_key,
            storage_class=storage_class or "",
        )

    async def copy_described(
        self, source_key: str, target_key: str, description: Mapping[str, str]
    ) -> ObjectFacts:
        """The same, with these facts in the file beside the bytes."""
        return await self.copy_told(
            source_key, target_key, lambda facts: replace(facts, metadata=described(description))
        )

    async def copy_told(
        self, source_key: str, target_key: str, tell: Callable[[ObjectFacts], ObjectFacts]
    ) -> ObjectFacts:
        """The same, with the type and the metadata that `tell` makes of the source's facts."""
        check_key(target_key)
        return await in_thread(
            self._pool, self._config.root, self._folder.copy, source_key, target_key, tell=tell
        )

    async def description_of(self, key: str) -> dict[str, str]:
        """The facts that an object carries."""
        record = await in_thread(self._pool, self._config.root, self._folder.read, key)
        return description_in(record.facts.metadata)

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        await in_thread(self._pool, self._config.root, self._folder.remove, key)

    async def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """Every object under a prefix, in key order."""
        walk = self._folder.walk(prefix)
        while batch := await in_thread(self._pool, self._config.root, list, islice(walk, _LIST_BATCH)):
            for facts in batch:
                yield facts

    async def check(self) -> None:
        """Write, fsync and remove a small file."""
        async with self.writer("check/write") as writer:
            await writer.write(b"ok")
            await writer.commit()
        await self.delete("check/write")

    async def close(self) -> None:
        """End the threads once what they do is done."""
        await asyncio.to_thread(self._pool.shutdown)

    async def sweep_temporary(self, older_than_seconds: float) -> int:
        """Remove files that a crash left behind, and say how many; call it at start, with a day or so."""
        return await in_thread(self._pool, self._config.root, self._folder.sweep, older_than_seconds)

    async def file_of(self, key: str) -> tuple[ObjectFacts, Path]:
        """An object's facts and the file with its bytes now, or `ObjectNotFound`."""
        record = await in_thread(self._pool, self._config.root, self._folder.read, key)
        return record.facts, record.data

    def path_of(self, key: str) -> Path:
        """The file with the object's bytes now, or `ObjectNotFound`; see `OpensFiles`."""
        with translated(self._config.root):
            return self._folder.read(key).data

    async def page_of(self, within: Within, entries_max: int) -> list[ObjectFacts | str]:
        """The first entries of a listing: facts of objects, and common prefixes as texts."""
        return await in_thread(self._pool, self._config.root, self._folder.page, within, entries_max)

    def ticket_post(self, limits: TicketLimits) -> Ticket:
        """A POST form for the wire."""
        return self._access.post(limits)

    def ticket_put(self, limits: TicketLimits) -> Ticket:
        """A presigned PUT to the wire."""
        return self._access.put(limits)

    def url_get(
        self,
        key: str,
        expires_in_seconds: int,
        *,
        content_type: str | None = None,
        download_as: str | None = None,
    ) -> str:
        """A presigned GET from the wire."""
        return self._access.get(key, expires_in_seconds, content_type, download_as)

    def url_for(
        self, method: str, key: str, expires_in_seconds: int, query: Iterable[tuple[str, str]] = ()
    ) -> str:
        """A presigned URL for any other request to the wire on this key."""
        return self._access.any(method, key, expires_in_seconds, query)

    @property
    def client_origin(self) -> str:
        """Scheme, host and port of the public URL."""
        return self._access.origin
