"""Make many copies: one claim for all of them, the bytes side by side, one commit for those that arrived."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.clock import new_id
from reelkeep.errors import ObjectNotFound, ReelkeepError, StoreError, WrongBytes
from reelkeep.events.append import append_each
from reelkeep.logs import get_logger
from reelkeep.placement.carry import Carried, SourceFailed, carry
from reelkeep.placement.copies import bytes_of, facts_of, verify_copy
from reelkeep.placement.keys import keys_of_copies
from reelkeep.placement.load import InForce
from reelkeep.placement.plan import BAD, Make
from reelkeep.placement.view import View, view_blobs
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good

log = get_logger(__name__)

# Also a place where an attempt before was begun, or where the bytes turned out to be bad.
CLAIMED = text("""
insert into copy (organization_id, id, blob_id, store, key, storage_class, claim_id, state, claimed_until)
select :organization_id, d.id, d.blob_id, d.store, d.key, d.storage_class, d.claim_id, 'making', :until
  from unnest(cast(:ids as uuid[]), cast(:blob_ids as uuid[]), cast(:stores as text[]), cast(:keys as text[]),
              cast(:classes as text[]), cast(:claims as uuid[]))
       as d (id, blob_id, store, key, storage_class, claim_id)
    on conflict (organization_id, id) do update
   set key = excluded.key, storage_class = excluded.storage_class, claim_id = excluded.claim_id,
       state = excluded.state, claimed_until = excluded.claimed_until,
       verified_at = null, restore_state = null, degraded = false, remove_after = null, placed_at = :now
""")
# The claim guards each row: one that was taken over is not written.
ARRIVED = text("""
update copy c set state = 'present', size_bytes = d.size_bytes, verified_at = :now,
                  claim_id = null, claimed_until = null
  from unnest(cast(:ids as uuid[]), cast(:claims as uuid[]), cast(:sizes as bigint[]))
       as d (id, claim_id, size_bytes)
 where c.organization_id = :organization_id and c.id = d.id and c.claim_id = d.claim_id
   and c.state = 'making'
returning c.id
""")
DIGESTS = text("""
update blob b set sha256 = d.sha256
  from unnest(cast(:ids as uuid[]), cast(:digests as bytea[])) as d (id, sha256)
 where b.organization_id = :organization_id and b.id = d.id and b.sha256 is null
""")
RENEWED = text("""
update copy set claimed_until = :until
 where organization_id = :organization_id and claim_id = any(cast(:claims as uuid[])) and state = 'making'
""")
GIVEN_BACK = text("""
update copy set key = :key, state = :state, claim_id = null, claimed_until = null
 where organization_id = :organization_id and id = :id and claim_id = :claim_id and state = 'making'
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write one copy, under a key of its own."""

    copy: Copy
    blob: Blob
    #: Where the bytes can be read, the best first; one that turns out to be bad is marked.
    sources: Sequence[Copy]
    recording_id: UUID | None
    #: What an attempt before left, which died or whose bytes are not the blob's.
    older_key: str | None
    #: Whether it was a copy once: older versions of it may be all that is left.
    older_was_copy: bool


class _NotBegun(Exception):
    """What an attempt before left could not be removed: nothing was written under the new key."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(error.message)
        self.error = error


class _AllBad(Exception):
    """Every copy that was to be read turned out to be bad, and is marked: the next look says what to do."""


def claim_lasts(runtime: Runtime) -> timedelta:
    """A claim that is not renewed for so long belongs to a process that died."""
    return timedelta(seconds=2 * runtime.settings.worker_stalled_seconds)


async def make_copies(
    runtime: Runtime, organization_id: UUID, claims: Sequence[Claim]
) -> list[BaseException]:
    """Bring the bytes to the places claimed; the failures of those that could not be, which come again."""
    async with _renewed(runtime, organization_id, claims):
        results = await asyncio.gather(*(_write(runtime, claim) for claim in claims), return_exceptions=True)
    carried = [(c, r) for c, r in zip(claims, results, strict=True) if isinstance(r, Carried)]
    failed = [(c, r) for c, r in zip(claims, results, strict=True) if isinstance(r, BaseException)]
    await _keep(runtime, organization_id, carried)
    for claim, error in failed:
        await _give_up(runtime, claim, begun=not isinstance(error, _NotBegun))
    errors = [error.error if isinstance(error, _NotBegun) else error for _, error in failed]
    return [error for error in errors if not isinstance(error, _AllBad)]


async def claim_anew(
    runtime: Runtime, known: InForce, organization_id: UUID, wanted: Sequence[tuple[View, Make]]
) -> list[Claim]:
    """Claim places that were seen a while ago, where it is still the next step."""
    moves = {view.blob.id: move for view, move in wanted}
    now = runtime.clock.now()
    async with runtime.database.work(organization_id) as session:
        views = await view_blobs(session, known, now, organization_id, moves.keys(), lock=True)
        still = [(view, moves[blob_id]) for blob_id, view in views.items() if view.move == moves[blob_id]]
        return await claim_places(session, runtime, organization_id, still)


