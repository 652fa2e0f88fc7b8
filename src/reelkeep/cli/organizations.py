"""Which organization a command is about."""

from uuid import UUID

from sqlalchemy import select

from reelkeep.accounts.models import Organization
from reelkeep.accounts.setup import default_organization
from reelkeep.errors import Invalid, NotFound
from reelkeep.runtime import Runtime


async def choose_organization(runtime: Runtime, named: str | None) -> UUID:
    """The organization of this name or id; without one the first, which is made when there is none."""
    async with runtime.database.directory() as session:
        if named is None:
            return (await default_organization(session)).id
        found = await session.scalars(select(Organization).order_by(Organization.created_at))
        organizations = found.all()
    matching = [one.id for one in organizations if named in (one.name, str(one.id))]
    if len(matching) > 1:
        raise Invalid(f"{len(matching)} organizations are called {named!r}; give the id instead.")
    if not matching:
        names = [one.name for one in organizations]
        raise NotFound(
            f"There is no organization called {named!r}; there are: {', '.join(names) or 'none'}.",
            organizations=names,
        )
    return matching[0]


def read_id(text: str, what: str) -> UUID:
    """An id as it was typed; `NOT_FOUND` for what cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"{text!r} is not the id of a {what}; ids look like {UUID(int=0)}.") from None
