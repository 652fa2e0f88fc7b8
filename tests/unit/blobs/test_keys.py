"""Keys: no two blobs share one whatever hosts and people call things, and every store takes them."""

import re
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelkeep.blobs.key_templates import FOR_ALL, KeyTemplates, check_store_keys
from reelkeep.blobs.keys import (
    ABOUT_ENDINGS,
    DEFAULT,
    LAID_OUT_BYTES_MAX,
    PRESETS,
    SEALED,
    WORDS_ENDINGS,
    KeyedBlob,
    KeyFacts,
    KeyTemplate,
    blob_key,
    incoming_key,
    upload_of_key,
)
from reelkeep.blobs.models import BlobKind
from reelkeep.clock import new_id
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.runtime import Stores
from reelkeep.stores.keys import check_key
from reelkeep.stores.memory import MemoryStore
from reelkeep.stores_config import LocalSpec

MOMENT = datetime(2024, 1, 15, 9, 8, 7, tzinfo=UTC)
HOSTILE = ("..", "../../etc/passwd", "/", "a/b", "", " ", "Ж", "\x00", "x" * 5_000, ".json", "%2e%2e", "CON")

ids = st.uuids()
texts = st.one_of(st.text(), st.sampled_from(HOSTILE), st.uuids().map(str), st.none())
blobs = st.builds(
    KeyedBlob, ids, st.sampled_from(list(BlobKind)), st.one_of(st.text(), st.just("audio/webm"))
)
facts = st.builds(
    KeyFacts,
    organization_id=ids,
    recording_id=ids,
    created_at=st.datetimes(timezones=st.just(UTC)),
    user_id=st.one_of(st.none(), ids),
    recording_type=st.text(),
    appointment_id=texts,
    visit_id=texts,
    session_id=texts,
    filename=texts.map(lambda text: text or ""),
    metadata=st.dictionaries(st.just("customer_id"), texts),
)
templates = st.sampled_from([KeyTemplate.parse(name) for name in PRESETS])


@given(templates, facts, blobs, st.booleans())
def test_every_store_takes_every_key_and_nobody_can_write_there(
    template: KeyTemplate, facts: KeyFacts, blob: KeyedBlob, compressed: bool
) -> None:
    key = template.build(facts, blob, compressed=compressed)

    assert check_key(key) == key
    assert key.startswith(f"{SEALED}{facts.organization_id}/")
    assert len(key) <= LAID_OUT_BYTES_MAX
    assert str(blob.id) in key


@settings(max_examples=300)
@given(templates, facts, blobs, blobs, st.data())
def test_no_two_blobs_share_a_key(
    template: KeyTemplate,
    one: KeyFacts,
    blob: KeyedBlob,
    second: KeyedBlob,
    data: st.DataObject,
) -> None:
    if blob.id == second.id:
        return
    # A host may know the ids of blobs and put them where its own ids go, with what stands between.
    spoken = st.sampled_from(["x", str(blob.id), str(second.id), f"x_{blob.id}", f"{second.id}_x", "x_x"])

    def told() -> KeyFacts:
        return KeyFacts(
            one.organization_id,
            one.recording_id,
            one.created_at,
            session_id=data.draw(spoken),
            appointment_id=data.draw(spoken),
            filename=data.draw(spoken),
            metadata={"customer_id": data.draw(spoken)},
        )

    assert template.build(told(), blob) != template.build(told(), second)
    assert template.build(one, blob) != template.build(told(), second)


def test_what_the_rules_forbid_would_mix_blobs_up() -> None:
    first, second = (
        KeyedBlob(UUID(int=1), BlobKind.PEAKS, "x/y"),
        KeyedBlob(UUID(int=2), BlobKind.PEAKS, "x/y"),
    )
    loose = KeyTemplate("{organization}/{recording}/{session}_{blob}_{visit}")

    def facts(session_id: str, visit_id: str) -> KeyFacts:
        return KeyFacts(UUID(int=3), UUID(int=4), MOMENT, session_id=session_id, visit_id=visit_id)

    one = loose.build(facts("x", f"y_{second.id}_z"), first)
    assert one == loose.build(facts(f"x_{first.id}_y", "z"), second)
    with pytest.raises(Invalid, match="could be taken for it"):
        KeyTemplate.parse(loose.text)


