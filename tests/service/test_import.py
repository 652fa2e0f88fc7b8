"""A store alone gives its recordings back; a plain folder or bucket is taken in by a pattern."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from reelkeep.accounts.models import Organization
from reelkeep.blobs.key_templates import set_template
from reelkeep.blobs.models import Copy
from reelkeep.catalog.import_plain import Bucket, Folder, Wanted, import_plain
from reelkeep.catalog.import_store import import_store
from reelkeep.catalog.pattern import Pattern
from reelkeep.clock import new_id
from reelkeep.db.postgres.client import EmbeddedPostgres
from reelkeep.errors import ErrorCode, Invalid
from reelkeep.recordings.erased import note_erased
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.wiring import open_runtime
from tests.fixtures.database import administer, make_database
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs, url_of
from tests.service.test_key_templates import copies_of
from tests.service.test_processing import look, states, take_in
from tests.service.test_uploads import SOUND, download

LONGER = wav(beeps(3))


@pytest.fixture
def other_conninfo(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A second database: all that is left of the first one is its stores."""
    name = f"fresh_{new_id().hex}"
    make_database(postgres, name, migrated_template)
    yield postgres.conninfo_of(name)
    administer(postgres, f'drop database "{name}" with (force)')


@asynccontextmanager
async def after_the_loss(runtime: Runtime, conninfo: str) -> AsyncIterator[Runtime]:
    """The same installation on an empty database."""
    fresh = type(runtime.settings.database_url)(url_of(conninfo))
    async with open_runtime(runtime.settings.model_copy(update={"database_url": fresh})) as opened:
        yield opened


async def transcript_of(runtime: Runtime, person: Person, recording_id: str) -> object:
    """The words as the API tells them, without what a database alone knows."""
    async with client_of(runtime, person) as client:
        answer = await client.get(f"/api/v1/recordings/{recording_id}/transcript")
        assert answer.status_code == 200, answer.text
    return answer.json()


async def playback_of(runtime: Runtime, person: Person, recording_id: str) -> bytes:
    """The playback file, as a player gets it."""
    found = (await copies_of(runtime, person, recording_id))["playback"]
    return b"".join([piece async for piece in runtime.stores.get(found.store).read(found.key)])


@pytest.mark.parametrize("layout", ["ids", "conversations-named", "appointments"])
async def test_everything_plays_and_reads_again_when_the_database_is_gone(
    any_runtime: Runtime, person: Person, other_conninfo: str, layout: str
) -> None:
    await set_template(any_runtime, person.organization_id, layout)
    given = {"session_id": "conv_1", "filename": "meeting.wav", "appointment_id": "a-1"}
    first = await take_in(any_runtime, person, LONGER, **given)
    second = await take_in(any_runtime, person, SOUND, session_id="conv_1")
    await do_jobs(any_runtime)
    words = await transcript_of(any_runtime, person, first)
    played = await playback_of(any_runtime, person, first)
    store = any_runtime.stores.primary_name

    async with after_the_loss(any_runtime, other_conninfo) as fresh:
        tried = await import_store(fresh, store, dry_run=True)
        assert sorted(map(str, tried.taken)) == sorted([first, second])
        async with fresh.database.directory() as session:
            assert await session.scalar(select(func.count()).select_from(Organization)) == 0

        report = await import_store(fresh, store)
        assert (len(report.taken), report.with_words, report.problems) == (2, 2, [])
        assert report.unexplained == 0, "every object is accounted for"

        again = await import_store(fresh, store)
        assert (again.taken, again.there) == ([], 2)

        finder = await add_person(fresh, person.organization_id)
        assert await transcript_of(fresh, finder, first) == words
        assert await playback_of(fresh, finder, first) == played
        async with client_of(fresh, finder) as client:
            assert await download(client, first) == LONGER
            assert await download(client, second) == SOUND
            whole = (await client.get("/api/v1/sessions/conv_1")).json()
            assert [part["recording_id"] for part in whole["parts"]] == [first, second]
        shown = await look(fresh, finder, first)
        assert shown["status"] == "transcribed"
        assert shown["appointment_id"] == "a-1"
        assert set(states(shown).values()) == {"done"}
        await do_jobs(fresh)
        async with fresh.database.work(person.organization_id) as session:
            total = await session.scalar(text("select sum(size_bytes) from blob"))
            assert await session.scalar(text("select bytes_used from usage")) == total


async def test_a_recording_that_was_never_processed_is_found_by_what_its_object_carries(
    any_runtime: Runtime, person: Person, other_conninfo: str
) -> None:
    recording_id = await take_in(any_runtime, person, LONGER)

    async with after_the_loss(any_runtime, other_conninfo) as fresh:
        report = await import_store(fresh, any_runtime.stores.primary_name)
        assert [str(taken) for taken in report.taken] == [recording_id]
        await do_jobs(fresh)
        finder = await add_person(fresh, person.organization_id)
        assert (await look(fresh, finder, recording_id))["status"] == "transcribed"
        async with client_of(fresh, finder) as client:
            assert await download(client, recording_id) == LONGER


