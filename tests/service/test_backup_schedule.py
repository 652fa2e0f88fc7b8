"""Backups that the worker makes by itself, and how their failures reach a person."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text

from reelkeep.accounts.models import Role
from reelkeep.backups.lock import backup_lock
from reelkeep.backups.models import Backup, BackupState
from reelkeep.backups.prune import let_go
from reelkeep.backups.schedule import back_up_when_due
from reelkeep.backups.standing import look_at_backups
from reelkeep.cli.checks.backups import backups_finding
from reelkeep.cli.checks.finding import State
from reelkeep.clock import SystemClock, new_id
from reelkeep.errors import StoreUnavailable
from reelkeep.runtime import Runtime
from reelkeep.wiring import open_runtime
from tests.fixtures.clock import Later
from tests.fixtures.runtime import add_person, client_of, settings_for


@pytest.fixture
async def scheduled(tmp_path: Path, conninfo: str) -> AsyncIterator[Runtime]:
    """An installation that backs up every six hours, and whose clock can be put ahead."""
    flags = {"backup_store": str(tmp_path / "safe"), "backup_every_hours": 6}
    async with open_runtime(settings_for(tmp_path / "data", conninfo, **flags)) as opened:
        yield replace(opened, clock=Later())


def ahead(runtime: Runtime, **by: float) -> None:
    assert isinstance(runtime.clock, Later)
    runtime.clock.ahead += timedelta(**by)


async def rows(runtime: Runtime) -> list[Backup]:
    async with runtime.database.directory() as session:
        return list(await session.scalars(select(Backup).order_by(Backup.started_at)))


async def test_one_is_made_when_it_is_due_and_not_before(scheduled: Runtime) -> None:
    assert await back_up_when_due(scheduled)
    assert not await back_up_when_due(scheduled)
    ahead(scheduled, hours=5)
    assert not await back_up_when_due(scheduled)
    ahead(scheduled, hours=1.1)
    assert await back_up_when_due(scheduled)
    assert [row.state for row in await rows(scheduled)] == ["whole", "whole"]


async def test_while_another_process_makes_one_none_is_begun(scheduled: Runtime) -> None:
    async with backup_lock(scheduled.database):
        assert not await back_up_when_due(scheduled)
    assert await rows(scheduled) == []
    assert await back_up_when_due(scheduled)


async def test_one_whose_process_died_is_told_as_failed_by_the_next(scheduled: Runtime) -> None:
    async with scheduled.database.directory() as session:
        session.add(Backup(id=new_id(), place="x", started_at=scheduled.clock.now()))
    ahead(scheduled, hours=1)
    assert await back_up_when_due(scheduled)
    assert [row.state for row in await rows(scheduled)] == ["failed", "whole"]


async def test_a_failure_is_told_by_doctor_readiness_and_the_api_until_one_succeeds(
    scheduled: Runtime, tmp_path: Path
) -> None:
    person = await add_person(scheduled)
    (tmp_path / "safe").write_text("a file, so that no folder can be made here")
    with pytest.raises(StoreUnavailable):
        await back_up_when_due(scheduled)
    assert [row.error_code for row in await rows(scheduled)] == ["STORE_UNAVAILABLE"]
    assert not await back_up_when_due(scheduled)  # not again at once
    finding = await backups_finding(scheduled)
    assert (finding.state, "failed" in finding.message) == (State.WARNING, True)
    async with client_of(scheduled, person) as api:
        ready = (await api.get("/api/health/ready")).json()
        check = next(check for check in ready["checks"] if check["name"] == "backups")
        assert (check["ok"], check["needed"]) == (False, False)
        told = (await api.get("/api/v1/backups")).json()
        assert told["problem"] and told["items"][0]["state"] == "failed"

    (tmp_path / "safe").unlink()
    ahead(scheduled, minutes=20)
    assert await back_up_when_due(scheduled)
    assert (await backups_finding(scheduled)).state == State.OK
    async with client_of(scheduled, person) as api:
        ready = (await api.get("/api/health/ready")).json()
        assert next(check for check in ready["checks"] if check["name"] == "backups")["ok"]
        told = (await api.get("/api/v1/backups")).json()
        assert (told["problem"], told["last_whole_at"] is not None) == (None, True)


async def test_a_failed_backup_alone_does_not_make_the_server_unready(
    scheduled: Runtime, tmp_path: Path
) -> None:
    async with scheduled.database.directory() as session:
        session.add(
            Backup(
                id=new_id(),
                place="x",
                state=BackupState.FAILED,
                started_at=scheduled.clock.now(),
                error_message="The disk is full.",
            )
        )
    async with scheduled.database.owner() as session:  # a worker that lives
        await session.execute(text("insert into procrastinate_workers default values"))
    async with client_of(scheduled) as api:
        answer = await api.get("/api/health/ready")
    assert (answer.status_code, answer.json()["ready"], answer.json()["degraded"]) == (200, True, True)


async def test_one_that_is_late_is_told(scheduled: Runtime) -> None:
    assert await back_up_when_due(scheduled)
    assert (await look_at_backups(scheduled)).problem is None
    ahead(scheduled, hours=7)
    assert (await look_at_backups(scheduled)).problem is None
    ahead(scheduled, hours=2)
    assert "one is due every 6" in str((await look_at_backups(scheduled)).problem)


class Made:
    """What the rule looks at."""

    def __init__(self, days: float) -> None:
        self.id, self.made_at = UUID(int=int(days * 10)), NOW - timedelta(days=days)


NOW = SystemClock().now()


@pytest.mark.parametrize(
    ("ages", "keep_last", "kept"),
    [
        ([0, 1, 2, 3], 2, [0, 1]),
        ([0, 1, 29, 31], 14, [0, 1, 29]),
        ([40, 41], 14, [40]),
        ([], 14, []),
        ([1], 1, [1]),
    ],
)
def test_the_rule_keeps_the_last_ones_and_never_lets_the_newest_go(
    ages: list[float], keep_last: int, kept: list[float]
) -> None:
    found = [Made(days) for days in ages]
    gone = let_go(found, keep_last, NOW - timedelta(days=30))  # type: ignore[arg-type]
    assert [made for made in found if made not in gone] == [found[ages.index(age)] for age in kept]


async def test_members_without_the_right_do_not_see_them(scheduled: Runtime) -> None:
    person = await add_person(scheduled, role=Role.MEMBER)
    async with client_of(scheduled, person) as api:
        assert (await api.get("/api/v1/backups")).status_code == 403
