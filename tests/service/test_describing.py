"""What describes a recording in its store: by several at once, by ones that die, to failing stores."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from reelkeep.blobs.models import Blob, BlobKind, Copy
from reelkeep.catalog.keep import keep_described
from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from tests.fixtures.runtime import Person, add_person, do_jobs
from tests.service.test_processing import take_in
from tests.service.test_uploads import SOUND


class Failing:
    """A real store whose next writes end as they are told to, before or after the bytes are durable."""

    def __init__(self, inside: Any, error: BaseException, *, after: bool = False) -> None:
        self._inside, self._error, self._after = inside, error, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def put(self, *given: Any, **named: Any) -> Any:
        if self._after:
            await self._inside.put(*given, **named)
        raise self._error


def with_store(runtime: Runtime, store: Any) -> Runtime:
    """The same installation with another store in the place of its own."""
    by_name = {**runtime.stores.by_name, store.name: store}
    return replace(runtime, stores=replace(runtime.stores, by_name=by_name))


async def changed(runtime: Runtime, person: Person, recording_id: str, visit_id: str) -> None:
    """Something about the recording is another by now."""
    async with runtime.database.work(person.organization_id) as session:
        recording = await session.get_one(Recording, (person.organization_id, UUID(recording_id)))
        recording.visit_id = visit_id


async def described(runtime: Runtime, person: Person, recording_id: str, **given: bool) -> None:
    await keep_described(runtime, person.organization_id, UUID(recording_id), **given)


async def all_is_accounted_for(runtime: Runtime, person: Person) -> None:
    """One description, no object without a row, no row without an object, every byte counted once."""
    async with runtime.database.work(person.organization_id) as session:
        keys = sorted((await session.scalars(select(Copy.key))).all())
        sidecars = await session.scalars(select(Blob.id).where(Blob.kind == BlobKind.SIDECAR))
        assert len(sidecars.all()) == 1
        total = await session.scalar(text("select sum(size_bytes) from blob"))
        assert await session.scalar(text("select bytes_used from usage")) == total
    listed: AsyncIterator[Any] = runtime.stores.primary.list_objects("recordings/")
    assert [facts.key async for facts in listed] == keys


async def test_many_at_once_leave_one_description(any_runtime: Runtime, person: Person) -> None:
    recording_id = await take_in(any_runtime, person, SOUND)
    await do_jobs(any_runtime)
    for number in range(3):
        work = [described(any_runtime, person, recording_id, words=True) for _ in range(5)]
        await asyncio.gather(*work, changed(any_runtime, person, recording_id, f"visit-{number}"))
    await described(any_runtime, person, recording_id)

    await all_is_accounted_for(any_runtime, person)


async def test_one_that_dies_after_its_bytes_are_durable_leaves_no_orphan(
    any_runtime: Runtime, person: Person
) -> None:
    recording_id = await take_in(any_runtime, person, SOUND)
    await do_jobs(any_runtime)
    await changed(any_runtime, person, recording_id, "visit-2")
    dying = with_store(any_runtime, Failing(any_runtime.stores.primary, KeyboardInterrupt(), after=True))
    with pytest.raises(KeyboardInterrupt):
        await described(dying, person, recording_id)

    await described(any_runtime, person, recording_id)

    await all_is_accounted_for(any_runtime, person)


async def test_a_store_that_is_away_brings_the_job_again_and_one_that_refuses_spoils_nothing(
    runtime: Runtime,
) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, SOUND)
    await do_jobs(runtime)
    await changed(runtime, person, recording_id, "visit-2")
    store = runtime.stores.primary

    with pytest.raises(StoreUnavailable):
        await described(with_store(runtime, Failing(store, StoreUnavailable("away"))), person, recording_id)
    await described(with_store(runtime, Failing(store, StoreRefused("read-only"))), person, recording_id)
    await all_is_accounted_for(runtime, person)


async def test_nothing_is_written_for_what_is_in_the_trash_or_has_no_bytes(runtime: Runtime) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, SOUND)
    async with runtime.database.work(person.organization_id) as session:
        recording = await session.get_one(Recording, (person.organization_id, UUID(recording_id)))
        recording.deleted_at = runtime.clock.now()

    await described(runtime, person, recording_id, words=True)
    await keep_described(runtime, person.organization_id, UUID(int=1), words=True)

    assert len([facts async for facts in runtime.stores.primary.list_objects("recordings/")]) == 1
