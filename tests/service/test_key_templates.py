"""Keys as an organization wants them: new blobs follow, what is there stays, and nobody can write there."""

import json
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from reelkeep.blobs.key_templates import clear_templates, set_template, set_transcripts
from reelkeep.blobs.models import Blob, BlobKind, Copy
from reelkeep.catalog.about import read_words
from reelkeep.errors import Invalid, StoreError
from reelkeep.recordings.blob_keys import key_in_store
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.uploads.leftovers import sweep_attempts
from reelkeep.uploads.models import Upload
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.service.test_processing import take_in
from tests.service.test_sweep import later
from tests.service.test_uploads import SOUND, complete, download, initiate, send


async def copies_of(runtime: Runtime, person: Person, recording_id: str) -> dict[str, Copy]:
    """Where the recording's blobs lie, by kind."""
    query = select(Blob.kind, Copy).join(
        Copy, (Copy.organization_id == Blob.organization_id) & (Copy.blob_id == Blob.id)
    )
    async with runtime.database.work(person.organization_id) as session:
        rows = await session.execute(query.where(Blob.recording_id == UUID(recording_id)))
        return {row.kind: row.Copy for row in rows}


async def body_of(runtime: Runtime, copy: Copy) -> bytes:
    """The bytes of a copy."""
    return b"".join([piece async for piece in runtime.stores.get(copy.store).read(copy.key)])


async def test_new_blobs_follow_the_template_and_old_ones_stay(any_runtime: Runtime, person: Person) -> None:
    before = await take_in(any_runtime, person, SOUND)
    old = (await copies_of(any_runtime, person, before))["original"].key
    assert old.startswith(f"recordings/{person.organization_id}/{before}/")

    await set_template(any_runtime, person.organization_id, "conversations-named")
    after = await take_in(any_runtime, person, SOUND, filename="Frau Müller.wav", session_id="conv_1")
    await do_jobs(any_runtime)
    found = await copies_of(any_runtime, person, after)

    assert set(found) == {"original", "playback", "peaks", "transcript", "sidecar"}
    assert found["original"].key.endswith("/Frau_Muller.wav")
    assert found["sidecar"].key.endswith("/Frau_Muller_metadata.json")
    folder = f"recordings/{person.organization_id}/conv_1/"
    assert all(copy.key.startswith(folder) and after in copy.key for copy in found.values())
    assert len({copy.key for copy in found.values()}) == len(found)
    assert (await copies_of(any_runtime, person, before))["original"].key == old
    async with client_of(any_runtime, person) as client:
        assert await download(client, before) == await download(client, after) == SOUND

    await clear_templates(any_runtime, person.organization_id)
    last = await take_in(any_runtime, person, SOUND)
    found = await copies_of(any_runtime, person, last)
    assert found["original"].key == f"recordings/{person.organization_id}/{last}/{found['original'].blob_id}"


async def test_a_template_of_one_organization_is_not_anothers(runtime: Runtime) -> None:
    one, other = await add_person(runtime), await add_person(runtime)
    await set_template(runtime, one.organization_id, "lectures")
    with pytest.raises(Invalid):
        await set_template(runtime, other.organization_id, "{recording}/{blob}")

    for person, ending in ((one, ".wav"), (other, "")):
        key = (await copies_of(runtime, person, await take_in(runtime, person, SOUND)))["original"].key
        assert key.endswith(ending or key[-36:])
        assert ("/users/" in key) == (person is one)


async def test_a_copy_in_another_store_is_laid_out_for_that_store(runtime: Runtime) -> None:
    person = await add_person(runtime)
    recording_id = await take_in(runtime, person, SOUND, session_id="conv_1")
    copy = (await copies_of(runtime, person, recording_id))["original"]
    await set_template(runtime, person.organization_id, "conversations-s3", scope="store:elsewhere")

    async with runtime.database.work(person.organization_id) as session:
        values = (session, runtime.stores)
        elsewhere = await key_in_store(*values, "elsewhere", person.organization_id, copy.blob_id)
        here = await key_in_store(*values, "local", person.organization_id, copy.blob_id)

    assert here == copy.key
    assert elsewhere.startswith(f"recordings/{person.organization_id}/audio/conv_1/")
    assert elsewhere.endswith(f"/{recording_id}/{copy.blob_id}.wav")


@pytest.mark.parametrize(
    "preset", ["ids", "clinic", "appointments", "coach", "conversations-named", "lectures"]
)
async def test_an_access_key_can_write_no_sealed_bytes_under_any_preset(
    runtime: Runtime, preset: str
) -> None:
    person = await add_person(runtime)
    await set_template(runtime, person.organization_id, preset)
    recording_id = await take_in(runtime, person, SOUND)
    key = (await copies_of(runtime, person, recording_id))["original"].key

    async with client_of(runtime, person) as client:
        for method in ("PUT", "DELETE"):
            url = runtime.stores.signing("local").url_for(method, key, 60)
            assert (await client.request(method, url, content=b"other")).status_code == 403, method
        assert await download(client, recording_id) == SOUND