@given(ids, ids, ids)
def test_without_a_template_keys_are_what_they_always_were(
    organization_id: UUID, recording_id: UUID, blob_id: UUID
) -> None:
    facts = KeyFacts(organization_id, recording_id, MOMENT, filename="Frau Müller.wav")
    built = DEFAULT.build(facts, KeyedBlob(blob_id, BlobKind.ORIGINAL, "audio/wav"))

    assert built == blob_key(organization_id, recording_id, blob_id)
    assert built == f"recordings/{organization_id}/{recording_id}/{blob_id}"


def test_the_seeds_layouts_look_as_their_products_wrote_them() -> None:
    organization, recording, user, blob_id = new_id(), new_id(), new_id(), new_id()
    facts = KeyFacts(
        organization,
        recording,
        MOMENT,
        user_id=user,
        appointment_id="123e4567",
        session_id="conv_abc123",
        filename="meeting.wav",
        metadata={"customer_id": "customer-987"},
    )
    original = KeyedBlob(blob_id, BlobKind.ORIGINAL, "audio/wav")
    words = KeyedBlob(blob_id, BlobKind.TRANSCRIPT, "application/gzip")

    def key(preset: str, blob: KeyedBlob = original, *, compressed: bool = False) -> str:
        built = KeyTemplate.parse(preset).build(facts, blob, compressed=compressed)
        return built.removeprefix(f"recordings/{organization}/").replace(str(blob_id), "BLOB")

    assert key("clinic") == f"customer-987/20240115/conv_abc123/{recording}/BLOB.wav"
    assert key("appointments") == f"{user}/appointment_123e4567/{recording}/20240115_090807_BLOB.wav"
    assert key("coach") == f"users/{user}/recordings/{recording}/original_BLOB.wav"
    assert key("conversations") == f"conv_abc123/2024/01/15/{recording}/BLOB.wav"
    assert key("conversations-named") == f"conv_abc123/2024/01/15/{recording}/BLOB/meeting.wav"
    assert key("conversations-s3") == f"audio/conv_abc123/2024/01/15/{recording}/BLOB.wav"
    assert (
        key("conversations-s3", words, compressed=True)
        == f"transcripts/conv_abc123/2024/01/15/{recording}/BLOB.words.json.gz"
    )
    assert key("lectures") == f"users/user_{user}/recordings/{recording}/source_BLOB.wav"


@pytest.mark.parametrize(("preset", "compressed"), list(product(PRESETS, (False, True))))
def test_what_an_import_reads_is_known_by_its_ending(preset: str, compressed: bool) -> None:
    facts = KeyFacts(new_id(), new_id(), MOMENT, filename="a.about.json.wav")
    template = KeyTemplate.parse(preset)
    keys = {
        kind: template.build(facts, KeyedBlob(new_id(), kind, "audio/wav"), compressed=compressed)
        for kind in BlobKind
    }

    assert keys[BlobKind.SIDECAR].endswith(ABOUT_ENDINGS)
    assert keys[BlobKind.TRANSCRIPT].endswith(WORDS_ENDINGS)
    assert keys[BlobKind.TRANSCRIPT].endswith(".gz") == compressed
    assert not keys[BlobKind.ORIGINAL].endswith((*ABOUT_ENDINGS, *WORDS_ENDINGS))


