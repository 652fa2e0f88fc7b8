"""Bytes in an archive class: ask for them, follow how far it is, and note when they can be read no more.

    nobody asked → asked (it is noted) → pending (the service was told) → ready, until → nobody asked

Each arrow is a write guarded by the state that was seen, and asking a service twice does nothing: whoever
dies between asking and noting is followed by the sweep. `restore_until` is until when the bytes are wanted;
once they are ready, until when the service keeps them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import is_readable, lost
from reelkeep.blobs.models import COLD_CLASSES, Copy, CopyState, RestoreState
from reelkeep.errors import Invalid, ReelkeepError, StoreError, StoreRefused, StoreUnavailable
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.queue import enqueue_reconcile
from reelkeep.recordings.queries import get_recording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import ColdState, RestoresCold

log = get_logger(__name__)

DAYS, DAYS_MAX = 7, 365
PAGE_ROWS = 100
#: It takes minutes at the least, mostly hours, and each question is a request that costs.
ASKED_AGAIN = timedelta(minutes=5)

_FILES = text(
    "select original_blob_id from recording where organization_id = :organization_id and id = :recording_id"
    " and original_blob_id is not null union"
    " select blob_id from rendition where organization_id = :organization_id and recording_id = :recording_id"
)


class Tier(StrEnum):
    """How soon, in the words of S3; what each takes and costs is the service's."""

    STANDARD = "Standard"
    BULK = "Bulk"
    EXPEDITED = "Expedited"


@dataclass(slots=True)
class Following:
    """Where one process is in its walk over all copies that were asked for."""

    after: UUID | None = None
    rests_until: datetime | None = None


async def restore_media(
    runtime: Runtime,
    organization_id: UUID,
    recording_id: UUID,
    *,
    days: int = DAYS,
    tier: Tier = Tier.STANDARD,
    actor_user_id: UUID | None = None,
) -> int:
    """Ask for what of a recording lies in an archive alone; how many files were asked for anew.

    0 where everything can be read or was asked for before. A store that is away is asked by the sweep later.
    Raises `COPY_LOST` where something lies nowhere, and `STORE_REFUSED` where the store cannot do it; then
    nothing is noted.
    """
    if not 1 <= days <= DAYS_MAX:
        raise Invalid(f"Days are 1 to {DAYS_MAX}.", days=days)
    until = runtime.clock.now() + timedelta(days=days)
    async with runtime.database.work(organization_id) as session:
        await get_recording(session, organization_id, recording_id)
        values = {"organization_id": organization_id, "recording_id": recording_id}
        wanted = await _archived(session, organization_id, list(await session.scalars(_FILES, values)))
        asked = [copy for copy in wanted if await _note(session, copy, RestoreState.ASKED, until)]
        if asked:
            append(
                session,
                organization_id,
                "recording.restore_asked",
                recording_id=recording_id,
                actor_user_id=actor_user_id,
                files=len(asked),
                days=days,
            )
    for copy in asked:
        copy.restore_state, copy.restore_until = RestoreState.ASKED, until
        await _ask(runtime, copy, tier)
    return len(asked)


async def sweep_restores(runtime: Runtime, following: Following | None = None) -> int:
    """Look at the next copies that were asked for; how many became ready. Several workers may, at once."""
    following = following or Following()
    now = runtime.clock.now()
    if following.rests_until is not None and now < following.rests_until:
        return 0
    query = select(Copy.organization_id, Copy.id).where(Copy.restore_state.is_not(None))
    if following.after is not None:
        query = query.where(Copy.id > following.after)
    async with runtime.database.sweep() as session:
        rows = (await session.execute(query.order_by(Copy.id).limit(PAGE_ROWS))).all()
    ready = 0
    for organization_id, copy_id in rows:
        try:
            ready += await _follow(runtime, organization_id, copy_id)
        except ReelkeepError as error:  # one store that is away must not keep the others
            log.warning("an archived copy cannot be followed", copy_id=str(copy_id), exc_info=error)
    if len(rows) == PAGE_ROWS:
        following.after = rows[-1][1]
    else:
        following.after, following.rests_until = None, now + ASKED_AGAIN
    return ready


