"""The rules in force, kept for a few seconds by each process, and the moves between stores under way."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import select

from reelkeep.blobs.models import CopyState
from reelkeep.db.database import Database
from reelkeep.errors import Invalid
from reelkeep.logs import get_logger
from reelkeep.placement.models import EVERYBODY, PlacementRules, Relocation
from reelkeep.placement.plan import relocated
from reelkeep.placement.rules import Known, Place, Places, Rules, parse_rules
from reelkeep.runtime import Runtime

log = get_logger(__name__)

#: How old the rules may be that a process goes by; a pass waits longer after they were written.
KNOWN_SECONDS = 10.0


class Lying(Protocol):
    """What is asked of a copy here; its row has it."""

    @property
    def store(self) -> str: ...

    @property
    def storage_class(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def degraded(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class InForce:
    """What is wanted where, for every organization."""

    #: None: none were written, and what is there stays where it is.
    everybody: Rules | None
    of_organization: Mapping[UUID, Rules | None]
    #: From store to store; None: away from it. A paused one counts too: nothing goes back for it.
    moves: Mapping[str, str | None]
    classes: Mapping[str, frozenset[str]]
    primary: str

    @property
    def plain(self) -> bool:
        """Whether nothing was ever written: new bytes stay where they are taken in."""
        return self.everybody is None and not self.of_organization and not self.moves

    def rules(self, organization_id: UUID) -> Rules | None:
        """The rules of an organization."""
        return self.of_organization.get(organization_id, self.everybody)

    def wanted(
        self, organization_id: UUID, kind: str, age: timedelta, copies: Iterable[Lying] = ()
    ) -> Places:
        """Where such a blob should have copies now.

        Without any rules a blob stays where it lies, so that another primary store alone moves nothing; what
        was taken in elsewhere because the primary store was away belongs there.
        """
        rules = self.rules(organization_id)
        if rules is not None:
            return relocated(rules.wanted(kind, age), self.moves, self.classes)
        lies = tuple(
            Place(copy.store, copy.storage_class)
            for copy in copies
            if not copy.degraded and copy.state != CopyState.DELETING
        )
        return relocated(lies or (Place(self.primary),), self.moves, self.classes)

    def taking(self, store: str) -> str:
        """The store that takes new bytes instead of one that is being left."""
        seen = {store}
        while (further := self.moves.get(store)) is not None and further not in seen:
            seen.add(further)
            store = further
        return store


def known_stores(runtime: Runtime) -> Known:
    """What rules may name in this installation."""
    specs = runtime.stores.specs
    return Known({name: frozenset(spec.storage_classes) for name, spec in specs.items()})


async def in_force(runtime: Runtime, *, fresh: bool = False) -> InForce:
    """The rules and moves in force, at most `KNOWN_SECONDS` old unless `fresh`."""
    kept = _kept.get(runtime.database)
    now = time.monotonic()
    if kept is not None and not fresh and now - kept[0] < KNOWN_SECONDS:
        return kept[1]
    found = await _read(runtime)
    _kept[runtime.database] = (now, found)
    return found


def forget_known(runtime: Runtime) -> None:
    """Read them anew next time: this process has just changed them."""
    _kept.pop(runtime.database, None)


_kept: WeakKeyDictionary[Database, tuple[float, InForce]] = WeakKeyDictionary()


async def _read(runtime: Runtime) -> InForce:
    async with runtime.database.directory() as session:
        written = (await session.execute(select(PlacementRules.scope, PlacementRules.rules))).all()
        moving = (await session.execute(select(Relocation.source, Relocation.target))).all()
    known, primary = known_stores(runtime), runtime.stores.primary_name
    rules = {scope: _parsed(scope, text, known, primary) for scope, text in written}
    return InForce(
        everybody=rules.pop(EVERYBODY, None),
        of_organization=MappingProxyType({UUID(scope): found for scope, found in rules.items()}),
        moves=MappingProxyType(
            {row.source: row.target for row in moving if _is_possible(row.source, row.target, known)}
        ),
        classes=known.stores,
        primary=primary,
    )


def _is_possible(source: str, target: str | None, known: Known) -> bool:
    """Whether a move leads to a store that is still configured; else nothing new may be sent there."""
    if target is None or target in known.stores:
        return True
    log.error("a move leads to a store that is not configured any more", source=source, target=target)
    return False


def _parsed(scope: str, text: str, known: Known, primary: str) -> Rules | None:
    """Rules that no longer fit the configured stores move nothing, and stop no upload: an operator has to
    look first."""
    try:
        return parse_rules(text, known, primary)
    except Invalid as wrong:
        log.error(
            "placement rules no longer fit the stores; nothing moves by them",
            scope=scope,
            error=wrong.message,
        )
        return None
