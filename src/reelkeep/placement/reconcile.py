"""Reconcile: bring blobs' copies to where they are wanted, one safe step at a time.

    look and claim under the blobs' locks → carry, verify or remove outside → a write that the claim guards

The process may die between any two of these: a claim that is not renewed is taken over by whoever comes next,
under a key of its own, and the slower one finds its write refused. Twice is once.
"""

import asyncio
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from reelkeep.blobs.models import Copy, CopyState
from reelkeep.clock import new_id
from reelkeep.events.append import append, append_each
from reelkeep.logs import get_logger
from reelkeep.placement.copies import facts_of, let_go, verify_copy, write_guarded, write_let_go
from reelkeep.placement.load import InForce, in_force
from reelkeep.placement.making import Claim, claim_anew, claim_places, make_copies
from reelkeep.placement.plan import Keep, LetGo, Lost, Make, Move, Reclass, Remove, Verify
from reelkeep.placement.remove import forget_copy, unmake
from reelkeep.placement.view import View, view_blobs
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good

log = get_logger(__name__)

#: Steps that one call takes for one blob; more means that something undoes what it does.
STEPS_MAX = 40
#: Copies are made so many at once, of at most so many bytes together (one may be larger).
COPIES_AT_ONCE, BYTES_AT_ONCE = 50, 64 * 1024 * 1024
#: A large blob is a batch of its own, and one alone leaves the service idle between its parts.
BATCHES_AT_ONCE = 2


#: Copies that are claimed and committed together.
Wanted = list[tuple[View, Make]]


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
    return (await reconcile_blobs(runtime, organization_id, [blob_id]))[blob_id]


async def reconcile_blobs(
    runtime: Runtime, organization_id: UUID, blob_ids: Collection[UUID]
) -> dict[UUID, Outcome]:
    """The same for several blobs of one organization, side by side; raises the first failure at the end."""
    run = _Run(runtime, await in_force(runtime), organization_id)
    pending = set(blob_ids)
    for _ in range(STEPS_MAX):
        pending = await run.step(pending)
        if not pending:
            break
    else:
        log.error("blobs do not come to rest", blob_ids=[str(blob_id) for blob_id in pending])
    if run.failures:
        raise run.failures[0]
    return {blob_id: run.outcomes.get(blob_id, Outcome.WAITING) for blob_id in blob_ids}


