"""Reconcile: bring a blob's copies to where they are wanted, one safe step at a time.

    look → claim under the blob's lock → carry, verify or remove outside → a write that the claim guards

The process may die between any two of these: a claim that is not renewed is taken over by whoever comes next,
under a key of its own, and the slower one finds its write refused. Twice is once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.clock import new_id
from reelkeep.errors import ObjectNotFound, StoreError, WrongBytes
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.carry import Bytes, SourceFailed, carry, digest_of
from reelkeep.placement.keys import key_of_copy
from reelkeep.placement.load import InForce, in_force
from reelkeep.placement.plan import Keep, LetGo, Lost, Make, Move, Reclass, Remove, Verify
from reelkeep.placement.remove import forget_copy, unmake
from reelkeep.placement.view import View, view_blob
from reelkeep.runtime import Runtime

log = get_logger(__name__)

#: A claim that is not renewed for so long belongs to a process that died.
CLAIM = timedelta(seconds=60)
RENEW_SECONDS = 15.0
#: Steps that one call takes for one blob; more means that something undoes what it does.
STEPS_MAX = 40


class Outcome(StrEnum):
    """How a blob stands after it was reconciled."""

    #: Its copies are where they are wanted.
    SETTLED = "settled"
    #: Something is waited for: another worker, a link's end, a restore.
    WAITING = "waiting"
    #: No copy can be read.
    LOST = "lost"
    GONE = "gone"


async def reconcile_blob(runtime: Runtime, organization_id: UUID, blob_id: UUID) -> Outcome:
    """Take every step that can be taken now for one blob; raises what a store raises, then it comes again."""
    known = await in_force(runtime)
    for _ in range(STEPS_MAX):
        async with runtime.database.work(organization_id) as session:
            view = await view_blob(session, known, runtime.clock.now(), organization_id, blob_id)
        if view is None:
            return Outcome.GONE
        step = _Steps(runtime, known, view)
        if view.unmade:
            await unmake(runtime, view)
            continue
        move = view.move
        if move is None:
            return Outcome.SETTLED if step.settled else Outcome.WAITING
        if isinstance(move, Lost):
            log.error("no copy of a blob can be read", blob_id=str(blob_id))
            return Outcome.LOST
        await step.take(move)
    log.error("a blob does not come to rest", blob_id=str(blob_id))
    return Outcome.WAITING


class _Steps:
    """The steps on one blob, from one look at it."""

    def __init__(self, runtime: Runtime, known: InForce, view: View) -> None:
        self._runtime, self._known, self._view = runtime, known, view
        self._organization_id, self._blob_id = view.blob.organization_id, view.blob.id

    @property
    def settled(self) -> bool:
        """Whether nothing is waited for either."""
        return all(copy.state == CopyState.PRESENT for copy in self._view.copies)

    async def take(self, move: Move) -> None:
        match move:
            case Make():
                await self._make(move)
            case Reclass():
                await self._reclass(move)
            case Verify():
                await self._verify(move)
            case Keep():
                await self._keep(move)
            case LetGo():
                await self._let_go(move)
            case Remove():
                await self._remove(move)

    async def _make(self, move: Make) -> None:
        claim = await self._claim_making(move)
        if claim is None:
            return
        store = self._runtime.stores.get(move.place.store)
        try:
            if claim.older_key is not None:  # of an attempt that died, or bytes that are not the blob's
                await store.delete(claim.older_key)
            async with self._renewed(claim.copy):
                carried = await carry(
                    self._runtime, claim.source, move.place.store, claim.copy.key, move.place.storage_class
                )
        except SourceFailed as failed:
            await self._give_up(claim.copy)
            await self._mark(move.source, failed.error)
            if not isinstance(failed.error, ObjectNotFound | WrongBytes):
                raise failed.error from failed
            return
        except BaseException:
            await asyncio.shield(self._give_up(claim.copy))
            raise
        values = {
            "state": CopyState.PRESENT,
            "size_bytes": carried.stored_bytes or self._view.blob.size_bytes,
            "storage_class": move.place.storage_class,
            "verified_at": self._runtime.clock.now(),
        }
        if await self._write(claim.copy, "copy.made", values, sha256=carried.sha256):
            log.info("copy made", blob_id=str(self._blob_id), store=move.place.store)
        else:
            await store.delete(claim.copy.key)

    async def _claim_making(self, move: Make) -> "_Claim | None":
        """Claim the place under the blob's lock, if this is still the next step."""
        async with self._locked() as (session, view):
            if view is None or view.move != move:
                return None
            source, copy = view.copy_in(move.source), view.copy_in(move.place.store)
            assert source is not None
            older_key = copy.key if copy else None
            key = await key_of_copy(session, self._runtime, view, move.place.store)
            if copy is None:
                copy = Copy(organization_id=self._organization_id, id=new_id(), blob_id=self._blob_id)
                copy.store, copy.size_bytes = move.place.store, 0
                session.add(copy)
            copy.key, copy.state, copy.verified_at = key, CopyState.MAKING, None
            copy.storage_class, copy.restore_state = move.place.storage_class, None
            copy.degraded = False
            self._take_claim(copy)
            return _Claim(copy, self._bytes(source), older_key)

    async def _reclass(self, move: Reclass) -> None:
        copy = self._copy(move.store)
        store = self._runtime.stores.get(move.store)
        await store.copy(copy.key, copy.key, storage_class=move.storage_class or None)
        await self._write(copy, "copy.reclassed", {"storage_class": move.storage_class})

    async def _verify(self, move: Verify) -> None:
        copy = self._copy(move.store)
        await verify_copy(self._runtime, self._view.blob, copy)

    async def _keep(self, move: Keep) -> None:
        values = {"state": CopyState.PRESENT, "remove_after": None, "verified_at": None}
        await self._write(self._copy(move.store), "copy.kept", values)

    async def _let_go(self, move: LetGo) -> None:
        async with self._locked() as (session, view):
            if view is None or view.move != move:
                return
            copy = view.copy_in(move.store)
            assert copy is not None
            let_go(self._runtime, copy)
            self._tell(session, "copy.let_go", copy)

    async def _remove(self, move: Remove) -> None:
        """Claim the removal first, so that nobody takes the copy back while its bytes go."""
        copy = self._copy(move.store)
        values = {"claim_id": copy.claim_id or new_id()}
        if not await self._write(copy, None, values):
            return
        await self._runtime.stores.get(move.store).delete(copy.key)
        await forget_copy(self._runtime, copy)

    async def _mark(self, store: str, error: StoreError) -> None:
        """Note what is wrong with the copy that was read, unless it only could not be reached."""
        copy = self._copy(store)
        if isinstance(error, ObjectNotFound):
            await mark_bad(self._runtime, copy, CopyState.MISSING)
        elif isinstance(error, WrongBytes):
            await mark_bad(self._runtime, copy, CopyState.DAMAGED)

    async def _give_up(self, copy: Copy) -> None:
        """Let the next attempt come at once; its first act is to remove what this one left."""
        with suppress(StoreError):
            await self._runtime.stores.get(copy.store).delete(copy.key)
        await self._write(copy, None, {"claimed_until": self._runtime.clock.now()})

    @asynccontextmanager
    async def _renewed(self, copy: Copy) -> AsyncIterator[None]:
        """Keep the claim while the block works; cancelled when another has taken it."""
        working = asyncio.current_task()
        assert working is not None

        async def renew() -> None:
            while True:
                await asyncio.sleep(RENEW_SECONDS)
                until = self._runtime.clock.now() + CLAIM
                if not await self._write(copy, None, {"claimed_until": until}):
                    working.cancel()

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[tuple[AsyncSession, View | None]]:
        now = self._runtime.clock.now()
        async with self._runtime.database.work(self._organization_id) as session:
            yield (
                session,
                await view_blob(session, self._known, now, self._organization_id, self._blob_id, lock=True),
            )

    async def _write(
        self, copy: Copy, event: str | None, values: dict[str, Any], sha256: str | None = None
    ) -> bool:
        """Write to the copy's row if it is still as it was seen: same state, key and claim."""
        settled = values.get("state") == CopyState.PRESENT
        values = {**values, **({"claim_id": None, "claimed_until": None} if settled else {})}
        async with self._runtime.database.work(self._organization_id) as session:
            if not await write_guarded(session, copy, values):
                return False
            if sha256 is not None:
                await note_digest(session, self._organization_id, self._blob_id, sha256)
            if event is not None:
                self._tell(session, event, copy)
        return True

    def _tell(self, session: AsyncSession, kind: str, copy: Copy) -> None:
        append(
            session,
            self._organization_id,
            kind,
            recording_id=self._view.recording_id,
            blob_id=str(self._blob_id),
            store=copy.store,
        )

    def _copy(self, store: str) -> Copy:
        copy = self._view.copy_in(store)
        assert copy is not None
        return copy

    def _take_claim(self, copy: Copy) -> None:
        copy.claim_id, copy.claimed_until = new_id(), self._runtime.clock.now() + CLAIM

    def _bytes(self, copy: Copy) -> Bytes:
        return bytes_of(self._view.blob, copy)


