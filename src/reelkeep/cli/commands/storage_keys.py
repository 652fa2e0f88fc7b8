"""`reelkeep storage keys`: keys to the local S3 wire."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from reelkeep.blobs.access_keys import create_access_key, list_access_keys, revoke_access_key
from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.output import age_text, print_facts, print_json, print_note, print_table, print_text
from reelkeep.clock import SystemClock
from reelkeep.runtime import Runtime

keys = typer.Typer(
    help="Make, list and revoke keys with which S3 tools reach a local store.",
    no_args_is_help=True,
    add_completion=False,
)


@keys.command()
def create(
    store: Annotated[str, typer.Argument(metavar="STORE", help="The store's name: local.")],
    *,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="It may read and list, and change nothing.")
    ] = False,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make an access key for tools that speak S3; its secret is shown this once.

    The key opens the whole store, past organizations and roles: treat it as you treat the operator's own
    password. Sealed recordings cannot be changed or deleted with it. docs/wire.md shows tools in use.

    \b
    Example:
      reelkeep storage keys create local --note "nightly copy" --read-only
      reelkeep storage keys create local --json
    """
    made = with_runtime(
        data, lambda runtime: create_access_key(runtime, store, read_only=read_only, note=note)
    )
    if as_json:
        print_json(asdict(made))
        return
    print_note(f"A key to the store {store}; its secret is shown this once.")
    print_facts(asdict(made).items())


@keys.command(name="list")
def list_all(data: Data = None, as_json: Json = False) -> None:
    """List the access keys; never their secrets.

    \b
    Example:
      reelkeep storage keys list
    """
    found = with_runtime(data, _list)
    if as_json:
        print_json({"items": found})
        return
    now = SystemClock().now()
    rows = (
        (key["access_key"], key["store"], _state(key), age_text(key["created_at"], now), key["note"] or "")
        for key in found
    )
    print_table(("ACCESS KEY", "STORE", "STATE", "AGE", "NOTE"), rows)


@keys.command()
def revoke(
    access_key: Annotated[str, typer.Argument(metavar="ACCESS_KEY", help="The key.", show_default=False)],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """End a key at once; what uses it, and every URL signed with it, is refused from then on.

    \b
    Example:
      reelkeep storage keys revoke RKEXAMPLEEXAMPLEEXAMPLE7
    """
    with_runtime(data, lambda runtime: revoke_access_key(runtime, access_key))
    if as_json:
        print_json({"access_key": access_key, "revoked": True})
    else:
        print_text(f"The access key {access_key} is revoked.")


async def _list(runtime: Runtime) -> list[dict[str, Any]]:
    return [
        {
            "access_key": key.access_key,
            "store": key.store,
            "read_only": key.read_only,
            "note": key.note,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
        for key in await list_access_keys(runtime)
    ]


def _state(key: dict[str, Any]) -> str:
    revoked: datetime | None = key["revoked_at"]
    if revoked:
        return "revoked"
    return "read-only" if key["read_only"] else "good"
