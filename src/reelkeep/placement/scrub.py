"""Read a share of all copies each day and compare digests: rot is found while another copy is good."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from reelkeep.blobs.models import COLD_CLASSES, Blob, Copy, CopyState
from reelkeep.logs import get_logger
from reelkeep.placement.copies import verify_copy
from reelkeep.placement.plan import BAD
from reelkeep.placement.versions import repair_copy
from reelkeep.runtime import Runtime

log = get_logger(__name__)

#: Copies that could not be read are tried again after so long.
UNREAD_AGAIN = timedelta(days=1)
FIRST = UUID(int=0)
#: Copies that one look reads at most.
COPIES_MAX = 500


@dataclass(frozen=True, slots=True)
class Round:
    """How the reading of all copies goes on."""

    copies: int
    never_read: int
    oldest_read_at: datetime | None
    #: Days that a full round takes as set; None: nothing is read by itself.
    days: int | None


@dataclass(slots=True)
class Unread:
    """Where one process is among the copies that are not verified: of some the key was erased."""

    after: UUID = FIRST
    began_at: datetime | None = None

    def go_on(self, now: datetime) -> None:
        """Begin anew once a day; what came since has later ids."""
        if self.began_at is None or now - self.began_at >= UNREAD_AGAIN:
            self.after, self.began_at = FIRST, now


async def scrub(runtime: Runtime, unread: Unread | None = None) -> int:
    """Read what is due at this look; how many copies. Bad ones are marked, and repaired."""
    days, now = runtime.settings.scrub_days, runtime.clock.now()
    if not days:
        return 0
    unread = unread or Unread()
    unread.go_on(now)
    due = await _due(runtime, now - timedelta(days=days), unread)
    for organization_id, copy_id in due:
        await _read(runtime, organization_id, copy_id)
    return len(due)


async def scrub_round(runtime: Runtime) -> Round:
    """How far the reading of all copies is."""
    query = select(
        func.count(), func.count().filter(Copy.verified_at.is_(None)), func.min(Copy.verified_at)
    ).where(Copy.state == CopyState.PRESENT)
    async with runtime.database.sweep() as session:
        copies, never, oldest = (await session.execute(query)).one()
    return Round(copies, never, oldest, runtime.settings.scrub_days or None)


async def _due(runtime: Runtime, before: datetime, unread: Unread) -> list[Any]:
    """Those never read first, then the longest unread; as many as keep up with the round."""
    here = (Copy.state == CopyState.PRESENT, Copy.storage_class.not_in(COLD_CLASSES))
    settings = runtime.settings
    async with runtime.database.sweep() as session:
        copies = await session.scalar(select(func.count()).select_from(Copy).where(*here)) or 0
        share = copies * settings.sweep_seconds / (settings.scrub_days * 86_400)
        most = min(math.ceil(share), COPIES_MAX)
        ids = select(Copy.organization_id, Copy.id).where(*here).limit(most)
        never = ids.where(Copy.verified_at.is_(None), Copy.id > unread.after).order_by(Copy.id)
        found = list((await session.execute(never)).all())
        if found:
            unread.after = found[-1][1]
        if len(found) < most:
            older = ids.where(Copy.verified_at < before).order_by(Copy.verified_at)
            found += (await session.execute(older.limit(most - len(found)))).all()
    return found


async def _read(runtime: Runtime, organization_id: Any, copy_id: Any) -> None:
    async with runtime.database.work(organization_id) as session:
        copy = await session.get(Copy, (organization_id, copy_id))
        blob = await session.get(Blob, (organization_id, copy.blob_id)) if copy else None
    if copy is None or blob is None or copy.state != CopyState.PRESENT:
        return
    found = await verify_copy(runtime, blob, copy)
    if found in BAD:
        repair = await repair_copy(runtime, organization_id, blob.id, copy.store)
        if not repair.is_done:
            log.error("a copy cannot be repaired", blob_id=str(blob.id), store=copy.store, why=repair)
