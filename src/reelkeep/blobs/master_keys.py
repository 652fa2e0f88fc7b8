"""The master keys of an installation: whether the right ones are here, and changing to a newer one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.data_keys import context_of
from reelkeep.blobs.models import Copy, CopyState, DataKeyRow, MasterKeyRow, StoreRow
from reelkeep.db.database import Database
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.settings import Settings
from reelkeep.stores.key_ring import Wraps
from reelkeep.stores.master_keys import MasterKey, find_master_key, parse_master_keys
from reelkeep.stores_config import StoreSpec

BATCH = 500
Say = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class MasterKeyUse:
    """One master key, and how many data keys it wraps."""

    id: str
    data_keys: int
    configured: bool
    #: New data keys are wrapped by it.
    wraps: bool


def load_master_keys(settings: Settings) -> tuple[MasterKey, ...]:
    """The configured master keys, the wrapping one first; none where nothing is configured. Blocks.

    Raises `SETTINGS_INVALID` when the file cannot be read, or has something else in it.
    """
    path = settings.encryption_key_file
    if path is None:
        if settings.encryption_keys is None:
            return ()
        return parse_master_keys(settings.encryption_keys.get_secret_value(), "REELKEEP_ENCRYPTION_KEYS")
    if settings.encryption_keys is not None:
        raise ReelkeepError(
            "Set REELKEEP_ENCRYPTION_KEY_FILE or REELKEEP_ENCRYPTION_KEYS, not both.",
            ErrorCode.SETTINGS_INVALID,
        )
    try:
        return parse_master_keys(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ReelkeepError(
            f"The master keys cannot be read from {path} (REELKEEP_ENCRYPTION_KEY_FILE): {error}.",
            ErrorCode.SETTINGS_INVALID,
        ) from error


def require_master_keys(master_keys: Sequence[MasterKey], specs: Sequence[StoreSpec]) -> None:
    """Refuse to start with an encrypted store and no key for it."""
    encrypted = [spec.name for spec in specs if spec.encrypted]
    if encrypted and not master_keys:
        raise ReelkeepError(
            f"The store {encrypted[0]!r} is encrypted and there is no master key. Make one with `reelkeep "
            "storage encryption new-key >> FILE`, keep a copy of it elsewhere, and name the file by "
            "REELKEEP_ENCRYPTION_KEY_FILE. Where recordings are kept already, put the key back that they "
            "were encrypted with: without it nobody can read them.",
            ErrorCode.ENCRYPTION_KEY,
            store=encrypted[0],
        )


async def check_master_keys(database: Database, master_keys: Sequence[Wraps]) -> None:
    """Refuse to start with another key under a known id, or without one that data keys still need.

    A key that is seen for the first time is noted.
    """
    async with database.directory() as session:
        for key in master_keys:
            values = {"id": key.id, "check_value": await key.check_value()}
            await session.execute(insert(MasterKeyRow).values(values).on_conflict_do_nothing())
        noted = {row.id: row.check_value for row in await session.scalars(select(MasterKeyRow))}
    for key in master_keys:
        if noted[key.id] != await key.check_value():
            raise ReelkeepError(
                f"The master key {key.id!r} is not the one that had this id before. Put the right one back; "
                "a new key gets an id of its own, and the old one stays below it.",
                ErrorCode.ENCRYPTION_KEY,
                master_key=key.id,
            )
    for use in await master_key_uses(database, master_keys):
        if use.data_keys and not use.configured:
            raise ReelkeepError(
                f"The master key {use.id!r} is missing and {use.data_keys:,} recordings can be read with it "
                "alone. Put it back into REELKEEP_ENCRYPTION_KEY_FILE, below the one that is used now; after "
                "`reelkeep storage encryption rotate` it is not needed any more.",
                ErrorCode.ENCRYPTION_KEY,
                master_key=use.id,
            )


async def master_key_uses(database: Database, master_keys: Sequence[Wraps]) -> list[MasterKeyUse]:
    """Every master key that was ever used, by id."""
    query = select(DataKeyRow.master_key_id, func.count()).group_by(DataKeyRow.master_key_id)
    async with database.sweep() as session:
        counts: dict[str | None, int] = {row[0]: row[1] for row in await session.execute(query)}
    async with database.directory() as session:
        noted = (await session.scalars(select(MasterKeyRow.id).order_by(MasterKeyRow.id))).all()
    configured = [key.id for key in master_keys]
    return [
        MasterKeyUse(key_id, counts.get(key_id, 0), key_id in configured, configured[:1] == [key_id])
        for key_id in noted
    ]


async def rewrap_data_keys(database: Database, master_keys: Sequence[Wraps], say: Say) -> int:
    """Wrap every data key by the first master key; no byte of a recording is touched. How many were.

    Interrupted, it goes on where it ended when it is asked again. `say` is told how many are done, and of
    how many.
    """
    newest = master_keys[0]
    uses = await master_key_uses(database, master_keys)
    total = sum(use.data_keys for use in uses if use.id != newest.id)
    due = (
        select(DataKeyRow.organization_id, DataKeyRow.id)
        .where(DataKeyRow.master_key_id.is_not(None), DataKeyRow.master_key_id != newest.id)
        .limit(BATCH)
    )
    done = 0
    while True:
        async with database.sweep() as session:
            rows = (await session.execute(due)).all()
        if not rows:
            return done
        for organization_id, key_id in rows:
            done += await _rewrap(database, master_keys, organization_id, key_id)
        say(done, total)


async def _rewrap(
    database: Database, master_keys: Sequence[Wraps], organization_id: UUID, key_id: UUID
) -> bool:
    async with database.work(organization_id) as session:
        row = await session.get(DataKeyRow, (organization_id, key_id))
    if row is None or row.wrapped is None or row.master_key_id is None:
        return False
    context = context_of(organization_id, row.recording_id, key_id)
    secret = await find_master_key(master_keys, row.master_key_id).unwrap(row.wrapped, context)
    wrapped = await master_keys[0].wrap(secret, context)
    # Guarded: a key that was erased meanwhile stays erased.
    this = update(DataKeyRow).where(
        DataKeyRow.organization_id == organization_id,
        DataKeyRow.id == key_id,
        DataKeyRow.master_key_id == row.master_key_id,
    )
    async with database.work(organization_id) as session:
        result = await session.execute(this.values(wrapped=wrapped, master_key_id=master_keys[0].id))
    return isinstance(result, CursorResult) and result.rowcount == 1


async def note_encrypted(database: Database, specs: Sequence[StoreSpec]) -> None:
    """Note which stores we encrypt; needs their rows.

    Raises `SETTINGS_INVALID` for a store that holds copies written the other way: it would read them wrongly.
    """
    async with database.directory() as session:
        noted = {row.name: row.encrypted for row in await session.scalars(select(StoreRow))}
    changed = [spec for spec in specs if noted.get(spec.name, spec.encrypted) != spec.encrypted]
    for spec in changed:
        async with database.sweep() as session:
            held = await session.scalar(
                select(Copy.id).where(Copy.store == spec.name, Copy.state != CopyState.MISSING).limit(1)
            )
        if held is not None:
            raise _written_otherwise(spec)
        async with database.directory() as session:
            await _note(session, spec)


async def _note(session: AsyncSession, spec: StoreSpec) -> None:
    await session.execute(update(StoreRow).where(StoreRow.name == spec.name).values(encrypted=spec.encrypted))


def _written_otherwise(spec: StoreSpec) -> ReelkeepError:
    was, wanted = ("unencrypted", "encrypted") if spec.encrypted else ("encrypted", "unencrypted")
    return ReelkeepError(
        f"The store {spec.name!r} holds recordings that were written {was}, so it cannot become {wanted}. "
        f"Describe the {wanted} one under another name, and move them there with `reelkeep storage migrate`.",
        ErrorCode.SETTINGS_INVALID,
        store=spec.name,
    )