def test_hosts_ids_that_look_alike_keep_folders_of_their_own() -> None:
    template = KeyTemplate.parse("conversations")

    def folder(session_id: str) -> str:
        facts = KeyFacts(UUID(int=1), UUID(int=2), MOMENT, session_id=session_id)
        return template.build(facts, KeyedBlob(UUID(int=3), BlobKind.ORIGINAL, "audio/wav")).split("/")[2]

    names = [folder(name) for name in ("Ä1", "A1", "A-1", "A/1", "A:1", "a" * 100, "a" * 101)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) for name in names)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{organization}/{recording}", "{blob} is missing"),
        ("{organization}/{blob}", "{recording} is missing"),
        ("{recording}/{blob}", "begin with {organization}/"),
        ("incoming/{organization}/{recording}/{blob}", "begin with {organization}/"),
        ("{organization}/{recording}/{blob}/{title}", "there are"),
        ("{organization}/{recording}/{session}_{blob}_{visit}", "could be taken for it"),
        ("{organization}/{recording}/{blob}.{ext}/x", "at the end"),
        ("{organization}/{recording}/{blob}{ext}", "write the ending as .{ext}"),
        ("{organization}/{recording}/{blob}_{filename}", "whole last part"),
        ("{organization}//{recording}/{blob}", "is empty"),
        ("{organization}/../{recording}/{blob}", "is empty"),
        ("{organization}/Wörter/{recording}/{blob}", "only A-Z"),
        ("{organization}/{recording}/{blob}/" + "{session}" * 4, "longer than"),
        ("{organization}/" + "{session}/" * 20 + "{recording}/{blob}", "longer than"),
        ("{organization}/{recording}/{blob}" + "x" * 300, "more than 300"),
        ("no-such-preset", "begin with {organization}/"),
    ],
)
def test_a_template_that_could_mix_blobs_up_is_refused_and_says_why(template: str, told: str) -> None:
    with pytest.raises(Invalid, match=re.escape(told)) as refused:
        KeyTemplate.parse(template)
    assert refused.value.code == ErrorCode.KEY_TEMPLATE_INVALID


def test_a_store_as_a_whole_puts_no_file_names_into_keys(tmp_path) -> None:
    with pytest.raises(Invalid, match="where an organization asks for it"):
        KeyTemplate.parse("conversations-named", may_name=False)
    spec = LocalSpec(name="cellar", path=tmp_path, keys="conversations-named")
    with pytest.raises(ReelkeepError, match=r"stores\.cellar\.keys") as refused:
        check_store_keys(Stores({}, "cellar", specs={"cellar": spec}))
    assert refused.value.code == ErrorCode.SETTINGS_INVALID


def test_the_nearest_template_counts(tmp_path) -> None:
    spec = LocalSpec(name="cellar", path=tmp_path, keys="lectures")
    stores = Stores({"cellar": MemoryStore("cellar")}, "cellar", specs={"cellar": spec})

    def followed(**own: str) -> str:
        return KeyTemplates(own).for_store(stores, "cellar").text

    coach, clinic, ids = (PRESETS[name] for name in ("coach", "clinic", "ids"))
    assert followed() == PRESETS["lectures"]
    assert followed(**{FOR_ALL: coach}) == coach
    assert followed(**{FOR_ALL: coach, "kind:local": clinic}) == clinic
    assert followed(**{FOR_ALL: coach, "kind:s3": clinic}) == coach
    assert followed(**{"kind:local": clinic, "store:cellar": ids}) == ids
    assert followed(**{FOR_ALL: "{from}/another/{version}"}) == DEFAULT.text


def test_transcripts_lie_plain_only_in_a_conversations_folder(tmp_path) -> None:
    local = LocalSpec(name="cellar", path=tmp_path)
    stores = Stores({}, "cellar", specs={"cellar": local})

    assert KeyTemplates().compresses(stores, "cellar")
    assert not KeyTemplates({FOR_ALL: PRESETS["conversations"]}).compresses(stores, "cellar")
    assert KeyTemplates({FOR_ALL: PRESETS["conversations"]}, "gzip").compresses(stores, "cellar")
    assert not KeyTemplates({}, "plain").compresses(stores, "cellar")


def test_an_incoming_key_tells_its_upload() -> None:
    organization_id, upload_id = new_id(), new_id()
    assert upload_of_key(incoming_key(organization_id, upload_id)) == (organization_id, upload_id)
    assert upload_of_key(blob_key(organization_id, upload_id, new_id())) is None