async def test_what_a_lost_attempt_left_is_removed_from_its_own_key_old_notes_too(runtime: Runtime) -> None:
    person = await add_person(runtime)
    store = runtime.stores.primary
    await set_template(runtime, person.organization_id, "conversations")
    recording_id = await take_in(runtime, person, SOUND)
    left = f"recordings/{person.organization_id}/conv/2024/01/15/{recording_id}/{UUID(int=7)}.wav"
    older = f"recordings/{person.organization_id}/{recording_id}/{UUID(int=8)}"
    kept = (await copies_of(runtime, person, recording_id))["original"]
    for key in (left, older):
        await store.copy(kept.key, key)
    async with runtime.database.work(person.organization_id) as session:
        assert (await session.scalar(select(Upload.seal_attempts))) == [], "the winner is off the list"
        await session.execute(update(Upload).values(seal_attempts=[left, str(UUID(int=8))]))

    assert await sweep_attempts(later(runtime, days=2)) == 1

    assert [facts.key async for facts in store.list_objects("recordings/")] == [kept.key]
    async with runtime.database.work(person.organization_id) as session:
        assert (await session.scalar(select(Upload.seal_attempts))) == []


async def test_a_refused_upload_leaves_nothing_under_its_template(
    any_runtime: Runtime, person: Person
) -> None:
    await set_template(any_runtime, person.organization_id, "appointments")
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, b"<html>" + bytes(2_000))
        assert (await complete(client, ticket)).status_code == 415

    assert [facts.key async for facts in any_runtime.stores.primary.list_objects("recordings/")] == []
    async with any_runtime.database.work(person.organization_id) as session:
        assert (await session.scalar(select(Upload.seal_attempts))) == []


async def test_the_file_beside_an_original_tells_ids_and_times_and_no_names(
    any_runtime: Runtime, person: Person
) -> None:
    recording_id = await take_in(
        any_runtime, person, wav(beeps(4)), filename="Frau Müller.wav", title="Grief", session_id="conv_1"
    )
    await do_jobs(any_runtime)
    found = await copies_of(any_runtime, person, recording_id)
    body = await body_of(any_runtime, found["sidecar"])
    told = json.loads(body)

    assert told["organization_id"] == str(person.organization_id)
    assert told["recording_id"] == recording_id
    assert told["session"]["external_id"] == "conv_1"
    assert told["duration_seconds"] == pytest.approx(4, abs=0.1)
    blobs = {blob["kind"]: blob for blob in told["blobs"]}
    assert set(blobs) == {"original", "playback", "peaks", "transcript"}
    assert all(len(blob["sha256"]) == 64 for blob in blobs.values())
    assert not any(name in body.decode() for name in ("Müller", "Muller", "Grief"))

    words = await body_of(any_runtime, found["transcript"])
    assert words[:2] == b"\x1f\x8b", "compressed"
    assert str(read_words(words, "").recording_id) == recording_id


async def test_an_original_carries_its_ids_from_the_seal_on(any_runtime: Runtime, person: Person) -> None:
    recording_id = await take_in(any_runtime, person, SOUND)
    copy = (await copies_of(any_runtime, person, recording_id))["original"]

    told = await any_runtime.stores.primary.description_of(copy.key)  # type: ignore[attr-defined]

    assert told["recording-id"] == recording_id
    assert told["organization-id"] == str(person.organization_id)
    assert told["blob-id"] == str(copy.blob_id)
    assert (await any_runtime.stores.primary.head(copy.key)).content_type == "audio/wav"


async def test_transcripts_lie_plain_where_the_rule_says_so(runtime: Runtime) -> None:
    person = await add_person(runtime)
    await set_transcripts(runtime, person.organization_id, "plain")
    recording_id = await take_in(runtime, person, SOUND)
    await do_jobs(runtime)
    found = (await copies_of(runtime, person, recording_id))["transcript"]

    assert found.key.endswith(".words.json")
    assert json.loads(await body_of(runtime, found))["recording_id"] == recording_id


async def test_the_description_is_kept_as_things_are_and_older_ones_go(
    any_runtime: Runtime, person: Person
) -> None:
    recording_id = await take_in(any_runtime, person, SOUND)
    await do_jobs(any_runtime)
    first = (await copies_of(any_runtime, person, recording_id))["sidecar"]
    async with any_runtime.database.work(person.organization_id) as session:
        recording = await session.get_one(Recording, (person.organization_id, UUID(recording_id)))
        recording.visit_id = "visit-9"

    async with client_of(any_runtime, person) as client:
        again = await client.post(f"/api/v1/recordings/{recording_id}/steps/peaks/rerun")
        assert again.status_code in (200, 202), again.text
    await do_jobs(any_runtime)

    found = (await copies_of(any_runtime, person, recording_id))["sidecar"]
    assert found.key != first.key
    assert json.loads(await body_of(any_runtime, found))["visit_id"] == "visit-9"
    with pytest.raises(StoreError):
        await any_runtime.stores.primary.head(first.key)
    async with any_runtime.database.work(person.organization_id) as session:
        sidecars = await session.scalars(select(Blob).where(Blob.kind == BlobKind.SIDECAR))
        assert len(sidecars.all()) == 1
        total = await session.scalar(text("select sum(size_bytes) from blob"))
        assert await session.scalar(text("select bytes_used from usage")) == total
