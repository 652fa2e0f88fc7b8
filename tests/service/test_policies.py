"""What an organization decides for all its people, and who is told."""

from typing import Any

import httpx
from sqlalchemy import select

from reelkeep.accounts.models import Role
from reelkeep.events.models import Event
from reelkeep.runtime import Runtime
from tests.fixtures.runtime import Person, add_person, client_of

PATH = "/api/v1/organization/policies"


async def me(client: httpx.AsyncClient) -> dict[str, Any]:
    """What a recorder's page asks first."""
    told: dict[str, Any] = (await client.get("/api/v1/auth/me")).raise_for_status().json()
    return told


async def events(runtime: Runtime, person: Person) -> list[Event]:
    """Of policies, in their order."""
    query = select(Event).where(Event.kind == "organization.policies_set").order_by(Event.seq)
    async with runtime.database.work(person.organization_id) as session:
        return list(await session.scalars(query))


async def test_an_administrator_sets_a_policy_and_every_member_is_told(runtime: Runtime) -> None:
    administrator = await add_person(runtime)
    member = await add_person(runtime, administrator.organization_id, Role.MEMBER)
    async with client_of(runtime, administrator) as admin, client_of(runtime, member) as other:
        assert (await me(other))["policies"] == {"shared_computers": False}
        answer = await admin.patch(PATH, json={"shared_computers": True})
        assert (answer.status_code, answer.json()) == (200, {"shared_computers": True})
        assert (await admin.patch(PATH, json={})).json() == {"shared_computers": True}
        assert (await other.get(PATH)).json() == (await me(other))["policies"] == {"shared_computers": True}
        assert "policies.manage" in (await me(admin))["permissions"]
        await admin.patch(PATH, json={"shared_computers": False})
    told = await events(runtime, administrator)
    assert [event.facts["shared_computers"] for event in told] == [True, False]
    assert {event.actor_user_id for event in told} == {administrator.user_id}


async def test_nobody_else_sets_it_and_no_other_organization_is_touched(runtime: Runtime) -> None:
    administrator, elsewhere = await add_person(runtime), await add_person(runtime)
    for role in (Role.MANAGER, Role.MEMBER, Role.VIEWER):
        person = await add_person(runtime, administrator.organization_id, role)
        async with client_of(runtime, person) as client:
            refused = await client.patch(PATH, json={"shared_computers": True})
            assert (refused.status_code, refused.json()["error_code"]) == (403, "FORBIDDEN")
    async with client_of(runtime, administrator) as here, client_of(runtime, elsewhere) as there:
        await here.patch(PATH, json={"shared_computers": True})
        assert (await there.get(PATH)).json() == {"shared_computers": False}


async def test_the_recorder_secret_is_one_persons_in_one_organization_and_always_the_same(
    runtime: Runtime,
) -> None:
    one, elsewhere = await add_person(runtime), await add_person(runtime)
    colleague = await add_person(runtime, one.organization_id)
    told = []
    for person in (one, one, colleague, elsewhere):
        async with client_of(runtime, person) as client:
            told.append((await me(client))["recorder_secret"])
    assert told[0] == told[1]
    assert len(set(told)) == 3
