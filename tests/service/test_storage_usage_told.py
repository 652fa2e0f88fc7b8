"""What lies where and what it costs, as the API tells an administrator and the command line an operator."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from reelkeep.accounts.models import Role
from reelkeep.blobs.models import Copy, CopyState, StoreRow
from reelkeep.blobs.store_usage import holdings_of_all, month_of, prices_of
from reelkeep.blobs.traffic import keep_traffic
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.events.models import Event
from reelkeep.placement.copies import mark_bad
from reelkeep.placement.models import Relocation
from reelkeep.runtime import Runtime
from reelkeep.stores.traffic import ActionClass, Counted, traffic_of
from reelkeep.stores_config import configured_stores
from reelkeep.uploads.set_limits import set_limits
from reelkeep.wiring import open_runtime
from tests.fixtures.runtime import add_person, client_of, do_jobs, settings_for
from tests.fixtures.usage import usage_of
from tests.service.cli.conftest import CommandLine, clean_environment
from tests.service.test_uploads import SOUND, complete, initiate, send

PRICED = """
[stores.local.prices]
currency = "EUR"
storage = 1000000.0   # a GB is kept for a month: these recordings are small
[stores.local.prices.requests]
write = 5
"""
USAGE = "/api/v1/storage/usage"
PREVIEW = "/api/v1/storage/moves/preview"


@pytest.fixture
async def priced(tmp_path: Path, conninfo: str) -> Any:
    """An installation whose local store has a price table."""
    (tmp_path / "stores.toml").write_text(PRICED)
    settings = settings_for(tmp_path / "data", conninfo, stores_file=tmp_path / "stores.toml")
    async with open_runtime(settings) as opened:
        yield opened


async def upload(runtime: Runtime, person: Any) -> None:
    async with client_of(runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)
        assert (await complete(client, ticket)).status_code == 200


async def test_an_administrator_reads_what_the_organization_keeps_and_its_cost(priced: Runtime) -> None:
    person, other = await add_person(priced), await add_person(priced)
    await upload(priced, person)
    await upload(priced, other)
    await upload(priced, other)
    await set_limits(priced, person.organization_id, "", {"quota_bytes": 10**6}, by_operator=True)
    async with client_of(priced, person) as client:
        told = (await client.get(USAGE)).json()
    assert told == {
        "stores": [
            {
                "store": "local",
                "storage_class": "",
                "bytes": len(SOUND),
                "copies": 1,
                "cost_per_month": f"{Decimal(len(SOUND)) / 1000:.4f}",
            }
        ],
        "bytes_stored": len(SOUND),
        "copies": 1,
        "currency": "EUR",
        "cost_per_month": f"{Decimal(len(SOUND)) / 1000:.4f}",
        "stores_without_prices": [],
        "bytes_used": len(SOUND),
        "bytes_reserved": 0,
        "quota_bytes": 10**6,
    }


async def test_without_prices_there_is_no_cost_and_the_store_is_named(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        empty = (await client.get(USAGE)).json()
        assert (empty["stores"], empty["bytes_stored"], empty["cost_per_month"]) == ([], 0, None)
        await upload(runtime, person)
        await do_jobs(runtime)
        told = (await client.get(USAGE)).json()
    assert told["cost_per_month"] is told["currency"] is told["stores"][0]["cost_per_month"] is None
    assert told["stores_without_prices"] == ["local"]
    assert told["copies"] >= 3, "the original, playback and peaks"
    assert told["bytes_used"] == told["bytes_stored"] == (await usage_of(runtime, person)).bytes_used


async def test_copies_that_are_not_as_they_should_be_are_counted_by_store(runtime: Runtime) -> None:
    person, other = await add_person(runtime), await add_person(runtime)
    for owner in (person, person, person, other):
        await upload(runtime, owner)
    async with client_of(runtime, person) as client:
        fine = (await client.get("/api/v1/storage/copies")).json()
        assert fine.pop("found_bad")["copies"] == 0
        assert fine == {
            "unsettled": [],
            "all_counted": True,
            "verified_last": None,
            "verified_longest_ago": None,
            "has_unverified": True,
            "reading_days": runtime.settings.scrub_days,
            "moves": [],
        }
        async with runtime.database.work(person.organization_id) as session:
            ids = list(await session.scalars(select(Copy.id).order_by(Copy.id)))
            states = (CopyState.MISSING, CopyState.DAMAGED, CopyState.PRESENT)
            for day, (copy_id, state) in enumerate(zip(ids, states, strict=True), 1):
                at = datetime(2026, 11, day, tzinfo=UTC)
                await session.execute(
                    update(Copy).where(Copy.id == copy_id).values(state=state, verified_at=at)
                )
        async with runtime.database.directory() as session:
            session.add(StoreRow(name="s3-eu", kind="s3"))
            await session.flush()
            session.add(Relocation(source="local", target="s3-eu"))
        told = (await client.get("/api/v1/storage/copies")).json()
    told.pop("found_bad")
    assert told == {
        "unsettled": [
            {"store": "local", "state": "damaged", "copies": 1},
            {"store": "local", "state": "missing", "copies": 1},
        ],
        "all_counted": True,
        "verified_last": "2026-11-03T00:00:00Z",
        "verified_longest_ago": "2026-11-01T00:00:00Z",
        "has_unverified": False,
        "reading_days": runtime.settings.scrub_days,
        "moves": [{"source": "local", "target": "s3-eu", "state": "running"}],
    }


async def test_what_reading_found_bad_is_told_after_it_was_made_good(runtime: Runtime) -> None:
    person, other = await add_person(runtime), await add_person(runtime)
    for owner in (person, person, other):
        await upload(runtime, owner)
    async with runtime.database.work(person.organization_id) as session:
        copies = list(await session.scalars(select(Copy).order_by(Copy.id)))
    await mark_bad(runtime, copies[0], CopyState.DAMAGED)
    await mark_bad(runtime, copies[1], CopyState.MISSING)
    async with runtime.database.work(person.organization_id) as session:
        await session.execute(update(Copy).values(state=CopyState.PRESENT))
        long_ago = Event(organization_id=person.organization_id, kind="copy.damaged")
        long_ago.at = datetime(2020, 1, 1, tzinfo=UTC)
        session.add(long_ago)
    async with client_of(runtime, person) as client:
        told = (await client.get("/api/v1/storage/copies")).json()
    assert told["unsettled"] == []
    assert told["found_bad"]["copies"] == 2
    assert told["found_bad"]["last_at"] > told["found_bad"]["since"]
    async with client_of(runtime, other) as client:
        assert (await client.get("/api/v1/storage/copies")).json()["found_bad"]["copies"] == 0


async def test_only_administrators_are_told(runtime: Runtime) -> None:
    administrator = await add_person(runtime)
    for role in (Role.MANAGER, Role.MEMBER, Role.VIEWER):
        person = await add_person(runtime, administrator.organization_id, role)
        async with client_of(runtime, person) as client:
            for path in (USAGE, "/api/v1/storage/copies", f"{PREVIEW}?source=local"):
                answer = await client.get(path)
                assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")
    async with client_of(runtime) as client:
        assert (await client.get(USAGE)).status_code == 401


async def test_the_installation_is_the_sum_of_its_organizations_and_pays_for_requests(
    priced: Runtime,
) -> None:
    people = [await add_person(priced) for _ in range(3)]
    for person in people[:2]:
        await upload(priced, person)
    holdings = await holdings_of_all(priced)
    sizes = {organization_id: holding.bytes for (organization_id, _), holding in holdings.items()}
    assert sizes == {
        people[0].organization_id: len(SOUND),
        people[1].organization_id: len(SOUND),
        people[2].organization_id: 0,
    }
    traffic = traffic_of(priced.stores.by_name["local"])
    assert traffic is not None
    traffic.take()
    traffic.count(ActionClass.WRITE, 2000)
    traffic.count(ActionClass.WRITE, 1000, counted=Counted.EXPECTED)
    await keep_traffic(priced.database, priced.stores.by_name, priced.clock)
    today = priced.clock.now().date()
    month = await month_of(priced.database, today, prices_of(priced.stores))
    assert month.cost == 15
    assert month.cost_expected == Decimal(15) * month.days / today.day
    assert (await month_of(priced.database, date(2000, 1, 31), {})).asked == []


async def test_two_currencies_are_refused_at_the_start(tmp_path: Path, conninfo: str) -> None:
    (tmp_path / "stores.toml").write_text(
        PRICED + f'[stores.more]\nkind = "local"\npath = "{tmp_path}/more"\nprices = {{ currency = "USD" }}\n'
    )
    with pytest.raises(ReelkeepError, match=r"stores\.more\.prices\.currency") as told:
        configured_stores(settings_for(tmp_path / "data", conninfo, stores_file=tmp_path / "stores.toml"))
    assert told.value.code == ErrorCode.SETTINGS_INVALID


async def test_a_wrong_price_is_told_with_its_place(tmp_path: Path, conninfo: str) -> None:
    (tmp_path / "stores.toml").write_text(PRICED.replace("write = 5", "put = 5"))
    with pytest.raises(ReelkeepError, match=r"stores\.local\.prices\.requests\.put"):
        configured_stores(settings_for(tmp_path / "data", conninfo, stores_file=tmp_path / "stores.toml"))


async def test_the_operator_reads_the_same_by_command(priced: Runtime, tmp_path: Path) -> None:
    person = await add_person(priced)
    await upload(priced, person)
    settings = priced.settings
    assert settings.database_url is not None
    line = CommandLine(
        settings.data,
        {
            **clean_environment(),
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REELKEEP_STORES_FILE": str(tmp_path / "stores.toml"),
        },
    )
    whole = line.ok("storage", "usage", "--json").json
    assert (whole["bytes_stored"], whole["copies"], whole["currency"]) == (len(SOUND), 1, "EUR")
    assert [(one["organization_id"], one["copies"]) for one in whole["organizations"]] == [
        (str(person.organization_id), 1)
    ]
    one = line.ok("storage", "usage", "--organization", person.organization_id, "--json").json
    async with client_of(priced, person) as client:
        assert one == (await client.get(USAGE)).json()

    await keep_traffic(priced.database, priced.stores.by_name, priced.clock)
    shown = line.ok("storage", "usage").out
    assert "96.0 kB" in shown
    assert "EUR" in shown
    assert "seen" in shown
    assert "each blob once" in line.ok("storage", "usage", "--organization", person.organization_id).out
    assert line("storage", "usage", "--organization", "nobody").code == 3
    assert "what a recount says" in line.ok("storage", "usage", "--recount", "--json").notes
