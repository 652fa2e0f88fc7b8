"""Compare a store with what is known of it, both ways, and repair what can be.

Listing and rows come in the same order and are walked side by side: bounded in memory, whatever there is.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from reelkeep.blobs.keys import INCOMING, SEALED
from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.errors import ObjectNotFound
from reelkeep.logs import get_logger
from reelkeep.placement.copies import mark_bad, take_back, verify_copy
from reelkeep.placement.versions import Repair, repair_copy
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import ObjectFacts, TakesParts

log = get_logger(__name__)

ROWS = 1_000
#: Bytes that no row tells of may belong to what is being made right now.
GRACE = timedelta(hours=1)
#: A multipart upload that nobody completes is dead after this; tickets and resumable uploads end sooner.
STALE = timedelta(days=8)
EXAMPLES_MAX = 20
#: Kept beside the recordings, by other rooms.
BESIDE = ("backups/", "check/", ".reelkeep")


@dataclass(slots=True)
class Drift:
    """What one store has and what it should have."""

    store: str
    objects: int = 0
    bytes: int = 0
    copies: int = 0
    #: Copies whose object is not there, or has another size, or (with `verify`) another digest.
    missing: int = 0
    wrong_size: int = 0
    damaged: int = 0
    verified: int = 0
    #: Copies that `verify` could not read, because their key was erased: nothing is wrong with them.
    unreadable: int = 0
    #: Sealed objects that no copy tells of, older than a grace time.
    orphans: int = 0
    orphan_bytes: int = 0
    #: Uploads that are not sealed yet; their own sweep looks after them.
    incoming: int = 0
    #: Objects at places that are not Reelkeep's.
    foreign: int = 0
    stale_parts: int = 0
    repaired: int = 0
    #: Of these, copies that no other one could serve: brought back from older versions of their objects.
    brought_back: int = 0
    #: Bad copies that could not be repaired, by why: a `Repair`.
    not_repaired: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    #: The first few that were brought back, or could not be repaired, by name.
    repairs: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.wrong_size or self.damaged or self.orphans or self.stale_parts)

    def tell(self, what: str, key: str) -> None:
        """Keep the first few findings by name."""
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{what}: {key}")

    def tell_repair(self, repair: Repair, key: str) -> None:
        """Count what became of a bad copy, and keep the first few by name."""
        if not repair.is_done:
            self.not_repaired[repair] = self.not_repaired.get(repair, 0) + 1
        elif repair != Repair.NOT_NEEDED:
            self.repaired += 1
            self.brought_back += repair == Repair.BROUGHT_BACK
        if len(self.repairs) < EXAMPLES_MAX and (repair == Repair.BROUGHT_BACK or not repair.is_done):
            self.repairs.append(f"{repair}: {key}")


async def check_store(runtime: Runtime, name: str, *, verify: bool = False, repair: bool = False) -> Drift:
    """Walk through a store and its rows; `verify` reads every copy, `repair` mends what it can.

    Repair takes a bad copy back whose bytes are there again, or marks it, so that reconcile makes it again
    from another one, or brings it back here from an older version; it removes orphans and dead multipart
    uploads. Never removed: what is incoming, and what is not Reelkeep's.
    """
    check = _Check(runtime, name, Drift(name), verify=verify, repair=repair)
    await check.walk()
    await check.look_at_parts()
    return check.drift


class _Check:
    def __init__(self, runtime: Runtime, name: str, drift: Drift, *, verify: bool, repair: bool) -> None:
        self._runtime, self.drift = runtime, drift
        self._store = runtime.stores.get(name)
        self._verify, self._repair = verify, repair

    async def walk(self) -> None:
        """Objects and rows side by side, both in the order of keys."""
        listing: Any = self._store.list_objects()
        known: Any = _rows(self._runtime, self.drift.store)
        async with aclosing(listing) as objects, aclosing(known) as rows:
            facts: ObjectFacts | None = await anext(objects, None)
            row: tuple[Blob, Copy] | None = await anext(rows, None)
            while facts is not None or row is not None:
                if facts is not None and (row is None or facts.key < row[1].key):
                    await self._unknown(facts)
                    facts = await anext(objects, None)
                elif row is not None and (facts is None or row[1].key < facts.key):
                    await self._not_listed(*row)
                    row = await anext(rows, None)
                elif row is not None and facts is not None:
                    await self._both(row[0], row[1], facts)
                    facts, row = await anext(objects, None), await anext(rows, None)

    async def _unknown(self, facts: ObjectFacts) -> None:
        drift = self.drift
        drift.objects += 1
        drift.bytes += facts.size_bytes
        if facts.key.startswith(INCOMING):
            drift.incoming += 1
        elif not facts.key.startswith(SEALED):
            drift.foreign += not facts.key.startswith(BESIDE)
        elif self._runtime.clock.now() - facts.modified_at > GRACE and not await self._is_known_now(
            facts.key
        ):
            drift.orphans += 1
            drift.orphan_bytes += facts.size_bytes
            drift.tell("no copy tells of", facts.key)
            if self._repair:
                log.warning("orphan removed", store=drift.store, key=facts.key)
                await self._store.delete(facts.key)
                drift.repaired += 1

    async def _is_known_now(self, key: str) -> bool:
        """Its row may have come while we walked."""
        async with self._runtime.database.owner() as session:
            query = select(Copy.id).where(Copy.store == self.drift.store, Copy.key == key)
            return await session.scalar(query) is not None

    async def _not_listed(self, blob: Blob, copy: Copy) -> None:
        self.drift.copies += 1
        if copy.state == CopyState.MAKING:
            return
        try:
            await self._both(blob, copy, await self._store.head(copy.key), counted=True)
        except ObjectNotFound:
            if copy.state == CopyState.DELETING:
                return  # its row goes when its time has come
            self.drift.missing += 1
            self.drift.tell("missing", copy.key)
            if copy.state == CopyState.PRESENT:
                await self._mend(copy, CopyState.MISSING)
            else:
                await self._ask(copy)

    async def _both(self, blob: Blob, copy: Copy, facts: ObjectFacts, *, counted: bool = False) -> None:
        drift = self.drift
        drift.objects += 1
        drift.bytes += facts.size_bytes
        drift.copies += not counted
        if copy.state != CopyState.PRESENT:
            if copy.state in (CopyState.MISSING, CopyState.DAMAGED):
                drift.damaged += 1
                drift.tell(copy.state, copy.key)
                if self._repair and await take_back(self._runtime, blob, copy):
                    drift.repaired += 1
                else:
                    await self._ask(copy)
            return
        if facts.size_bytes != (copy.size_bytes or blob.size_bytes):
            drift.wrong_size += 1
            drift.tell(f"{facts.size_bytes:,} bytes instead of {copy.size_bytes:,}", copy.key)
            await self._mend(copy, CopyState.DAMAGED)
        elif self._verify:
            await self._read(blob, copy)

    async def _read(self, blob: Blob, copy: Copy) -> None:
        found = await verify_copy(self._runtime, blob, copy)
        if found is None:
            self.drift.unreadable += 1
            return
        self.drift.verified += 1
        if found != CopyState.PRESENT:
            self.drift.damaged += 1
            self.drift.tell("other bytes than were sealed", copy.key)
            await self._ask(copy)

    async def _mend(self, copy: Copy, state: CopyState) -> None:
        if self._repair:
            await mark_bad(self._runtime, copy, state)
            await self._ask(copy)

    async def _ask(self, copy: Copy) -> None:
        if not self._repair:
            return
        repair = await repair_copy(self._runtime, copy.organization_id, copy.blob_id, copy.store)
        self.drift.tell_repair(repair, copy.key)

    async def look_at_parts(self) -> None:
        """Multipart uploads that nobody will complete any more."""
        if not isinstance(self._store, TakesParts):
            return
        uploads: Any = self._store.list_part_uploads()
        async with aclosing(uploads) as begun:
            async for upload in begun:
                if self._runtime.clock.now() - upload.begun_at < STALE:
                    continue
                self.drift.stale_parts += 1
                self.drift.tell("multipart upload that nobody completes", upload.key)
                if self._repair:
                    await self._store.abort_parts(upload.key, upload.upload_id)
                    self.drift.repaired += 1


async def _rows(runtime: Runtime, store: str) -> AsyncIterator[Any]:
    """Every copy in a store with its blob, in the order of keys; past organizations, for maintenance."""
    after = ""
    while True:
        query = (
            select(Blob, Copy)
            .join(Copy, (Copy.organization_id == Blob.organization_id) & (Copy.blob_id == Blob.id))
            .where(Copy.store == store, Copy.key > after)
            .order_by(Copy.key)
            .limit(ROWS)
        )
        async with runtime.database.owner() as session:
            found = (await session.execute(query)).all()
        for row in found:
            yield row[0], row[1]
        if len(found) < ROWS:
            return
        after = found[-1][1].key
