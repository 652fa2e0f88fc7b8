"""What is written to a copy's row, each time guarded by what was seen of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.errors import ErrorCode, KeyRefused, ObjectNotFound, WrongBytes
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.carry import Bytes, digest_of
from reelkeep.runtime import Runtime

log = get_logger(__name__)

LET_GO = text("""
update copy c set state = 'deleting', remove_after = d.remove_after, claim_id = null, claimed_until = null
  from unnest(cast(:ids as uuid[]), cast(:remove_after as timestamptz[])) as d (id, remove_after)
 where c.organization_id = :organization_id and c.id = d.id
""")


def bytes_of(blob: Blob, copy: Copy) -> Bytes:
    """A copy as its bytes are read."""
    sha256 = blob.sha256.hex() if blob.sha256 else None
    return Bytes(copy.store, copy.key, blob.size_bytes, blob.content_type, sha256)


def facts_of(copy: Copy) -> dict[str, Any]:
    """What an event tells of a copy."""
    return {"blob_id": str(copy.blob_id), "store": copy.store}


async def verify_copy(runtime: Runtime, blob: Blob, copy: Copy) -> CopyState | None:
    """Read a copy whole; it is verified, or marked as missing or damaged. What it turned out to be.

    None where its key was erased: nobody can say any more what it is, so it is not verified any longer.
    """
    try:
        found = await digest_of(runtime, copy.store, copy.key, blob.size_bytes)
    except ObjectNotFound:
        return await mark_bad(runtime, copy, CopyState.MISSING)
    except WrongBytes:
        return await mark_bad(runtime, copy, CopyState.DAMAGED)
    except KeyRefused as error:
        if error.code != ErrorCode.KEY_ERASED:
            raise
        async with runtime.database.work(copy.organization_id) as session:
            await write_guarded(session, copy, {"verified_at": None})
        return None
    if blob.sha256 is not None and blob.sha256.hex() != found:
        return await mark_bad(runtime, copy, CopyState.DAMAGED)
    async with runtime.database.work(copy.organization_id) as session:
        await write_guarded(session, copy, {"verified_at": runtime.clock.now()})
        await note_digest(session, copy.organization_id, blob.id, found)
    return CopyState.PRESENT


async def take_back(runtime: Runtime, blob: Blob, copy: Copy) -> bool:
    """Read a copy that was found bad once more; whether it counts again, its bytes being those sealed."""
    try:
        found = await digest_of(runtime, copy.store, copy.key, blob.size_bytes)
    except (ObjectNotFound, WrongBytes, KeyRefused):
        return False
    if blob.sha256 is None or blob.sha256.hex() != found:
        return False
    log.info("a copy is whole again", blob_id=str(copy.blob_id), store=copy.store, key=copy.key)
    async with runtime.database.work(copy.organization_id) as session:
        values = {"state": CopyState.PRESENT, "verified_at": runtime.clock.now()}
        if not await write_guarded(session, copy, values):
            return False
        append(
            session,
            copy.organization_id,
            "copy.found_again",
            **facts_of(copy),
        )
    return True


async def mark_bad(runtime: Runtime, copy: Copy, state: CopyState) -> CopyState:
    """Note that a copy's bytes are gone or wrong, and tell of it."""
    log.error("a copy is bad", blob_id=str(copy.blob_id), store=copy.store, key=copy.key, state=state)
    async with runtime.database.work(copy.organization_id) as session:
        if await write_guarded(session, copy, {"state": state, "verified_at": None}):
            append(
                session,
                copy.organization_id,
                f"copy.{state}",
                **facts_of(copy),
            )
    return state


def let_go(runtime: Runtime, copy: Copy) -> None:
    """Send nobody to a copy any more; its bytes go when the links that were given out have ended."""
    lasts = timedelta(seconds=runtime.settings.download_expires_in_seconds)
    bad = copy.state in (CopyState.MISSING, CopyState.DAMAGED, CopyState.MAKING)
    copy.state, copy.remove_after = CopyState.DELETING, runtime.clock.now() + (timedelta() if bad else lasts)
    copy.claim_id = copy.claimed_until = None


async def write_let_go(session: AsyncSession, organization_id: UUID, copies: Sequence[Copy]) -> None:
    """Write many copies that were let go of, in the unit of work that holds their blobs' locks."""
    if copies:
        values = {
            "organization_id": organization_id,
            "ids": [copy.id for copy in copies],
            "remove_after": [copy.remove_after for copy in copies],
        }
        await session.execute(LET_GO, values)


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