@dataclass(frozen=True, slots=True)
class _Claim:
    copy: Copy
    source: Bytes
    older_key: str | None


def bytes_of(blob: Blob, copy: Copy) -> Bytes:
    """A copy as its bytes are read."""
    sha256 = blob.sha256.hex() if blob.sha256 else None
    return Bytes(copy.store, copy.key, blob.size_bytes, blob.content_type, sha256)


async def verify_copy(runtime: Runtime, blob: Blob, copy: Copy) -> CopyState:
    """Read a copy whole; it is verified, or marked as missing or damaged. What it turned out to be."""
    try:
        found = await digest_of(runtime, copy.store, copy.key, blob.size_bytes)
    except ObjectNotFound:
        return await mark_bad(runtime, copy, CopyState.MISSING)
    except WrongBytes:
        return await mark_bad(runtime, copy, CopyState.DAMAGED)
    if blob.sha256 is not None and blob.sha256.hex() != found:
        return await mark_bad(runtime, copy, CopyState.DAMAGED)
    async with runtime.database.work(copy.organization_id) as session:
        await write_guarded(session, copy, {"verified_at": runtime.clock.now()})
        await note_digest(session, copy.organization_id, blob.id, found)
    return CopyState.PRESENT


async def mark_bad(runtime: Runtime, copy: Copy, state: CopyState) -> CopyState:
    """Note that a copy's bytes are gone or wrong, and tell of it."""
    log.error("a copy is bad", blob_id=str(copy.blob_id), store=copy.store, key=copy.key, state=state)
    async with runtime.database.work(copy.organization_id) as session:
        if await write_guarded(session, copy, {"state": state, "verified_at": None}):
            append(
                session,
                copy.organization_id,
                f"copy.{state}",
                blob_id=str(copy.blob_id),
                store=copy.store,
            )
    return state


