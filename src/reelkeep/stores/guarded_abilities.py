"""The guards of what only some stores can do; `guard` joins those that fit the store inside."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import cast

from reelkeep.errors import StoreError, StoreUnavailable, WrongBytes
from reelkeep.stores.guarded_calls import GuardedCalls, Operation, generator
from reelkeep.stores.protocol import (
    CarriesFacts,
    ColdFacts,
    CopiesAcross,
    Growing,
    Grows,
    GrowthNotes,
    KeepsVersions,
    ObjectFacts,
    OpensFiles,
    PartFacts,
    PartsUpload,
    RestoresCold,
    Salvaged,
    SignsUrls,
    Store,
    TakesParts,
    Ticket,
    TicketLimits,
    VersionFacts,
    Versioning,
)
from reelkeep.stores.traffic import ActionClass, Counted
from reelkeep.transactions import refuse_inside_unit_of_work

#: What a client's request with a signed URL is.
_OF_METHOD = {
    "GET": ActionClass.READ,
    "HEAD": ActionClass.READ,
    "PUT": ActionClass.WRITE,
    "POST": ActionClass.WRITE,
    "DELETE": ActionClass.DELETE,
}


class GuardedAcross(GuardedCalls):
    """The `CopiesAcross` ability, with further tries: copying twice leaves what copying once does."""

    @property
    def _across(self) -> CopiesAcross:
        return cast(CopiesAcross, self._inside)

    def can_copy_from(self, other: Store) -> bool:
        """As the store inside, of the store inside the other guard."""
        return self._across.can_copy_from(_bare(other))

    async def copy_from(
        self,
        other: Store,
        source_key: str,
        target_key: str,
        *,
        storage_class: str | None = None,
        version_id: str | None = None,
    ) -> ObjectFacts:
        """As the store inside."""

        async def copy(operation: Operation) -> ObjectFacts:
            facts = await self._across.copy_from(
                _bare(other), source_key, target_key, storage_class=storage_class, version_id=version_id
            )
            operation.bytes = facts.size_bytes
            return facts

        return await self._run("copy", source_key, copy)


def _bare(store: Store) -> Store:
    return store._inside if isinstance(store, GuardedCalls) else store


class GuardedSigner(GuardedCalls):
    """The `SignsUrls` ability handed through. Signing is arithmetic, so a unit of work does not forbid it."""

    @property
    def _signer(self) -> SignsUrls:
        return cast(SignsUrls, self._inside)

    def ticket_post(self, limits: TicketLimits) -> Ticket:
        """As the store inside."""
        self._expect_write(limits)
        return self._signer.ticket_post(limits)

    def ticket_put(self, limits: TicketLimits) -> Ticket:
        """As the store inside."""
        self._expect_write(limits)
        return self._signer.ticket_put(limits)

    def url_get(
        self,
        key: str,
        expires_in_seconds: int,
        *,
        content_type: str | None = None,
        download_as: str | None = None,
    ) -> str:
        """As the store inside."""
        self._expect("GET")
        return self._signer.url_get(
            key, expires_in_seconds, content_type=content_type, download_as=download_as
        )

    def url_for(
        self, method: str, key: str, expires_in_seconds: int, query: Iterable[tuple[str, str]] = ()
    ) -> str:
        """As the store inside."""
        self._expect(method)
        return self._signer.url_for(method, key, expires_in_seconds, query)

    @property
    def client_origin(self) -> str:
        """As the store inside."""
        return self._signer.client_origin

    def _expect(self, method: str, bytes_in: int = 0) -> None:
        if self.clients_are_expected:
            self.traffic.count(_OF_METHOD[method], bytes_in=bytes_in, counted=Counted.EXPECTED)

    def _expect_write(self, limits: TicketLimits) -> None:
        """The size is known only where the ticket allows one alone."""
        known = limits.size_bytes_min == limits.size_bytes_max
        self._expect("PUT", limits.size_bytes_max if known else 0)


class GuardedFiles(GuardedCalls):
    """The `OpensFiles` ability handed through."""

    def path_of(self, key: str) -> Path:
        """As the store inside."""
        refuse_inside_unit_of_work(f"path of {key!r} in the store {self._inside.name!r}")
        return cast(OpensFiles, self._inside).path_of(key)


class GuardedParts(GuardedCalls):
    """The `TakesParts` ability; all of it may be repeated, a part because its bytes are in memory."""

    @property
    def _parts(self) -> TakesParts:
        return cast(TakesParts, self._inside)

    async def create_parts(self, key: str, *, content_type: str | None = None) -> str:
        """As the store inside; a lost answer leaves an upload without parts, which the sweep removes."""
        return await self._run(
            "create parts", key, lambda _: self._parts.create_parts(key, content_type=content_type)
        )

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> PartFacts:
        """As the store inside, with further tries: the last of a number counts."""

        async def put(operation: Operation) -> PartFacts:
            facts = await self._parts.put_part(key, upload_id, number, body)
            operation.bytes = facts.size_bytes
            return facts

        return await self._run("put part", key, put)

    def list_parts(self, key: str, upload_id: str) -> AsyncIterator[PartFacts]:
        """As the store inside; tried again only until the first part came."""
        return self._each("list parts", key, lambda: self._parts.list_parts(key, upload_id))

    async def complete_parts(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> ObjectFacts:
        """As the store inside, with further tries: completing twice tells of the same object."""

        async def complete(operation: Operation) -> ObjectFacts:
            facts = await self._parts.complete_parts(key, upload_id, parts)
            operation.bytes = facts.size_bytes
            return facts

        return await self._run("complete parts", key, complete)

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """As the store inside, with further tries."""
        await self._run("abort parts", key, lambda _: self._parts.abort_parts(key, upload_id))

    def list_part_uploads(self, prefix: str = "") -> AsyncIterator[PartsUpload]:
        """As the store inside; tried again only until the first upload came."""
        return self._each("list part uploads", prefix, lambda: self._parts.list_part_uploads(prefix))


class GuardedGrowth(GuardedCalls):
    """The `Grows` ability. Appending is never repeated here; what frames it may be."""

    @property
    def _growth(self) -> Grows:
        return cast(Grows, self._inside)

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        """As the store inside, with further tries; one that goes by the notes says nothing of the service."""
        return await self._run("grown", key, lambda _: self._growth.grown(key, notes), is_proof=False)

    def growing(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> AbstractAsyncContextManager[Growing]:
        """As the store inside; logged as one operation when it ends."""
        refuse_inside_unit_of_work(f"grow of {key!r} in the store {self._inside.name!r}")
        return self._growing(key, notes, content_type)

    @asynccontextmanager
    async def _growing(
        self, key: str, notes: GrowthNotes, content_type: str | None
    ) -> AsyncIterator[Growing]:
        operation = Operation(self._inside.name, "grow", key, self.traffic, self.health)
        try:
            async with self._growth.growing(key, notes, content_type=content_type) as growing:
                guarded = GuardedGrowing(growing, operation)
                yield guarded
        except BaseException as error:
            if isinstance(error, StoreError) and not isinstance(error, WrongBytes):
                operation.failed(error)
            else:  # its caller's: a client that went away, a checksum that is wrong
                operation.left()
            raise
        if guarded.failure is not None:  # which its caller knew how to live with
            operation.failed(guarded.failure)
        else:
            operation.done()

    async def finish_growth(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> ObjectFacts:
        """As the store inside, with further tries: finishing twice leaves what finishing once does."""

        async def finish(operation: Operation) -> ObjectFacts:
            facts = await self._growth.finish_growth(key, notes, content_type=content_type)
            operation.bytes = facts.size_bytes
            return facts

        return await self._run("finish growth", key, finish)

    async def discard_growth(self, key: str, notes: GrowthNotes) -> None:
        """As the store inside, with further tries."""
        await self._run("discard growth", key, lambda _: self._growth.discard_growth(key, notes))

    def list_growths(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """As the store inside; tried again only until the first came."""
        return self._each("list growths", prefix, lambda: self._growth.list_growths(prefix))


class GuardedDescriptions(GuardedCalls):
    """The `CarriesFacts` ability; both may be repeated."""

    @property
    def _carrier(self) -> CarriesFacts:
        return cast(CarriesFacts, self._inside)

    async def copy_described(
        self, source_key: str, target_key: str, description: Mapping[str, str]
    ) -> ObjectFacts:
        """As the store inside, with further tries: copying twice leaves what copying once does."""

        async def copy(operation: Operation) -> ObjectFacts:
            facts = await self._carrier.copy_described(source_key, target_key, description)
            operation.bytes = facts.size_bytes
            return facts

        return await self._run("copy", source_key, copy)

    async def description_of(self, key: str) -> dict[str, str]:
        """As the store inside, with further tries."""
        return await self._run("head", key, lambda _: self._carrier.description_of(key))


class GuardedCold(GuardedCalls):
    """The `RestoresCold` ability; both may be repeated."""

    @property
    def _cold(self) -> RestoresCold:
        return cast(RestoresCold, self._inside)

    async def ask_restore(self, key: str, days: int, tier: str) -> None:
        """As the store inside, with further tries: what is underway is not begun again."""
        await self._run("ask restore", key, lambda _: self._cold.ask_restore(key, days, tier))

    async def cold_facts(self, key: str) -> ColdFacts:
        """As the store inside, with further tries."""
        return await self._run("head", key, lambda _: self._cold.cold_facts(key))


class GuardedVersions(GuardedCalls):
    """The `KeepsVersions` ability; all but reading may be repeated, and who reads takes the next version."""

    @property
    def _versions(self) -> KeepsVersions:
        return cast(KeepsVersions, self._inside)

    async def versioning(self) -> Versioning:
        """As the store inside, with further tries."""
        return await self._run("head", "", lambda _: self._versions.versioning())

    def list_versions(self, key: str) -> AsyncIterator[VersionFacts]:
        """As the store inside; tried again only until the first version came."""
        return self._each("list versions", key, lambda: self._versions.list_versions(key))

    def read_version(self, key: str, version_id: str) -> AsyncIterator[bytes]:
        """As the store inside; tried again only until the first piece came."""
        refuse_inside_unit_of_work(f"read of a version of {key!r}")
        return self._read_version(key, version_id)

    async def _read_version(self, key: str, version_id: str) -> AsyncIterator[bytes]:
        operation = Operation(self._inside.name, "read", key, self.traffic, self.health)
        try:
            while True:
                try:
                    pieces = generator(self._versions.read_version(key, version_id))
                    async with aclosing(pieces):
                        async for piece in pieces:
                            operation.bytes += len(piece)
                            yield piece
                    break
                except StoreUnavailable as error:
                    if operation.bytes:
                        raise
                    await operation.wait_or_raise(error, self._patience)
        except BaseException as error:
            operation.failed(error)
            raise
        operation.done()

    async def delete_with_versions(self, key: str) -> bool:
        """As the store inside, with further tries: whatever is left goes."""
        return await self._run("delete", key, lambda _: self._versions.delete_with_versions(key))


class GuardedGrowing:
    """A `Growing` that refuses inside a unit of work."""

    def __init__(self, inside: Growing, operation: Operation) -> None:
        self._inside = inside
        self._operation = operation
        #: What the store refused last, until it took something again.
        self.failure: StoreError | None = None

    @property
    def offset(self) -> int:
        """As the one inside."""
        return self._inside.offset

    async def write(self, data: bytes | memoryview) -> None:
        """As the one inside, once."""
        refuse_inside_unit_of_work("append to an object that grows")
        try:
            await self._inside.write(data)
        except StoreError as error:
            self.failure = error
            raise
        self._operation.bytes += len(data)

    async def flush(self) -> GrowthNotes:
        """As the one inside, once: it tries again itself what may be."""
        refuse_inside_unit_of_work("flush of an object that grows")
        self._operation.more_requests += 1
        try:
            notes = await self._inside.flush()
        except StoreError as error:
            self.failure = error
            raise
        self.failure = None
        return notes

    async def salvage(self) -> Salvaged | None:
        """As the one inside."""
        return await self._inside.salvage()
