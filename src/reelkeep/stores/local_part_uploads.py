"""The `TakesParts` ability of the local store: multipart uploads, with the blocking work in its threads."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar

from reelkeep.errors import ObjectNotFound, StoreUnavailable
from reelkeep.stores.buffering import BufferBudget
from reelkeep.stores.conditions import ALWAYS, OnlyIf
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_files import ExpectedBytes, in_thread
from reelkeep.stores.local_folder import LocalFolder
from reelkeep.stores.local_parts import Busy, LocalParts
from reelkeep.stores.local_writer import LocalWriter, finished
from reelkeep.stores.protocol import ObjectFacts, PartFacts, PartsUpload

T = TypeVar("T")

#: Between two looks whether the same upload is still being completed by another request.
_BUSY_SECONDS = 0.1


class PartUploads:
    """The multipart uploads of one local store."""

    def __init__(self, folder: LocalFolder, pool: Executor, budget: BufferBudget) -> None:
        self._folder, self._pool, self._budget = folder, pool, budget
        self.parts = LocalParts(folder)

    def writer(
        self, key: str, upload_id: str, number: int, expected: ExpectedBytes
    ) -> LocalWriter[PartFacts]:
        """A writer of one part; its SHA-256 is made only where it is checked."""
        return LocalWriter(
            self._folder,
            self._pool,
            self._budget,
            key=key,
            expected=expected,
            publish=self.parts.publisher(key, upload_id, number),
            with_sha256=False,
        )

    async def run(self, work: Callable[[], T]) -> T:
        """Do blocking work."""
        return await in_thread(self._pool, self._folder.root, work)

    async def complete(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], only_if: OnlyIf
    ) -> ObjectFacts:
        """Complete an upload when nobody else is at it; cancelled, it stops before it is visible."""

        given_up = threading.Event()

        def refuse_when_given_up() -> None:
            if given_up.is_set():
                raise StoreUnavailable(f"Completing {key!r} was cancelled.", key=key)

        return await self._alone(
            lambda: self.parts.complete(key, upload_id, parts, only_if, refuse_when_given_up), given_up.set
        )

    async def abort(self, upload_id: str) -> None:
        """Abort an upload when nobody else is at it."""
        await self._alone(lambda: self.parts.abort(upload_id), lambda: None)

    async def _alone(self, work: Callable[[], T], give_up: Callable[[], None]) -> T:
        """Try until no other request works on the upload; no thread waits for that."""
        while True:
            try:
                return await finished(self.run(work), give_up)
            except Busy:
                await asyncio.sleep(_BUSY_SECONDS)


class TakesPartsInFiles:
    """What `LocalStore` has of `TakesParts`, and what the wire needs beside it."""

    _part_uploads: PartUploads

    async def create_parts(
        self, key: str, *, content_type: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> str:
        """Begin a multipart upload; its id."""
        check_key(key)
        uploads = self._part_uploads
        return await uploads.run(lambda: uploads.parts.create(key, content_type, metadata or {}))

    async def know_parts(self, key: str, upload_id: str) -> None:
        """`ObjectNotFound` when there is no such upload of this key (any more)."""
        uploads = self._part_uploads
        await uploads.run(lambda: uploads.parts.know(key, upload_id))

    def part_writer(
        self, key: str, upload_id: str, number: int, *, expected: ExpectedBytes | None = None
    ) -> LocalWriter[PartFacts]:
        """Write a part piece by piece; without `commit` nothing is kept."""
        return self._part_uploads.writer(key, upload_id, number, expected or ExpectedBytes())

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> PartFacts:
        """Write one part from this process; see `TakesParts.put_part`."""
        await self.know_parts(key, upload_id)
        async with self.part_writer(key, upload_id, number) as writer:
            await writer.write(body)
            return await writer.commit()

    async def list_parts(self, key: str, upload_id: str) -> AsyncIterator[PartFacts]:
        """The parts that have arrived, by number."""
        uploads = self._part_uploads
        for part in await uploads.run(lambda: uploads.parts.arrived(key, upload_id)):
            yield part

    async def complete_parts(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], *, only_if: OnlyIf = ALWAYS
    ) -> ObjectFacts:
        """Make these parts the object; again, with the same parts, it tells of the object made before."""
        return await self._part_uploads.complete(key, upload_id, parts, only_if)

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """Remove the parts; nothing happens where the upload is not known."""
        with suppress(ObjectNotFound):
            await self.know_parts(key, upload_id)
            await self._part_uploads.abort(upload_id)

    async def list_part_uploads(self, prefix: str = "") -> AsyncIterator[PartsUpload]:
        """Every multipart upload under way whose key begins with `prefix`, by key."""
        uploads = self._part_uploads
        for upload in await uploads.run(lambda: uploads.parts.uploads(prefix)):
            yield upload