class _Run:
    """Blobs of one organization on their way to rest."""

    def __init__(self, runtime: Runtime, known: InForce, organization_id: UUID) -> None:
        self._runtime, self._known, self._organization_id = runtime, known, organization_id
        self.outcomes: dict[UUID, Outcome] = {}
        self.failures: list[BaseException] = []
        #: A copy of these cannot be proved, because its key was erased: they stay as they are.
        self._unreadable: set[UUID] = set()

    async def step(self, pending: Collection[UUID]) -> set[UUID]:
        """Take the next step of each; those that are not at rest yet."""
        failures = len(self.failures)
        views, claims, rest = await self._look(pending)
        await self._make_all(claims, rest)
        moving = [(view, move) for view in views.values() if (move := await self._next(view)) is not None]
        self.outcomes |= {blob_id: Outcome.GONE for blob_id in pending if blob_id not in views}
        singly = [self._single(view, move) for view, move in moving if not isinstance(move, Make)]
        results = await asyncio.gather(*singly, return_exceptions=True)
        self.failures += [result for result in results if isinstance(result, BaseException)]
        if len(self.failures) > failures:
            return set()  # the job comes again
        unmade = {view.blob.id for view in views.values() if view.unmade}
        return {view.blob.id for view, _ in moving} - self._unreadable | unmade

    async def _make_all(self, claims: Sequence[Claim], rest: Sequence[Wanted]) -> None:
        """Make what is claimed, then the rest, a few batches side by side; each is claimed in its turn."""
        turns = asyncio.Semaphore(BATCHES_AT_ONCE)

        async def make(batch: Wanted | None) -> list[BaseException]:
            async with turns:
                now = claims
                if batch is not None:
                    now = await claim_anew(self._runtime, self._known, self._organization_id, batch)
                return await make_copies(self._runtime, self._organization_id, now)

        results = await asyncio.gather(*map(make, [None, *rest]), return_exceptions=True)
        for result in results:
            self.failures += [result] if isinstance(result, BaseException) else result

    async def _look(self, pending: Collection[UUID]) -> tuple[dict[UUID, View], list[Claim], list[Wanted]]:
        """Look at them under their locks, let go of what is to be let go of, and claim what is made first.

        Returns the views, the claims, and what is to be claimed after them.
        """
        now, organization_id = self._runtime.clock.now(), self._organization_id
        async with self._runtime.database.work(organization_id) as session:
            views = await view_blobs(session, self._known, now, organization_id, pending, lock=True)
            session.expunge_all()  # written below in one statement each
            gone: list[tuple[View, Copy]] = []
            for view in views.values():
                while isinstance(move := view.move, LetGo):
                    copy = _copy(view, move.store)
                    let_go(self._runtime, copy)
                    gone.append((view, copy))
            await write_let_go(session, organization_id, [copy for _, copy in gone])
            told = [(view.recording_id, facts_of(copy)) for view, copy in gone]
            await append_each(session, organization_id, "copy.let_go", told)
            makes = [(v, m) for v in views.values() if not v.unmade and isinstance(m := v.move, Make)]
            first, *rest = _batches(makes) or [[]]
            claims = await claim_places(session, self._runtime, organization_id, first)
        return views, claims, rest

    async def _next(self, view: View) -> Move | None:
        """The next step; None, with its outcome noted, for a blob that rests."""
        if view.unmade:
            await unmake(self._runtime, view)
            return None
        move = view.move
        if move is None:
            settled = all(copy.state == CopyState.PRESENT for copy in view.copies)
            self.outcomes[view.blob.id] = Outcome.SETTLED if settled else Outcome.WAITING
        elif isinstance(move, Lost):
            log.error("no copy of a blob can be read", blob_id=str(view.blob.id))
            self.outcomes[view.blob.id] = Outcome.LOST
            return None
        return move

    async def _single(self, view: View, move: Move) -> None:
        match move:
            case Reclass():
                await self._reclass(view, move)
            case Verify():
                if await verify_copy(self._runtime, view.blob, _copy(view, move.store)) is None:
                    self._unreadable.add(view.blob.id)
            case Keep():
                values = {"state": CopyState.PRESENT, "remove_after": None, "verified_at": None}
                await self._write(view, _copy(view, move.store), "copy.kept", values)
            case Remove():
                await self._remove(view, move)

    async def _reclass(self, view: View, move: Reclass) -> None:
        copy = _copy(view, move.store)
        store = self._runtime.stores.get(move.store)
        await store.copy(copy.key, copy.key, storage_class=move.storage_class or None)
        values = {"storage_class": move.storage_class, "placed_at": self._runtime.clock.now()}
        await self._write(view, copy, "copy.reclassed", values)

    async def _remove(self, view: View, move: Remove) -> None:
        """Claim the removal first, so that nobody takes the copy back while its bytes go.

        Also of a copy that is only wanted elsewhere: its recording may be erased tomorrow, and then no row
        would tell where versions of it are left.
        """
        copy = _copy(view, move.store)
        if not await self._write(view, copy, None, {"claim_id": copy.claim_id or new_id()}):
            return
        whole = await delete_for_good(self._runtime.stores.get(move.store), copy.key)
        await forget_copy(self._runtime, copy, versions_left=not whole)

    async def _write(self, view: View, copy: Copy, event: str | None, values: dict[str, Any]) -> bool:
        """Write to the copy's row if it is still as it was seen: same state, key and claim."""
        async with self._runtime.database.work(self._organization_id) as session:
            if not await write_guarded(session, copy, values):
                return False
            if event is not None:
                self._tell(session, event, view, copy)
        return True

    def _tell(self, session: Any, kind: str, view: View, copy: Copy) -> None:
        append(
            session,
            self._organization_id,
            kind,
            recording_id=view.recording_id,
            **facts_of(copy),
        )


def _copy(view: View, store: str) -> Copy:
    copy = view.copy_in(store)
    assert copy is not None
    return copy


def _batches(wanted: Wanted) -> list[Wanted]:
    """Parts that are claimed and committed together: a large blob waits for few others."""
    batches: list[Wanted] = []
    size = 0
    for view, move in wanted:
        full = not batches or len(batches[-1]) >= COPIES_AT_ONCE
        if full or size + view.blob.size_bytes > BYTES_AT_ONCE:
            batches.append([])
            size = 0
        batches[-1].append((view, move))
        size += view.blob.size_bytes
    return batches
