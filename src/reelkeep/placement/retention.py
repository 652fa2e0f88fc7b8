"""Retention: what the `keep` lines of the rules (originals, recordings, trash) say is over, and its end.

The sweep reads ids and dates of what is due, page after page, and purges one at a time; each purge looks
again under the recording's lock. Where nothing says how long, everything is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.placement.load import InForce, in_force
from reelkeep.placement.purge import purge_original, purge_recording
from reelkeep.placement.rules import Kept, Rules
from reelkeep.recordings.models import Hold, Recording
from reelkeep.runtime import Runtime

log = get_logger(__name__)

#: Recordings that one sweep looks at for each rule; the next one goes on behind them.
PAGE_ROWS = 200
#: It is not its time yet after all: restored, held, or an upload or a step works on it.
LATER = (ErrorCode.RECORDING_HELD, ErrorCode.RECORDING_STATE)


@dataclass(frozen=True, slots=True)
class Over:
    """One `keep` line, and the moment before which what it is about began."""

    kept: Kept
    before: datetime
    #: None: of every organization but `others`, which have rules of their own.
    organization_id: UUID | None
    others: frozenset[UUID] = frozenset()

    @property
    def begins(self) -> InstrumentedAttribute[Any]:
        """From when it counts: its coming in, or its move to the trash."""
        return Recording.deleted_at if self.kept == Kept.TRASH else Recording.created_at

    def holds_for(self, recording: Recording) -> bool:
        """Whether a recording, read under its lock, is still due."""
        begins = recording.deleted_at if self.kept == Kept.TRASH else recording.created_at
        return begins is not None and begins <= self.before

    def conditions(self) -> list[ColumnElement[bool]]:
        """Which recordings are due; those with a hold are not."""
        held = select(Hold.id).where(
            Hold.organization_id == Recording.organization_id,
            Hold.recording_id == Recording.id,
            Hold.released_at.is_(None),
        )
        found: list[ColumnElement[bool]] = [self.begins <= self.before, ~held.exists()]
        if self.kept == Kept.ORIGINALS:
            found.append(Recording.original_blob_id.is_not(None))
        if self.organization_id is not None:
            found.append(Recording.organization_id == self.organization_id)
        elif self.others:
            found.append(Recording.organization_id.not_in(self.others))
        return found


Spot = tuple[datetime, UUID]


@dataclass(slots=True)
class Walk:
    """How far the sweep of one process has come through what is due, by rule; at the end it begins anew."""

    spots: dict[tuple[Kept, UUID | None], Spot] = field(default_factory=dict)


def overs(known: InForce, now: datetime) -> Iterator[Over]:
    """Every `keep` line in force: the trash first, whole recordings before originals alone."""
    scopes: list[tuple[UUID | None, Rules | None]] = [*known.of_organization.items(), (None, known.everybody)]
    others = frozenset(known.of_organization)
    for kept in (Kept.TRASH, Kept.RECORDINGS, Kept.ORIGINALS):
        for organization_id, rules in scopes:
            if rules is not None and kept in rules.kept:
                before = now - rules.kept[kept]
                yield Over(kept, before, organization_id, others if organization_id is None else frozenset())


async def sweep_retention(runtime: Runtime, walk: Walk | None = None) -> int:
    """Purge the next page of what is due by each rule; how many were. Several workers may, at once."""
    walk = walk or Walk()
    known = await in_force(runtime, fresh=True)
    purged = 0
    for over in overs(known, runtime.clock.now()):
        purged += await _purge_page(runtime, over, walk)
    return purged


async def _purge_page(runtime: Runtime, over: Over, walk: Walk) -> int:
    name, purged = (over.kept, over.organization_id), 0
    query: Select[*tuple[Any, ...]] = select(over.begins, Recording.id, Recording.organization_id)
    query = query.where(*over.conditions()).order_by(over.begins, Recording.id).limit(PAGE_ROWS)
    if name in walk.spots:
        query = query.where(tuple_(over.begins, Recording.id) > walk.spots[name])
    async with runtime.database.sweep() as session:
        rows = (await session.execute(query)).all()
    for _, recording_id, organization_id in rows:
        purged += await _purge(runtime, over, organization_id, recording_id)
    if len(rows) == PAGE_ROWS:
        walk.spots[name] = (rows[-1][0], rows[-1][1])
    else:
        walk.spots.pop(name, None)
    return purged


async def _purge(runtime: Runtime, over: Over, organization_id: UUID, recording_id: UUID) -> bool:
    purge = purge_original if over.kept == Kept.ORIGINALS else purge_recording
    try:
        done = await purge(
            runtime, organization_id, recording_id, still=over.holds_for, reason=f"keep {over.kept}"
        )
    except ReelkeepError as error:  # one recording must not keep the others
        if error.code not in LATER:
            log.warning("purging failed; it is tried again", recording_id=str(recording_id), exc_info=error)
        return False
    return done is not None


@dataclass(frozen=True, slots=True)
class Ending:
    """What a `keep` line would remove now."""

    recordings: int
    #: Of all copies, as stored.
    bytes: int


async def preview_retention(runtime: Runtime, known: InForce) -> Mapping[Kept, Ending]:
    """What retention would remove if `known` were in force, by what is kept; for rules that say so only.

    What has a hold is not counted. What a line before removes as well (the trash before recordings, those
    before originals) is counted in each.
    """
    found: dict[Kept, Ending] = {}
    for over in overs(known, runtime.clock.now()):
        async with runtime.database.sweep() as session:
            row = (await session.execute(_summed(over))).one()
        before = found.get(over.kept, Ending(0, 0))
        found[over.kept] = Ending(before.recordings + row[0], before.bytes + int(row[1] or 0))
    return found


def _summed(over: Over) -> Select[*tuple[Any, ...]]:
    ours = Blob.recording_id == Recording.id
    if over.kept == Kept.ORIGINALS:
        ours = Blob.id == Recording.original_blob_id
    return (
        select(func.count(Recording.id.distinct()), func.sum(Copy.size_bytes))
        .select_from(Recording)
        .outerjoin(Blob, (Blob.organization_id == Recording.organization_id) & ours)
        .outerjoin(
            Copy,
            (Copy.organization_id == Blob.organization_id)
            & (Copy.blob_id == Blob.id)
            & (Copy.state != CopyState.DELETING),
        )
        .where(*over.conditions())
    )