def let_go(runtime: Runtime, copy: Copy) -> None:
    """Send nobody to a copy any more; its bytes go when the links that were given out have ended."""
    lasts = timedelta(seconds=runtime.settings.download_expires_in_seconds)
    bad = copy.state in (CopyState.MISSING, CopyState.DAMAGED, CopyState.MAKING)
    copy.state, copy.remove_after = CopyState.DELETING, runtime.clock.now() + (timedelta() if bad else lasts)
    copy.claim_id = copy.claimed_until = None


async def write_guarded(session: AsyncSession, copy: Copy, values: dict[str, Any]) -> bool:
    """Write to a copy's row if its state, key and claim are still those that were seen."""
    written = await session.execute(
        update(Copy)
        .where(
            Copy.organization_id == copy.organization_id,
            Copy.id == copy.id,
            Copy.state == copy.state,
            Copy.key == copy.key,
            Copy.claim_id.is_not_distinct_from(copy.claim_id),
        )
        .values(values)
        .execution_options(synchronize_session=False)
    )
    return isinstance(written, CursorResult) and written.rowcount == 1


async def note_digest(session: AsyncSession, organization_id: UUID, blob_id: UUID, sha256: str) -> None:
    """Keep the digest of bytes that have just been read whole, where none was known."""
    await session.execute(
        update(Blob)
        .where(Blob.organization_id == organization_id, Blob.id == blob_id, Blob.sha256.is_(None))
        .values(sha256=bytes.fromhex(sha256))
        .execution_options(synchronize_session=False)
    )


async def reconcile_each(
    runtime: Runtime,
    organization_id: UUID,
    blob_ids: list[UUID],
    *,
    at_once: int,
    each: Callable[[Outcome], Awaitable[None]] | None = None,
) -> None:
    """Reconcile several blobs, so many at once; raises the first failure when all have been tried."""
    room = asyncio.Semaphore(at_once)

    async def one(blob_id: UUID) -> None:
        async with room:
            outcome = await reconcile_blob(runtime, organization_id, blob_id)
        if each is not None:
            await each(outcome)

    results = await asyncio.gather(*(one(blob_id) for blob_id in blob_ids), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
