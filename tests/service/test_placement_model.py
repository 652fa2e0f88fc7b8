"""Random puts, rules, moves, outages, crashes and rot; after every step the promises are looked at."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from reelkeep.blobs.models import Copy, CopyState
from reelkeep.blobs.open import open_blob
from reelkeep.errors import ReelkeepError, StoreUnavailable
from reelkeep.placement.check import check_store
from reelkeep.placement.reconcile import Outcome, reconcile_blobs
from reelkeep.placement.view import BELIEVED
from reelkeep.runtime import Runtime
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person
from tests.fixtures.several_stores import blobs_of, copies_of, several_stores, write_rules
from tests.fixtures.usage import usage_of
from tests.service.test_processing import take_in

STORES = ("local", "second", "third")
RULES = (
    "*: local",
    "*: second",
    "*: third",
    "*: local, second",
    "*: second, third",
    "*: local, second, third",
    "original: third\n*: local",
)
STEPS = 40


class Killed(BaseException):
    """The process is dead: nothing of it cleans up after itself."""


@dataclass
class World:
    """Stores that can be away, and a process that dies at a chosen operation."""

    away: set[str] = field(default_factory=set)
    dies_after: int | None = None

    def act(self, store: str) -> None:
        """One operation on a store."""
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise Killed
        if store in self.away:
            raise StoreUnavailable(f"The store {store!r} is away.", store=store)


class Wayward:
    """A real store in a world where it may be away and its caller may die."""

    def __init__(self, inside: Any, world: World) -> None:
        self._inside, self._world = inside, world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def put(self, key: str, body: Any, **facts: Any) -> Any:
        self._world.act(self._inside.name)
        put = await self._inside.put(key, body, **facts)
        self._world.act(self._inside.name)
        return put

    async def delete(self, key: str) -> None:
        self._world.act(self._inside.name)
        await self._inside.delete(key)
        self._world.act(self._inside.name)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        self._world.act(self._inside.name)
        async for piece in self._inside.read(key, start, end):
            yield piece


class Model:
    """What was acknowledged, and what is done to it."""

    def __init__(self, runtime: Runtime, person: Person, dice: random.Random) -> None:
        self.world, self.person, self.dice = World(), person, dice
        stores = {name: Wayward(store, self.world) for name, store in runtime.stores.by_name.items()}
        # Claims of the dead are taken over at once, and links end at once.
        settings = runtime.settings.model_copy(
            update={"worker_stalled_seconds": 0, "download_expires_in_seconds": 0}
        )
        self.sound_runtime = replace(runtime, settings=settings)
        self.runtime = replace(self.sound_runtime, stores=replace(runtime.stores, by_name=stores))
        self.bytes: dict[UUID, bytes] = {}

    async def take_in(self) -> None:
        """A new recording, acknowledged."""
        sound = wav(beeps(0.2 + self.dice.random() / 10))
        await take_in(self.sound_runtime, self.person, sound)
        self.bytes[(await blobs_of(self.sound_runtime, self.person))[-1].id] = sound

    async def new_rules(self) -> None:
        await write_rules(self.runtime, self.dice.choice(RULES))

    async def reconcile(self) -> None:
        """What a worker does; it may die anywhere, and stores may be away."""
        self.world.dies_after = self.dice.choice([None, None, *range(8)])
        try:
            await reconcile_blobs(self.runtime, self.person.organization_id, list(self.bytes))
        except (ReelkeepError, Killed):
            pass
        finally:
            self.world.dies_after = None

    async def outage(self) -> None:
        self.world.away = set(self.dice.sample(STORES, self.dice.choice([0, 0, 1, 2])))

    async def rot(self) -> None:
        """A copy's bytes change or vanish, as long as another verified copy is there, and not on the day
        on which they were read."""
        blob_id = self.dice.choice(list(self.bytes))
        copies = await copies_of(self.runtime, self.person, blob_id)
        sound = [c for c in copies.values() if c.state == CopyState.PRESENT and c.verified_at]
        sound = [c for c in sound if await self._gives(c.store, c.key) == self.bytes[blob_id]]
        if len(sound) < 2:
            return
        bad = self.dice.choice(sound)
        await self._let_a_day_pass(bad.id)
        store: Any = self.sound_runtime.stores.get(bad.store)
        if self.dice.random() < 0.5:
            await store.delete(bad.key)
        else:
            path = store.path_of(bad.key)
            path.write_bytes(b"x" * path.stat().st_size)

    async def _let_a_day_pass(self, copy_id: UUID) -> None:
        async with self.sound_runtime.database.work(self.person.organization_id) as session:
            read = self.sound_runtime.clock.now() - 2 * BELIEVED
            await session.execute(update(Copy).where(Copy.id == copy_id).values(verified_at=read))

    async def look(self) -> None:
        """Every acknowledged blob has a copy that gives its bytes, whatever else is true."""
        for blob_id, sound in self.bytes.items():
            copies = await copies_of(self.runtime, self.person, blob_id)
            present = [c for c in copies.values() if c.state == CopyState.PRESENT]
            given = [await self._gives(c.store, c.key) for c in present]
            assert sound in given, "an acknowledged recording cannot be read any more"

    async def _gives(self, store: str, key: str) -> bytes | None:
        try:
            read = self.sound_runtime.stores.get(store).read(key)
            return b"".join([piece async for piece in read])
        except ReelkeepError:
            return None

    async def come_to_rest(self) -> None:
        """Stores are back, workers live: everything is where it is wanted, and nothing else is anywhere."""
        self.world.away = set()
        await write_rules(self.runtime, "*: second, third")
        for store in STORES:
            await check_store(self.sound_runtime, store, verify=True, repair=True)
        async with asyncio.timeout(60):
            while True:
                outcomes = await reconcile_blobs(self.runtime, self.person.organization_id, list(self.bytes))
                if set(outcomes.values()) == {Outcome.SETTLED}:
                    break
        for blob_id, sound in self.bytes.items():
            assert set(await copies_of(self.runtime, self.person, blob_id)) == {"second", "third"}
            read = open_blob(self.runtime, self.person.organization_id, blob_id)
            assert b"".join([piece async for piece in read]) == sound
        for store in STORES:
            found = await check_store(self.sound_runtime, store, verify=True)
            assert found.is_clean, found
            assert found.copies == (0 if store == "local" else len(self.bytes))
            keys = [f.key async for f in self.sound_runtime.stores.get(store).list_objects("recordings/")]
            assert len(keys) == found.copies, "an attempt that died left bytes"
        await usage_of(self.runtime, self.person)


@pytest.mark.parametrize("seed", range(4))
async def test_no_order_of_events_loses_an_acknowledged_byte(
    tmp_path: Path, conninfo: str, seed: int
) -> None:
    dice = random.Random(seed)
    async with several_stores(tmp_path, conninfo) as runtime:
        model = Model(runtime, await add_person(runtime), dice)
        await model.take_in()
        acts = [
            *[model.reconcile] * 8,
            *[model.new_rules] * 3,
            *[model.outage] * 2,
            *[model.rot] * 2,
            model.take_in,
        ]
        for _ in range(STEPS):
            await dice.choice(acts)()
            await model.look()
        await model.come_to_rest()
