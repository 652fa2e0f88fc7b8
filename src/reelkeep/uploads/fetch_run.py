"""One worker's hold on a fetch, and what it leaves in the upload's row for the next one.

    source_url is there → bytes are still to be fetched
    it is gone          → the bytes are all under `incoming/`, to be sealed

Every write is guarded by the `writer_id` of the claim, so that a worker that was taken for dead cannot
spoil what the next one does.
"""

import time
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Grows, GrowthNotes
from reelkeep.uploads.models import Upload, UploadMethod, UploadState


class FetchLost(Exception):
    """Another worker has this fetch now, or its upload has ended."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What is known of a fetch, kept as JSON in the upload's row."""

    #: Claims that did not end in an orderly stop.
    attempts: int = 0
    #: Time that has gone into it, over all claims.
    seconds: float = 0.0
    #: Bytes that are safe, and of how many.
    offset: int = 0
    total: int | None = None
    #: Which version of the file these are bytes of.
    validator: str | None = None
    #: What the file is called, by the address and then by the server, and which type the server says it is.
    name: str = ""
    told_type: str = ""
    #: Whether the client gave these, so that the server's answer does not count.
    has_name: bool = False
    has_type: bool = False

    @classmethod
    def read(cls, kept: dict[str, Any]) -> "Notes":
        """The notes in a row; names that this version does not know are left aside."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in known})

    def fresh(self) -> "Notes":
        """The same fetch from its first byte."""
        return replace(self, offset=0, total=None, validator=None)


@dataclass(slots=True)
class FetchRun:
    """A claim on one fetch, as its row was when it was last written."""

    runtime: Runtime
    upload: Upload
    store: Grows
    writer_id: UUID
    notes: Notes
    growth: GrowthNotes
    source_url: str | None
    _since: float = field(default_factory=time.monotonic)
    _before: float = 0.0

    def __post_init__(self) -> None:
        self._before = self.notes.seconds

    @property
    def key(self) -> str:
        """Where the bytes grow."""
        return self.upload.incoming_key

    def seconds_spent(self) -> float:
        """Time that has gone into it, over all claims, this one too."""
        return round(self._before + time.monotonic() - self._since, 3)

    async def keep(self, notes: Notes, growth: GrowthNotes | None = None, **values: Any) -> None:
        """Write how far it is; raises `FetchLost`."""
        growth = self.growth if growth is None else growth
        async with self.runtime.database.work(self.upload.organization_id) as session:
            await self.write(session, fetch=asdict(notes), growth=growth, **values)
        self.notes, self.growth = notes, growth

    async def write(self, session: AsyncSession, **values: Any) -> None:
        """Write to the upload's row under the claim, in the current unit of work; raises `FetchLost`."""
        statement = (
            update(Upload)
            .where(
                Upload.organization_id == self.upload.organization_id,
                Upload.id == self.upload.id,
                Upload.state == UploadState.OPEN,
                Upload.writer_id == self.writer_id,
            )
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        result = await session.execute(statement)
        if not isinstance(result, CursorResult) or result.rowcount != 1:
            raise FetchLost


async def claim_upload(
    session: AsyncSession, organization_id: UUID, recording_id: UUID
) -> tuple[Upload, Notes] | None:
    """Take over the recording's open fetch, whoever had it, and count the attempt; None without one."""
    query = (
        select(Upload)
        .where(Upload.organization_id == organization_id, Upload.recording_id == recording_id)
        .order_by(Upload.id.desc())
        .limit(1)
        .with_for_update()
    )
    upload = await session.scalar(query)
    if upload is None or upload.method != UploadMethod.URL or upload.state != UploadState.OPEN:
        return None
    notes = Notes.read(upload.fetch)
    notes = replace(notes, attempts=notes.attempts + 1)
    upload.writer_id, upload.fetch = new_id(), asdict(notes)
    return upload, notes
