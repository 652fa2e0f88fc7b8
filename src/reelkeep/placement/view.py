"""One blob as placement sees it: what it belongs to, its copies, and where it is wanted."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, BlobKind, Copy, CopyState
from reelkeep.placement.load import InForce
from reelkeep.placement.plan import Have, Make, Move, next_move
from reelkeep.placement.rules import MADE_AGAIN, Place, Places

# By table and column: the rooms that own some of them stand above this one.
OWNERS = text("""
select o.blob_id, o.recording_id, o.has_original
  from (select r.original_blob_id as blob_id, r.id as recording_id, true as has_original from recording r
         where r.organization_id = :organization_id and r.original_blob_id = any(:blob_ids)
        union all
        select m.blob_id, m.recording_id, r.original_blob_id is not null
          from rendition m join recording r
            on r.organization_id = m.organization_id and r.id = m.recording_id
         where m.organization_id = :organization_id and m.blob_id = any(:blob_ids)) o
 where not exists (select from erased e
                    where e.organization_id = :organization_id and e.recording_id = o.recording_id)
""")
#: Kinds whose owner is found as above; a blob of another kind is never taken for one that nobody needs.
OWNED_KINDS = frozenset({BlobKind.ORIGINAL, BlobKind.PLAYBACK, BlobKind.PEAKS})


#: Bytes may have changed since they were read; another copy goes only beside one that was read this lately.
BELIEVED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Owner:
    """The recording that needs a blob."""

    recording_id: UUID
    #: Whether what was made of it can be made again.
    has_original: bool


@dataclass(frozen=True, slots=True)
class View:
    """A blob, its copies and what is wanted, as of one moment."""

    blob: Blob
    copies: Sequence[Copy]
    #: None: nothing needs the blob any more.
    recording_id: UUID | None
    wanted: Places
    now: datetime

    @property
    def have(self) -> list[Have]:
        """The copies as the plan takes them."""
        known = self.blob.sha256 is not None
        return [have_of(copy, self.now, digest_known=known) for copy in self.copies]

    @property
    def move(self) -> Move | None:
        """The next step."""
        return next_move(self.wanted, self.have)

    @property
    def unmade(self) -> bool:
        """Whether rules want a rendition nowhere: it is made again on demand."""
        return self.recording_id is not None and not self.wanted and self.blob.kind in MADE_AGAIN

    def sources(self, make: Make) -> list[Copy]:
        """Where the bytes of a copy to be made can be read, the best first."""
        readable = {have.store for have in self.have if have.readable}
        first = [copy for copy in self.copies if copy.store == make.source]
        return first + [c for c in self.copies if c.store in readable and c.store != make.source]

    def copy_in(self, store: str) -> Copy | None:
        """The blob's copy in a store."""
        return next((copy for copy in self.copies if copy.store == store), None)


def have_of(copy: Copy, now: datetime, *, digest_known: bool) -> Have:
    """A copy's row as the plan takes it."""
    deleting = copy.state == CopyState.DELETING
    believed = copy.claimed_until is not None and copy.claimed_until > now
    return Have(
        store=copy.store,
        state=CopyState(copy.state),
        storage_class=copy.storage_class,
        verified=copy.verified_at is not None and digest_known,
        stale=copy.verified_at is not None and copy.verified_at < now - BELIEVED,
        claimed=copy.claim_id is not None if deleting else believed,
        remove_due=deleting and copy.remove_after is not None and copy.remove_after <= now,
        restore_state=copy.restore_state,
    )


async def view_blobs(
    session: AsyncSession,
    known: InForce,
    now: datetime,
    organization_id: UUID,
    blob_ids: Collection[UUID],
    *,
    lock: bool = False,
) -> dict[UUID, View]:
    """The blobs as they are now, without those that are gone. With `lock`, they stay so until the commit."""
    # One array, not one parameter for each: the statement stays the same, and is prepared once.
    among = literal(list(blob_ids), ARRAY(Uuid))
    query = select(Blob).where(Blob.organization_id == organization_id, Blob.id == any_(among))
    # Always in one order, so that two never wait for each other.
    query = query.order_by(Blob.id).with_for_update() if lock else query
    blobs = (await session.scalars(query.execution_options(populate_existing=True))).all()
    held = select(Copy).where(Copy.organization_id == organization_id, Copy.blob_id == any_(among))
    copies: dict[UUID, list[Copy]] = defaultdict(list)
    for copy in await session.scalars(held.execution_options(populate_existing=True)):
        copies[copy.blob_id].append(copy)
    owners = await owners_of(session, organization_id, blob_ids)
    return {
        blob.id: View(
            blob,
            copies[blob.id],
            owners[blob.id].recording_id if blob.id in owners else None,
            _wanted(known, now, blob, copies[blob.id], owners.get(blob.id)),
            now,
        )
        for blob in blobs
    }


def _wanted(known: InForce, now: datetime, blob: Blob, copies: Sequence[Copy], owner: Owner | None) -> Places:
    if owner is None and blob.kind in OWNED_KINDS:
        return ()
    wanted = known.wanted(blob.organization_id, blob.kind, now - blob.created_at, copies)
    if not wanted and owner is not None and not owner.has_original:
        # It cannot be made again, so it stays where it lies.
        staying = (copy for copy in copies if copy.state != CopyState.DELETING)
        return tuple(Place(copy.store, copy.storage_class) for copy in staying)
    return wanted


async def owners_of(
    session: AsyncSession, organization_id: UUID, blob_ids: Collection[UUID]
) -> dict[UUID, Owner]:
    """The recordings that need these blobs, by blob; only of `OWNED_KINDS`."""
    rows = await session.execute(OWNERS, {"organization_id": organization_id, "blob_ids": list(blob_ids)})
    return {row[0]: Owner(row[1], row[2]) for row in rows}
