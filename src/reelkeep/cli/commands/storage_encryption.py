"""`reelkeep storage encryption`: the master keys of stores that Reelkeep encrypts."""

import secrets
from dataclasses import asdict
from typing import Annotated

import typer

from reelkeep.blobs.master_keys import MasterKeyUse, load_master_keys, master_key_uses, rewrap_data_keys
from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.output import print_json, print_note, print_table, print_text
from reelkeep.clock import SystemClock
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.runtime import Runtime
from reelkeep.stores.master_keys import KEY_BYTES

encryption = typer.Typer(
    help="Make, show and change the master keys of encrypted stores.",
    no_args_is_help=True,
    add_completion=False,
)


@encryption.command(name="new-key")
def new_key(
    name: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="What to call it; else the date and a number.")
    ] = None,
    data: Data = None,  # noqa: ARG001 - as every command has it; no installation is needed
    as_json: Json = False,
) -> None:
    """Print a new master key, a line for the file that REELKEEP_ENCRYPTION_KEY_FILE names.

    Keep a copy of that file where no backup of the stores lies: who loses every master key loses every
    recording in encrypted stores, and nobody can help.

    \b
    Example:
      (umask 077; reelkeep storage encryption new-key >> master.keys)
    """
    name = name or f"{SystemClock().now():%Y-%m-%d}-{secrets.token_hex(2)}"
    digits = secrets.token_hex(KEY_BYTES)
    if as_json:
        print_json({"id": name, "key": digits})
    else:
        print_text(f"{name} {digits}")


@encryption.command()
def show(data: Data = None, as_json: Json = False) -> None:
    """Show every master key that was ever used, and how many recordings need it.

    \b
    Example:
      reelkeep storage encryption show
    """
    found = with_runtime(data, _uses)
    if as_json:
        print_json({"items": [asdict(use) for use in found]})
        return
    print_table(("MASTER KEY", "RECORDINGS", "STATE"), ((u.id, u.data_keys, _state(u)) for u in found))


@encryption.command()
def rotate(data: Data = None, as_json: Json = False) -> None:
    """Let the first master key of the file wrap the key of every recording; no recording is written again.

    Put the new key above the old one, start every server again, then do this. Afterwards the old one can be
    taken away; backups of the database made before need it still.

    \b
    Example:
      reelkeep storage encryption rotate
    """

    async def run(runtime: Runtime) -> tuple[int, list[MasterKeyUse]]:
        keys = load_master_keys(runtime.settings)
        if not keys:
            raise ReelkeepError(
                "There is no master key; `reelkeep storage encryption new-key` makes one.",
                ErrorCode.ENCRYPTION_KEY,
            )
        done = await rewrap_data_keys(runtime.database, keys, _say_nothing if as_json else _say)
        return done, await master_key_uses(runtime.database, keys)

    done, uses = with_runtime(data, run)
    newest = next(use.id for use in uses if use.wraps)
    if as_json:
        print_json({"rewrapped": done, "master_key": newest, "items": [asdict(use) for use in uses]})
        return
    print_text(f"{done:,} recordings' keys are wrapped by {newest} now.")
    unused = [use.id for use in uses if use.configured and not use.data_keys and not use.wraps]
    if unused:
        print_note(f"Not needed any more but for older backups of the database: {', '.join(unused)}.")


async def _uses(runtime: Runtime) -> list[MasterKeyUse]:
    return await master_key_uses(runtime.database, load_master_keys(runtime.settings))


def _state(use: MasterKeyUse) -> str:
    if not use.configured:
        return "missing" if use.data_keys else "not configured"
    return "wraps new keys" if use.wraps else "reads"


def _say(done: int, total: int) -> None:
    print_note(f"{done:,} of {total:,}")


def _say_nothing(_done: int, _total: int) -> None:
    """For scripts."""