async def _archived(session: AsyncSession, organization_id: UUID, blob_ids: Sequence[UUID]) -> list[Copy]:
    """Of each blob that only an archive has and nobody asked for, the copy to ask for."""
    query = select(Copy).where(
        Copy.organization_id == organization_id,
        Copy.blob_id.in_(blob_ids),
        Copy.state == CopyState.PRESENT,
    )
    present = (await session.scalars(query.order_by(Copy.id))).all()
    found = []
    for blob_id in blob_ids:
        copies = [copy for copy in present if copy.blob_id == blob_id]
        if not copies:
            raise lost(blob_id)
        if not any(is_readable(copy) or copy.restore_state is not None for copy in copies):
            # What comes back soonest; both take hours.
            found.append(min(copies, key=lambda copy: copy.storage_class == "DEEP_ARCHIVE"))
    return found


async def _ask(runtime: Runtime, copy: Copy, tier: Tier) -> None:
    """Tell the service; a copy that cannot be had back is one that nobody asked for."""
    assert copy.restore_until is not None
    left = (copy.restore_until - runtime.clock.now()) / timedelta(days=1)
    try:
        await _cold_store(runtime, copy).ask_restore(copy.key, max(math.ceil(left), 1), tier)
    except StoreUnavailable as error:
        log.warning("an archived copy is asked for later", store=copy.store, exc_info=error)
        return
    except StoreError:
        await _move_on(runtime, copy, None, None)
        raise
    await _move_on(runtime, copy, RestoreState.PENDING, copy.restore_until)


def _cold_store(runtime: Runtime, copy: Copy) -> RestoresCold:
    store: Any = runtime.stores.get(copy.store)
    if not isinstance(store, RestoresCold):
        raise StoreRefused(
            f"The store {copy.store!r} cannot bring bytes back from an archive class.", store=copy.store
        )
    return store


async def _follow(runtime: Runtime, organization_id: UUID, copy_id: UUID) -> bool:
    """One step of one copy; whether it became ready."""
    async with runtime.database.work(organization_id) as session:
        copy = await session.get(Copy, (organization_id, copy_id))
    if copy is None or copy.restore_state is None:
        return False
    now = runtime.clock.now()
    if copy.state != CopyState.PRESENT or copy.storage_class not in COLD_CLASSES:
        await _move_on(runtime, copy, None, None)  # it went, or was taken out of the archive meanwhile
    elif copy.restore_state == RestoreState.READY:
        if copy.restore_until is None or copy.restore_until <= now:
            await _move_on(runtime, copy, None, None)
    elif copy.restore_state == RestoreState.ASKED:
        await _ask(runtime, copy, Tier.STANDARD)
    else:
        facts = await _cold_store(runtime, copy).cold_facts(copy.key)
        if facts.state == ColdState.READY:
            return await _move_on(runtime, copy, RestoreState.READY, facts.until or copy.restore_until)
        if facts.state == ColdState.NOT_ASKED:  # the service has forgotten it, or gave it back while we slept
            await _ask(runtime, copy, Tier.STANDARD)
    return False


async def _move_on(runtime: Runtime, copy: Copy, state: RestoreState | None, until: datetime | None) -> bool:
    async with runtime.database.work(copy.organization_id) as session:
        if state == copy.restore_state or not await _note(session, copy, state, until):
            return False
        kind = "copy.restore_ended" if state is None else f"copy.restore_{state}"
        append(session, copy.organization_id, kind, blob_id=str(copy.blob_id), store=copy.store)
        if state == RestoreState.READY:  # rules may want it elsewhere, and could not be followed until now
            await enqueue_reconcile(session, copy.organization_id, [copy.blob_id])
    log.info("archived copy", blob_id=str(copy.blob_id), store=copy.store, restore_state=state)
    return True


async def _note(
    session: AsyncSession, copy: Copy, state: RestoreState | None, until: datetime | None
) -> bool:
    """Write it if the copy is still as it was seen."""
    written = await session.execute(
        update(Copy)
        .where(
            Copy.organization_id == copy.organization_id,
            Copy.id == copy.id,
            Copy.key == copy.key,
            Copy.restore_state.is_not_distinct_from(copy.restore_state),
        )
        .values(restore_state=state, restore_until=until)
        .execution_options(synchronize_session=False)
    )
    return isinstance(written, CursorResult) and written.rowcount == 1