async def claim_places(
    session: AsyncSession, runtime: Runtime, organization_id: UUID, wanted: Sequence[tuple[View, Make]]
) -> list[Claim]:
    """Claim places in the unit of work that has looked at these blobs under their locks."""
    if not wanted:
        return []
    places = [(view, move.place.store) for view, move in wanted]
    keys = await keys_of_copies(session, runtime, organization_id, places)
    claims = [_claim(view, move, key) for (view, move), key in zip(wanted, keys, strict=True)]
    copies = [claim.copy for claim in claims]
    values = {
        "organization_id": organization_id,
        "now": (now := runtime.clock.now()),
        "until": now + claim_lasts(runtime),
        "ids": [copy.id for copy in copies],
        "blob_ids": [copy.blob_id for copy in copies],
        "stores": [copy.store for copy in copies],
        "keys": [copy.key for copy in copies],
        "classes": [copy.storage_class for copy in copies],
        "claims": [copy.claim_id for copy in copies],
    }
    await session.execute(CLAIMED, values)
    return claims


def _claim(view: View, move: Make, key: str) -> Claim:
    before = view.copy_in(move.place.store)
    copy = Copy(
        organization_id=view.blob.organization_id,
        id=before.id if before else new_id(),
        blob_id=view.blob.id,
        store=move.place.store,
        key=key,
        storage_class=move.place.storage_class,
        state=CopyState.MAKING,
        claim_id=new_id(),
    )
    return Claim(
        copy,
        view.blob,
        view.sources(move),
        view.recording_id,
        older_key=before.key if before else None,
        older_was_copy=before is not None and before.state in BAD,
    )


async def _write(runtime: Runtime, claim: Claim) -> Carried:
    if claim.older_key is not None:
        try:
            await runtime.stores.get(claim.copy.store).delete(claim.older_key)
        except StoreError as error:
            raise _NotBegun(error) from error
    copy, unreadable = claim.copy, None
    for source in claim.sources:
        try:
            found = bytes_of(claim.blob, source)
            return await carry(runtime, found, copy.store, copy.key, copy.storage_class)
        except SourceFailed as failed:
            log.warning("a copy cannot be read", store=source.store, key=source.key, exc_info=failed)
            if not await _is_bad(runtime, claim.blob, source, failed.error):
                unreadable = failed.error
    raise unreadable or _AllBad


async def _is_bad(runtime: Runtime, blob: Blob, source: Copy, error: StoreError) -> bool:
    """Whether it was not only this time: it is read once more on its own, before a copy is condemned."""
    if not isinstance(error, ObjectNotFound | WrongBytes):
        return False
    with suppress(StoreError):
        return await verify_copy(runtime, blob, source) in (CopyState.MISSING, CopyState.DAMAGED)
    return False


async def _keep(runtime: Runtime, organization_id: UUID, carried: Sequence[tuple[Claim, Carried]]) -> None:
    """Commit what has arrived; bytes of a claim that was taken over meanwhile are removed."""
    if not carried:
        return
    copies = [claim.copy for claim, _ in carried]
    values = {
        "organization_id": organization_id,
        "now": runtime.clock.now(),
        "ids": [copy.id for copy in copies],
        "claims": [copy.claim_id for copy in copies],
        "sizes": [found.stored_bytes or claim.blob.size_bytes for claim, found in carried],
    }
    async with runtime.database.work(organization_id) as session:
        kept = set(await session.scalars(ARRIVED, values))
        fresh = [(c.copy.blob_id, f.sha256) for c, f in carried if c.blob.sha256 is None]
        if fresh:
            digests = [bytes.fromhex(sha256) for _, sha256 in fresh]
            ids = [blob_id for blob_id, _ in fresh]
            await session.execute(
                DIGESTS, {"organization_id": organization_id, "ids": ids, "digests": digests}
            )
        made = [claim for claim, _ in carried if claim.copy.id in kept]
        await append_each(
            session, organization_id, "copy.made", [(c.recording_id, facts_of(c.copy)) for c in made]
        )
    log.info("copies made", copies=len(kept))
    for claim, _ in carried:
        store = runtime.stores.get(claim.copy.store)
        if claim.copy.id not in kept:
            await delete_for_good(store, claim.copy.key)
        elif claim.older_key is not None:
            # Until now versions of it could have been all that was left.
            with suppress(StoreError):
                await delete_for_good(store, claim.older_key)


async def _give_up(runtime: Runtime, claim: Claim, *, begun: bool) -> None:
    """Let the next attempt come at once, which removes what lies under the key that the row tells of.

    The older key comes back where something is left under it, or versions of it, which may be all there is.
    """
    copy = claim.copy
    if begun:
        with suppress(StoreError):
            await delete_for_good(runtime.stores.get(copy.store), copy.key)
    back = claim.older_key if claim.older_was_copy or not begun else copy.key
    values = {
        "organization_id": copy.organization_id,
        "id": copy.id,
        "claim_id": copy.claim_id,
        "key": back,
        "state": CopyState.MISSING if claim.older_was_copy else CopyState.MAKING,
    }
    async with runtime.database.work(copy.organization_id) as session:
        await session.execute(GIVEN_BACK, values)


@asynccontextmanager
async def _renewed(runtime: Runtime, organization_id: UUID, claims: Sequence[Claim]) -> AsyncIterator[None]:
    """Keep the claims while the block works; one that was taken over finds its write refused."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(runtime.settings.worker_heartbeat_seconds)
            values = {
                "organization_id": organization_id,
                "until": runtime.clock.now() + claim_lasts(runtime),
                "claims": [claim.copy.claim_id for claim in claims],
            }
            try:
                async with runtime.database.work(organization_id) as session:
                    await session.execute(RENEWED, values)
            except ReelkeepError as error:  # the claims last a while longer than until the next time
                log.warning("claims were not renewed", exc_info=error)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
