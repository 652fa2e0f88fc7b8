"""`reelkeep tokens`: what programs identify themselves with."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from sqlalchemy import select

from reelkeep.accounts.members import create_token, revoke_token
from reelkeep.accounts.models import ApiToken, User
from reelkeep.accounts.queries import find_first_standing, find_standing
from reelkeep.cli.commands.users import find_user
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization, read_id
from reelkeep.cli.output import age_text, print_json, print_note, print_table, print_text
from reelkeep.clock import SystemClock
from reelkeep.errors import NotFound
from reelkeep.runtime import Runtime

app = typer.Typer(help="Make, list and revoke API tokens.", no_args_is_help=True, add_completion=False)


@dataclass(frozen=True, slots=True)
class NewToken:
    """What token is to be made."""

    email: str
    name: str
    days: int | None
    organization: str | None


@app.command()
def create(
    *,
    user: Annotated[
        str, typer.Option("--user", metavar="EMAIL", help="As whom the program acts.", show_default=False)
    ],
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days it is good for; without it, until revoked.")
    ] = None,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a token with which a program acts as somebody; it is shown this once.

    \b
    Example:
      TOKEN=$(reelkeep tokens create --user me@example.org --name phone)
      reelkeep tokens create --user me@example.org --days 30 --json
    """
    made = with_runtime(data, lambda runtime: _create(runtime, NewToken(user, name, days, organization)))
    if as_json:
        print_json(made)
        return
    print_note(f"A token for {made['user']}; it is shown this once. Send it as `Authorization: Bearer …`.")
    print_text(made["token"])


@app.command(name="list")
def list_all(organization: OrganizationName = None, data: Data = None, as_json: Json = False) -> None:
    """List the tokens of an organization; never their secrets.

    \b
    Example:
      reelkeep tokens list
    """
    tokens = with_runtime(data, lambda runtime: _list(runtime, organization))
    if as_json:
        print_json({"items": tokens})
        return
    now = SystemClock().now()
    rows = (
        (
            t["id"],
            _state(t),
            age_text(t["last_used_at"], now) if t["last_used_at"] else "never",
            t["user"],
            t["name"],
        )
        for t in tokens
    )
    print_table(("ID", "STATE", "USED", "USER", "NAME"), rows)


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id.", show_default=False)],
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """End a token at once; what uses it is refused from then on.

    \b
    Example:
      reelkeep tokens revoke 01980c5e-0000-7000-8000-000000000000
    """
    with_runtime(data, lambda runtime: _revoke(runtime, token_id, organization))
    if as_json:
        print_json({"id": token_id, "revoked": True})
    else:
        print_text(f"The token {token_id} is revoked.")


async def _create(runtime: Runtime, new: NewToken) -> dict[str, Any]:
    user = await find_user(runtime, new.email)
    chosen = await choose_organization(runtime, new.organization) if new.organization else None
    expires_at = runtime.clock.now() + timedelta(days=new.days) if new.days else None
    async with runtime.database.directory() as session:
        standing = (
            await find_standing(session, user.id, chosen)
            if chosen
            else await find_first_standing(session, user.id)
        )
        if standing is None:
            raise NotFound(
                f"{user.email} is no member of the organization; add them with `reelkeep users add`."
            )
        token, secret = await create_token(session, user.id, standing.organization_id, new.name, expires_at)
    return {
        "id": token.id,
        "token": secret,
        "name": token.name,
        "user": user.email,
        "organization_id": standing.organization_id,
        "expires_at": expires_at,
    }


async def _list(runtime: Runtime, organization: str | None) -> list[dict[str, Any]]:
    organization_id = await choose_organization(runtime, organization)
    query = (
        select(ApiToken, User.email)
        .join(User, User.id == ApiToken.user_id)
        .where(ApiToken.organization_id == organization_id)
        .order_by(ApiToken.created_at)
    )
    now = runtime.clock.now()
    async with runtime.database.directory() as session:
        found = (await session.execute(query)).all()
    return [
        {
            "id": token.id,
            "name": token.name,
            "user": email,
            "created_at": token.created_at,
            "last_used_at": token.last_used_at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
            "is_good": not token.revoked_at and (token.expires_at is None or token.expires_at > now),
        }
        for token, email in found
    ]


async def _revoke(runtime: Runtime, token_id: str, organization: str | None) -> None:
    found = read_id(token_id, "token")
    organization_id = await choose_organization(runtime, organization)
    async with runtime.database.directory() as session:
        await revoke_token(session, runtime.clock, found, organization_id)


def _used(last: datetime | None, now: datetime) -> str:
    return age_text(last, now) if last else "never"


def _state(token: dict[str, Any]) -> str:
    if token["revoked_at"]:
        return "revoked"
    return "good" if token["is_good"] else "expired"
