"""Which stores are being left for which, for whoever may know no figures of the whole installation."""

from dataclasses import dataclass

from sqlalchemy import select

from reelkeep.placement.models import Relocation, RelocationState
from reelkeep.runtime import Runtime


@dataclass(frozen=True, slots=True)
class MoveInForce:
    """A store that is being left; without a target, for wherever the rules want its copies."""

    source: str
    target: str | None
    state: RelocationState


async def moves_in_force(runtime: Runtime) -> list[MoveInForce]:
    """Every move, the oldest first; one that is done too, since what comes late follows it."""
    query = select(Relocation.source, Relocation.target, Relocation.state).order_by(Relocation.began_at)
    async with runtime.database.directory() as session:
        return [
            MoveInForce(source, target, RelocationState(state))
            for source, target, state in await session.execute(query)
        ]
