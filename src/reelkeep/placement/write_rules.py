"""Write placement rules, read them and take them back; they are checked whole before anything is kept."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from reelkeep.errors import Invalid
from reelkeep.placement.load import forget_known, known_stores
from reelkeep.placement.models import EVERYBODY, PlacementRules
from reelkeep.placement.rules import Rules, parse_rules
from reelkeep.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Written:
    """Rules as they were written."""

    #: None: for everybody who has none of their own.
    organization_id: UUID | None
    rules: str
    written_at: datetime
    #: When every blob had been looked at since; None: not yet.
    passed_at: datetime | None
    #: Why they move nothing any more: the configured stores have changed.
    problem: str | None = None


def read_rules(runtime: Runtime, text: str) -> Rules:
    """Rules as they would be in force here; raises `PLACEMENT_INVALID` with the line."""
    return parse_rules(text, known_stores(runtime), runtime.stores.primary_name)


async def write_rules(runtime: Runtime, text: str, organization_id: UUID | None = None) -> None:
    """Put rules in force, for one organization or for all that have none of their own.

    Copies follow within minutes, by jobs. Raises `PLACEMENT_INVALID`; then the older rules stay.
    """
    read_rules(runtime, text)
    fresh = {"rules": text, "written_at": runtime.clock.now(), "passed_at": None}
    row = insert(PlacementRules).values(scope=_scope(organization_id), **fresh)
    async with runtime.database.directory() as session:
        await session.execute(row.on_conflict_do_update(index_elements=[PlacementRules.scope], set_=fresh))
    forget_known(runtime)


async def clear_rules(runtime: Runtime, organization_id: UUID | None = None) -> bool:
    """Take rules back; whether there were any. Nothing moves for it: what is there stays where it is."""
    gone = delete(PlacementRules).where(PlacementRules.scope == _scope(organization_id))
    async with runtime.database.directory() as session:
        found = await session.scalar(gone.returning(PlacementRules.scope))
    forget_known(runtime)
    return found is not None


async def list_rules(runtime: Runtime) -> list[Written]:
    """All rules that were written, those for everybody first."""
    async with runtime.database.directory() as session:
        rows = (await session.scalars(select(PlacementRules))).all()
    found = [
        Written(
            None if row.scope == EVERYBODY else UUID(row.scope),
            row.rules,
            row.written_at,
            row.passed_at,
            _problem(runtime, row.rules),
        )
        for row in rows
    ]
    return sorted(found, key=lambda written: (written.organization_id is not None, written.written_at))


def _problem(runtime: Runtime, text: str) -> str | None:
    try:
        read_rules(runtime, text)
    except Invalid as wrong:
        return wrong.message
    return None


def _scope(organization_id: UUID | None) -> str:
    return EVERYBODY if organization_id is None else str(organization_id)
