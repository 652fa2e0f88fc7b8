"""The data keys of encrypted stores: one for each recording, wrapped by a master key, in the database.

A process keeps a key it has unwrapped for `KEPT_SECONDS` at most. So once a key is erased, every process has
forgotten it after that time, and what it had encrypted can be read by nobody.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import INCOMING, SEALED
from reelkeep.blobs.models import DataKeyRow
from reelkeep.clock import new_id
from reelkeep.db.database import Database
from reelkeep.errors import ErrorCode, KeyRefused, WrongBytes
from reelkeep.stores.key_ring import DataKey, Wraps
from reelkeep.stores.master_keys import KEY_BYTES, find_master_key

#: How long a process may go on using a key that another one has erased.
KEPT_SECONDS = 10.0
KEPT_MAX = 2_000
#: Which recording the bytes under a key of an organization belong to; asked in a unit of work.
RecordingOf = Callable[[AsyncSession, UUID, str], Awaitable[UUID]]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LooseKeys:
    """The `KeyRing` of what belongs to no organization: objects of checks, and backups.

    Those must be readable where the database is lost, so their keys are derived from the master keys; a
    master key's check value stands in place of an id.
    """

    def __init__(self, master_keys: Sequence[Wraps]) -> None:
        self.master_keys = master_keys

    async def key_for(self, object_key: str) -> DataKey:
        """The key of the first master key."""
        return await self._key(object_key, None)

    async def key_of(self, key_id: UUID, object_key: str) -> DataKey:
        """The key of the master key that an object names."""
        return await self._key(object_key, key_id)

    def forget(self) -> None:
        """Nothing is kept."""

    async def _key(self, object_key: str, key_id: UUID | None) -> DataKey:
        if organization_of(object_key) is not None:
            raise KeyRefused(
                f"The data key of {object_key!r} is in the database, which is not open.",
                ErrorCode.ENCRYPTION_KEY,
            )
        for master in self.master_keys:
            its_id = UUID(bytes=await master.check_value())
            if key_id in (None, its_id):
                return DataKey(its_id, await master.derived(b"objects of no organization"))
        raise KeyRefused(
            f"No configured master key opens the object {object_key!r}. Put the one back that was used.",
            ErrorCode.ENCRYPTION_KEY,
        )


class DataKeyRing:
    """The `KeyRing` of an installation. Never called inside a unit of work."""

    def __init__(self, database: Database, master_keys: Sequence[Wraps], recording_of: RecordingOf) -> None:
        self._database, self._recording_of = database, recording_of
        self.master_keys = master_keys
        self._loose = LooseKeys(master_keys)
        self._opened: _Kept[UUID, DataKey] = _Kept()
        self._of_object: _Kept[str, DataKey] = _Kept()

    async def key_for(self, object_key: str) -> DataKey:
        """The key to write an object with; see `KeyRing`."""
        organization_id = organization_of(object_key)
        if organization_id is None:
            return await self._loose.key_for(object_key)
        if found := self._of_object.get(object_key):
            return found
        async with self._database.work(organization_id) as session:
            recording_id = await self._recording_of(session, organization_id, object_key)
            row = await session.scalar(_of_recording(organization_id, recording_id))
        row = row or await self._make(organization_id, recording_id)
        found = await self._open(row)
        self._of_object.keep(object_key, found)
        return found

    async def key_of(self, key_id: UUID, object_key: str) -> DataKey:
        """The key that an object names; see `KeyRing`."""
        organization_id = organization_of(object_key)
        if organization_id is None:
            return await self._loose.key_of(key_id, object_key)
        if found := self._opened.get(key_id):
            return found
        async with self._database.work(organization_id) as session:
            row = await session.get(DataKeyRow, (organization_id, key_id))
        if row is None:
            raise WrongBytes(
                f"No data key of this organization opens the object {object_key!r}: it comes from elsewhere, "
                "or the database is older than it.",
                key=object_key,
            )
        return await self._open(row)

    def forget(self) -> None:
        """Forget every key that is kept in memory, as after erasing one."""
        self._opened, self._of_object = _Kept(), _Kept()

    async def _make(self, organization_id: UUID, recording_id: UUID) -> DataKeyRow:
        """Make a recording's key; of two that do at once, both get the first one's."""
        key_id, master = new_id(), self.master_keys[0]
        wrapped = await master.wrap(os.urandom(KEY_BYTES), context_of(organization_id, recording_id, key_id))
        values = {
            "organization_id": organization_id,
            "id": key_id,
            "recording_id": recording_id,
            "master_key_id": master.id,
            "wrapped": wrapped,
        }
        async with self._database.work(organization_id) as session:
            await session.execute(insert(DataKeyRow).values(values).on_conflict_do_nothing())
            row: DataKeyRow | None = await session.scalar(_of_recording(organization_id, recording_id))
        assert row is not None
        return row

    async def _open(self, row: DataKeyRow) -> DataKey:
        if found := self._opened.get(row.id):
            return found
        if row.wrapped is None or row.master_key_id is None:
            raise KeyRefused(
                "The key of this recording was erased: its bytes cannot be read any more, and no new ones "
                "are kept for it.",
                ErrorCode.KEY_ERASED,
                recording_id=str(row.recording_id),
            )
        master = find_master_key(self.master_keys, row.master_key_id)
        context = context_of(row.organization_id, row.recording_id, row.id)
        found = DataKey(row.id, await master.unwrap(row.wrapped, context))
        self._opened.keep(row.id, found)
        return found


def organization_of(object_key: str) -> UUID | None:
    """The organization that a key is of; None for one that is not of a recording or an upload."""
    parts = object_key.split("/", 2)
    try:
        return UUID(parts[1]) if object_key.startswith((INCOMING, SEALED)) and len(parts) == 3 else None
    except ValueError:
        return None


def context_of(organization_id: UUID, recording_id: UUID, key_id: UUID) -> bytes:
    """What a wrapped key is bound to: a row that is moved to another recording opens nothing."""
    return b"reelkeep data key" + organization_id.bytes + recording_id.bytes + key_id.bytes


def _of_recording(organization_id: UUID, recording_id: UUID) -> Select[DataKeyRow]:
    return select(DataKeyRow).where(
        DataKeyRow.organization_id == organization_id, DataKeyRow.recording_id == recording_id
    )


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    until: float


class _Kept(Generic[K, V]):
    """A few values for a short while."""

    def __init__(self) -> None:
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()

    def get(self, name: K) -> V | None:
        entry = self._entries.get(name)
        return entry.value if entry is not None and entry.until > time.monotonic() else None

    def keep(self, name: K, value: V) -> None:
        self._entries.pop(name, None)
        self._entries[name] = _Entry(value, time.monotonic() + KEPT_SECONDS)
        while len(self._entries) > KEPT_MAX:
            self._entries.popitem(last=False)
