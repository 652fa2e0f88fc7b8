"""A dry run of a move: what it would copy, remove and cost, told to an administrator and to the operator."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from reelkeep.blobs.models import Blob
from reelkeep.http import storage_moves_routes
from reelkeep.placement import preview as walk
from reelkeep.placement import sweep
from reelkeep.placement.load import in_force
from reelkeep.placement.models import Relocation
from reelkeep.placement.relocate import begin_relocation
from reelkeep.placement.write_rules import write_rules
from reelkeep.runtime import Runtime
from reelkeep.wiring import open_runtime
from tests.fixtures.runtime import add_person, client_of, settings_for
from tests.service.cli.conftest import CommandLine, clean_environment
from tests.service.test_storage_usage_told import PREVIEW, upload
from tests.service.test_uploads import SOUND

STORES = """
[stores.local.prices]
currency = "EUR"
storage = 1000000.0
[stores.local.prices.requests]
read = 1000
delete = 2000
[stores.second]
kind = "local"
path = "{second}"
[stores.second.prices]
currency = "EUR"
storage = 3000000.0
[stores.second.prices.requests]
write = 5000
[stores.third]
kind = "local"
path = "{third}"
"""


@pytest.fixture
async def several(tmp_path: Path, conninfo: str) -> Any:
    """Three folders; the first two have prices."""
    (tmp_path / "stores.toml").write_text(STORES.format(second=tmp_path / "second", third=tmp_path / "third"))
    settings = settings_for(tmp_path / "data", conninfo, stores_file=tmp_path / "stores.toml")
    async with open_runtime(settings) as opened:
        yield opened


async def test_an_administrator_sees_what_a_move_would_do_with_the_organizations_own(
    several: Runtime,
) -> None:
    person, other = await add_person(several), await add_person(several)
    for owner in (person, person, other):
        await upload(several, owner)
    async with client_of(several, person) as client:
        told = (await client.get(PREVIEW, params={"source": "local", "target": "second"})).json()
    place = {"storage_class": "", "copies": 2, "bytes": 2 * len(SOUND)}
    gigabytes = 2 * len(SOUND) / 10**9
    assert told == {
        "source": "local",
        "target": "second",
        "make": [{"store": "second", **place}],
        "remove": [{"store": "local", **place}],
        "lost": 0,
        "all_looked_at": True,
        "currency": "EUR",
        # Two are read, written and removed, at these prices for a thousand.
        "cost_once": f"{2 * (1 + 5 + 2):.4f}",
        "cost_per_month_more": f"{2_000_000 * gigabytes:.4f}",
        "stores_without_prices": [],
    }
    async with several.database.directory() as session:
        assert list(await session.scalars(select(Relocation))) == []


async def test_a_move_the_other_way_is_taken_as_given_up(several: Runtime) -> None:
    person = await add_person(several)
    await upload(several, person)
    await begin_relocation(several, "second", "local")
    async with client_of(several, person) as client:
        told = (await client.get(PREVIEW, params={"source": "local", "target": "second"})).json()
    assert [(one["store"], one["copies"]) for one in told["make"]] == [("second", 1)]


async def test_stores_without_prices_are_named(several: Runtime) -> None:
    person = await add_person(several)
    await upload(several, person)
    async with client_of(several, person) as client:
        told = (await client.get(PREVIEW, params={"source": "local", "target": "third"})).json()
        assert told["stores_without_prices"] == ["third"]
        assert told["cost_once"] is not None
        nothing = (await client.get(PREVIEW, params={"source": "third", "target": "second"})).json()
    assert (nothing["make"], nothing["remove"], nothing["cost_once"]) == ([], [], None)


async def test_what_cannot_be_begun_is_refused_in_the_same_words(several: Runtime) -> None:
    person = await add_person(several)
    async with client_of(several, person) as client:
        for query, said in (
            ({"source": "local", "target": "local"}, "same store"),
            ({"source": "nowhere", "target": "local"}, "'nowhere'"),
            ({"source": "local", "target": "nowhere"}, "'nowhere'"),
            ({"source": "local"}, "only in 'local'"),
        ):
            answer = await client.get(PREVIEW, params=query)
            assert (answer.status_code, answer.json()["error_code"]) == (422, "RELOCATION_INVALID")
            assert said in answer.json()["message"]
        await write_rules(several, "*: local, second")
        assert (await client.get(PREVIEW, params={"source": "local"})).status_code == 200


async def test_a_request_looks_at_so_many_and_says_that_there_are_more(
    several: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await add_person(several)
    for _ in range(3):
        await upload(several, person)
    monkeypatch.setattr(walk, "PAGE_ROWS", 1)
    monkeypatch.setattr(storage_moves_routes, "BLOBS_MAX", 2)
    async with client_of(several, person) as client:
        told = (await client.get(PREVIEW, params={"source": "local", "target": "second"})).json()
    assert told["all_looked_at"] is False


async def test_the_operator_sees_it_of_everybody_with_the_cost(several: Runtime, tmp_path: Path) -> None:
    for _ in range(2):
        await upload(several, await add_person(several))
    settings = several.settings
    assert settings.database_url is not None
    environment = {
        **clean_environment(),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REELKEEP_STORES_FILE": str(tmp_path / "stores.toml"),
    }
    line = CommandLine(settings.data, environment)
    asked = ("storage", "migrate", "--from", "local", "--to", "second", "--dry-run")
    told = line.ok(*asked, "--json").json
    assert [(one["store"], one["copies"]) for one in told["make"]] == [("second", 2)]
    assert [(one["store"], one["copies"]) for one in told["remove"]] == [("local", 2)]
    assert float(told["cost_once"]) == 16
    shown = line.ok(*asked).out
    assert "16.00 EUR" in shown
    assert "remove from" in shown
    assert (
        "Nothing would be moved"
        in line.ok("storage", "migrate", "--from", "third", "--to", "second", "--dry-run").notes
    )


@pytest.mark.parametrize("sorts", [0, 20_000])
async def test_rules_that_change_with_age_are_held_against_the_age_of_each_blob_to_the_moment(
    several: Runtime, monkeypatch: pytest.MonkeyPatch, sorts: int
) -> None:
    monkeypatch.setattr(walk, "SORTS_MAX", sorts)
    monkeypatch.setattr(sweep, "PAGE_ROWS", 2)
    monkeypatch.setattr(walk, "PAGE_ROWS", 2)
    person = await add_person(several)
    for _ in range(5):
        await upload(several, person)
    older = text("update blob set created_at = created_at - make_interval(secs => :seconds) where id = :id")
    async with several.database.work(person.organization_id) as session:
        blobs = list(await session.scalars(select(Blob.id).where(Blob.kind == "original")))
        # To the moment of the look some seconds more; so the third is not yet, and the fourth is.
        for blob_id, days in zip(blobs, (0, 1, 29.99, 30, 31), strict=True):
            await session.execute(older, {"seconds": days * 86_400, "id": blob_id})
    await write_rules(several, "original: local; after 30 days: second\n*: local")
    found = await walk.preview(several, await in_force(several, fresh=True))
    assert (found.made["second", ""], found.let_go["local", ""]) == (
        walk.Sum(2, 2 * len(SOUND)),
        walk.Sum(2, 2 * len(SOUND)),
    )
    assert (found.blobs, found.settled, found.all_looked_at) == (5, 3, True)