async def test_what_was_erased_is_not_brought_back(runtime: Runtime, other_conninfo: str) -> None:
    person = await add_person(runtime)
    erased = await take_in(runtime, person, SOUND)
    kept = await take_in(runtime, person, LONGER)
    await do_jobs(runtime)

    async with after_the_loss(runtime, other_conninfo) as fresh:
        async with fresh.database.directory() as session:
            session.add(Organization(id=person.organization_id, name="Clinic"))
        async with fresh.database.work(person.organization_id) as session:
            await note_erased(session, person.organization_id, UUID(erased))

        report = await import_store(fresh, "local")

        assert ([str(taken) for taken in report.taken], report.erased) == ([kept], 1)
        async with fresh.database.work(person.organization_id) as session:
            assert await session.get(Recording, (person.organization_id, UUID(erased))) is None


async def test_all_goes_into_another_organization_when_that_is_asked(
    runtime: Runtime, other_conninfo: str
) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, SOUND)
    await do_jobs(runtime)

    async with after_the_loss(runtime, other_conninfo) as fresh:
        newcomer = await add_person(fresh)
        await import_store(fresh, "local", organization_id=newcomer.organization_id)
        async with client_of(fresh, newcomer) as client:
            assert await download(client, recording_id) == SOUND


async def test_bytes_of_one_organization_are_not_given_to_a_second(runtime: Runtime) -> None:
    person, other = await add_person(runtime), await add_person(runtime)
    await take_in(runtime, person, SOUND)
    await do_jobs(runtime)

    report = await import_store(runtime, "local", organization_id=other.organization_id)

    assert report.taken == []
    assert [problem.code for problem in report.problems] == [ErrorCode.RECORDING_STATE]
    async with runtime.database.work(other.organization_id) as session:
        assert await session.scalar(select(func.count()).select_from(Recording)) == 0


async def test_without_their_words_file_words_are_found_anew(runtime: Runtime, other_conninfo: str) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, LONGER)
    await do_jobs(runtime)
    words = await transcript_of(runtime, person, recording_id)
    lost = (await copies_of(runtime, person, recording_id))["transcript"]
    await runtime.stores.primary.delete(lost.key)

    async with after_the_loss(runtime, other_conninfo) as fresh:
        report = await import_store(fresh, "local")
        assert (len(report.taken), report.with_words) == (1, 0)
        await do_jobs(fresh)
        finder = await add_person(fresh, person.organization_id)
        anew = await transcript_of(fresh, finder, recording_id)
        assert anew["segments"] == words["segments"]  # type: ignore[index]


async def test_what_somebody_has_written_beside_is_not_believed(
    runtime: Runtime, other_conninfo: str
) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, SOUND)
    await do_jobs(runtime)
    found = await copies_of(runtime, person, recording_id)
    store = runtime.stores.primary
    about = json.loads(b"".join([piece async for piece in store.read(found["sidecar"].key)]))
    folder = f"recordings/{person.organization_id}/{new_id()}"
    fakes = {
        f"{folder}/a.about.json": b"{",
        f"{folder}/b.about.json": json.dumps({**about, "recording_id": "../../x"}).encode(),
        f"{folder}/c.about.json": json.dumps({**about, "recording_id": str(new_id()), "blobs": []}).encode(),
        f"{folder}/d.about.json": b" " * (2 << 20),
    }

    async def body(whole: bytes) -> AsyncIterator[bytes]:
        yield whole

    for key, whole in fakes.items():
        await store.put(key, body(whole))
    async with after_the_loss(runtime, other_conninfo) as fresh:
        report = await import_store(fresh, "local")

    assert [str(taken) for taken in report.taken] == [recording_id]
    assert sorted(problem.key for problem in report.problems) == sorted(fakes)


async def test_a_copy_that_was_moved_is_found_by_its_recording(runtime: Runtime, other_conninfo: str) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, SOUND)
    await do_jobs(runtime)
    copy = (await copies_of(runtime, person, recording_id))["original"]
    moved = f"recordings/{person.organization_id}/{recording_id}/{new_id()}"
    await runtime.stores.primary.copy(copy.key, moved)
    await runtime.stores.primary.delete(copy.key)

    async with after_the_loss(runtime, other_conninfo) as fresh:
        report = await import_store(fresh, "local")
        assert ([str(taken) for taken in report.taken], report.problems) == ([recording_id], [])
        async with fresh.database.work(person.organization_id) as session:
            assert moved in (await session.scalars(select(Copy.key))).all()


