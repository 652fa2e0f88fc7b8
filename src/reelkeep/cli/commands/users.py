"""`reelkeep users`: people, on the word of whoever runs this machine."""

import getpass
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from reelkeep.accounts.emails import read_email
from reelkeep.accounts.members import add_user, issue_set_password_link, read_role, set_password_of
from reelkeep.accounts.models import User
from reelkeep.accounts.passwords import refuse_weak_password
from reelkeep.accounts.queries import find_user_by_email, list_members
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.output import print_json, print_note, print_table, print_text
from reelkeep.errors import Invalid, NotFound
from reelkeep.runtime import Runtime

app = typer.Typer(help="Add people and set their passwords.", no_args_is_help=True, add_completion=False)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Their e-mail address.", show_default=False)]
PasswordFromInput = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input; else a link is printed."),
]


@dataclass(frozen=True, slots=True)
class NewUser:
    """Who is to be added."""

    email: str
    role: str
    name: str | None
    password: str | None
    organization: str | None


@app.command()
def add(
    email: Email,
    *,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help="admin, manager, member or viewer.", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="Their name.")] = None,
    password_stdin: PasswordFromInput = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add a person to an organization.

    Without --password-stdin a link is printed, good for seven days and once, with which they set a password.

    \b
    Example:
      reelkeep users add colleague@example.org --role member
      reelkeep users add me@example.org --role admin --password-stdin < password.txt
    """
    new = NewUser(email, role, name, _read_password() if password_stdin else None, organization)
    added = with_runtime(data, lambda runtime: _add(runtime, new))
    if as_json:
        print_json(added)
        return
    print_note(f"{added['email']} is now {added['role']}.")
    _tell_link(added)


@app.command(name="list")
def list_all(organization: OrganizationName = None, data: Data = None, as_json: Json = False) -> None:
    """List the people of an organization.

    \b
    Example:
      reelkeep users list
    """
    people = with_runtime(data, lambda runtime: _list(runtime, organization))
    if as_json:
        print_json({"items": people})
        return
    rows = ((one["email"], one["role"], _state(one), one["name"] or "") for one in people)
    print_table(("EMAIL", "ROLE", "SIGNS IN", "NAME"), rows)


@app.command(name="set-password")
def set_password(
    email: Email, password_stdin: PasswordFromInput = False, data: Data = None, as_json: Json = False
) -> None:
    """Give somebody a new password, or print a link with which they set one.

    A new password signs them out everywhere. API tokens stay as they are.

    \b
    Example:
      reelkeep users set-password colleague@example.org
    """
    password = _read_password() if password_stdin else None
    found = with_runtime(data, lambda runtime: _set_password(runtime, email, password))
    if as_json:
        print_json(found)
    elif found["password_set"]:
        print_text(f"{found['email']} has a new password.")
    else:
        _tell_link(found)


async def _add(runtime: Runtime, new: NewUser) -> dict[str, Any]:
    address, role = read_email(new.email), read_role(new.role)
    if new.password is not None:
        refuse_weak_password(new.password, address)  # before anybody is made
    organization_id = await choose_organization(runtime, new.organization)
    async with runtime.database.directory() as session:
        user = await add_user(session, address, role, organization_id, new.name)
    facts = {"id": user.id, "email": user.email, "name": user.name, "role": role}
    facts |= {"organization_id": organization_id}
    if new.password is None and user.password_hash is not None:
        return facts | {"password_set": True, "link": None}
    return facts | await _password_or_link(runtime, user, new.password)


async def _set_password(runtime: Runtime, email: str, password: str | None) -> dict[str, Any]:
    user = await find_user(runtime, email)
    return {"id": user.id, "email": user.email} | await _password_or_link(runtime, user, password)


async def _password_or_link(runtime: Runtime, user: User, password: str | None) -> dict[str, Any]:
    if password is not None:
        await set_password_of(runtime.database, runtime.clock, user.id, password)
        return {"password_set": True, "link": None}
    async with runtime.database.directory() as session:
        link = await issue_set_password_link(session, runtime.clock, user.id)
    address = f"{runtime.settings.base_url}/set-password?token={link.token}"
    return {"password_set": False, "link": address, "link_expires_at": link.expires_at}


async def find_user(runtime: Runtime, email: str) -> User:
    """The person with this address, or `NOT_FOUND`."""
    async with runtime.database.directory() as session:
        user = await find_user_by_email(session, email)
    if user is None:
        raise NotFound(f"Nobody has the address {email}; `reelkeep users list` shows who there is.")
    return user


async def _list(runtime: Runtime, organization: str | None) -> list[dict[str, Any]]:
    organization_id = await choose_organization(runtime, organization)
    async with runtime.database.directory() as session:
        members = await list_members(session, organization_id)
    return [
        {
            "id": one.user_id,
            "email": one.email,
            "name": one.name,
            "role": one.role,
            "has_password": one.password_hash is not None,
            "disabled_at": one.disabled_at,
        }
        for one in members
    ]


def _state(person: dict[str, Any]) -> str:
    if person["disabled_at"]:
        return "disabled"
    return "yes" if person["has_password"] else "no password yet"


def _tell_link(facts: dict[str, Any]) -> None:
    if facts["link"]:
        print_note("Give them this link; it sets a password, once, within seven days:")
        print_text(facts["link"])


def _read_password() -> str:
    """One line of standard input; at a terminal it is asked for and not shown."""
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Invalid("Standard input has no password; give it in one line.")
    return password
