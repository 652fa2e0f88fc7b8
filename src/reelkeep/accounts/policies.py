"""What an organization has decided for all its people; each browser and client is told, and keeps to it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from reelkeep.accounts.models import Organization
from reelkeep.db.database import Database
from reelkeep.errors import NotFound
from reelkeep.events.append import append


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of one organization."""

    #: Its people record at computers that others use too: browsers encrypt what they keep there.
    shared_computers: bool = False


async def show_policies(database: Database, organization_id: UUID) -> Policies:
    """The organization's policies as they are now."""
    query = select(Organization.shared_computers).where(Organization.id == organization_id)
    async with database.directory() as session:
        shared = await session.scalar(query)
    if shared is None:
        raise NotFound("There is no such organization.")
    return Policies(shared_computers=shared)


async def set_policies(
    database: Database, organization_id: UUID, policies: Policies, *, actor_user_id: UUID | None = None
) -> None:
    """Write the policies whole; an event tells who changed what, where anything changed."""
    changed = (
        update(Organization)
        .where(
            Organization.id == organization_id,
            Organization.shared_computers.is_distinct_from(policies.shared_computers),
        )
        .values(shared_computers=policies.shared_computers)
        .returning(Organization.id)
    )
    async with database.work(organization_id) as session:
        if await session.scalar(changed) is None:
            return
        append(
            session,
            organization_id,
            "organization.policies_set",
            actor_user_id=actor_user_id,
            shared_computers=policies.shared_computers,
        )