def lay_out(root: Path) -> None:
    """Files as another product has laid them out."""
    for path, body in {
        "2023/anna/visit-1.wav": SOUND,
        "2024/anna/visit-2.wav": LONGER,
        "2024/Jürgen/visit-3.wav": wav(beeps(1.5)),
        "2024/anna/notes.txt": b"not a recording",
        "readme.md": b"hello",
        "2024/.hidden/x.wav": SOUND,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)


async def test_a_plain_folder_is_taken_in_once(runtime: Runtime, tmp_path: Path) -> None:
    person, root = await add_person(runtime), tmp_path / "archive"
    lay_out(root)
    wanted = Wanted(person.organization_id, Pattern.parse("{year}/{client}/{visit}.{ext}"), "visit_audio")

    tried = await import_plain(runtime, Folder(root), wanted, dry_run=True)
    assert (tried.files, tried.taken, tried.unlike) == (5, 3, 1)
    assert tried.examples[0]["client"] == "anna"
    async with runtime.database.work(person.organization_id) as session:
        assert await session.scalar(select(func.count()).select_from(Recording)) == 0

    done = await import_plain(runtime, Folder(root), wanted)
    assert (done.taken, [problem.key for problem in done.problems]) == (3, ["2024/anna/notes.txt"])
    again = await import_plain(runtime, Folder(root), wanted)
    assert (again.taken, again.there) == (0, 3)

    await do_jobs(runtime)
    async with runtime.database.work(person.organization_id) as session:
        found = (await session.scalars(select(Recording).order_by(Recording.visit_id))).all()
    assert [one.visit_id for one in found] == ["visit-1", "visit-2", "visit-3"]
    assert found[2].recording_metadata == {"client": "Jürgen", "recorded_on": "2024"}
    assert {one.recording_type for one in found} == {"visit_audio"}
    assert {one.status for one in found} == {"transcribed"}
    assert sorted(path.name for path in root.rglob("*.wav")) == [
        "visit-1.wav",
        "visit-2.wav",
        "visit-3.wav",
        "x.wav",
    ]


async def test_an_import_that_was_cut_off_goes_on(runtime: Runtime, tmp_path: Path) -> None:
    person, root = await add_person(runtime), tmp_path / "archive"
    lay_out(root)
    wanted = Wanted(person.organization_id, Pattern.parse("{year}/{client}/{visit}.{ext}"))

    class Breaks(Folder):
        """A folder whose disk fails in the middle of the second file."""

        async def read(self, file, end=None):  # type: ignore[no-untyped-def]
            async for piece in super().read(file, end):
                if end is None and "visit-3" in file.path:
                    yield piece[:100]
                    raise KeyboardInterrupt
                yield piece

    with pytest.raises(KeyboardInterrupt):
        await import_plain(runtime, Breaks(root), wanted)
    report = await import_plain(runtime, Folder(root), wanted)

    assert (report.taken, report.there) == (2, 1)
    async with runtime.database.work(person.organization_id) as session:
        sizes = (await session.scalars(select(Recording.size_bytes).order_by(Recording.visit_id))).all()
    assert sizes == [len(SOUND), len(LONGER), len(wav(beeps(1.5)))]


async def test_a_plain_bucket_is_taken_in(any_runtime: Runtime, person: Person) -> None:
    store = any_runtime.stores.primary

    async def body(whole: bytes) -> AsyncIterator[bytes]:
        yield whole

    await store.put("old/2024-01-15/conv_1.wav", body(SOUND))
    await store.put("old/2024-01-15/conv_2.wav", body(LONGER))
    await take_in(any_runtime, person, wav(beeps(1.2)))
    wanted = Wanted(person.organization_id, Pattern.parse("{date}/{session}.{ext}"))

    report = await import_plain(any_runtime, Bucket(store, "old/"), wanted)

    assert (report.files, report.taken, report.problems) == (2, 2, [])
    async with client_of(any_runtime, person) as client:
        part = (await client.get("/api/v1/sessions/conv_2")).json()["parts"][0]
        assert await download(client, part["recording_id"]) == LONGER


@pytest.mark.parametrize("wrong", ["", "plain.wav", "{Client}/{x}", "/abs/{x}", "{a}/../{b}", "{a", "{}"])
def test_a_pattern_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        Pattern.parse(wrong)
    assert refused.value.code == ErrorCode.IMPORT_PATTERN


def test_a_pattern_reads_the_layouts_of_other_products() -> None:
    told = Pattern.parse("uploads/{session}/{year}/{month}/{day}/{name}.{ext}").read(
        "uploads/conv_abc123/2024/01/15/meeting.wav"
    )
    assert told is not None
    assert told.fields == {"session_external_id": "conv_abc123"}
    assert told.metadata == {"recorded_on": "2024-01-15"}
    twice = Pattern.parse("{session}/{session}-{part}.{ext}")
    assert twice.read("a/b-1.wav") is None
    assert twice.read("a/a-12.wav").fields == {"session_external_id": "a", "part_number": 12}  # type: ignore[union-attr]
