"""The tree of commands; a command's module is imported when it is called, so that the start is quick."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import typer
from typer._click import Command, Context, HelpFormatter
from typer.core import TyperCommand, TyperGroup

ABOUT = """Reelkeep keeps recordings safe, and makes them playable and readable.

Every command takes --data DIR (else REELKEEP_DATA), the folder that holds everything, and --json, \
which prints one JSON document on standard output and nothing else there.

\b
Example:
  reelkeep serve
  reelkeep add interview.mp3 --wait"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command before its module is loaded."""

    module: str
    #: The first line of its help, so that the list of commands needs no module.
    summary: str
    #: What the module calls it: a Typer, or the function of one command.
    attribute: str = "app"
    #: The commands of a group whose modules are imported one by one too.
    inner: Mapping[str, "Entry"] = field(default_factory=dict)


STORAGE = {
    "list": Entry("storage_list", "List the configured stores, without connecting to them.", "list_stores"),
    "provision": Entry(
        "storage_provision",
        "Make a store's bucket, or check it, and print the least rights that Reelkeep needs there.",
        "provision",
    ),
    "probe": Entry(
        "storage_probe",
        "Try everything that Reelkeep and its clients do with a store, and remove what was written.",
        "probe",
    ),
    "usage": Entry(
        "storage_usage",
        "Show what lies in each store and class, what it costs a month, and what stores were asked for.",
        "usage",
    ),
    "rules": Entry("storage_rules", "Say where copies should be, by kind and age.", "rules"),
    "plan": Entry(
        "storage_rules",
        "Show what rules would move, remove and cost, and do nothing; without FILE, the rules in force.",
        "plan",
    ),
    "migrate": Entry(
        "storage_moves",
        "Move everything from one store to another, while uploads and reads go on; workers do it.",
        "migrate",
    ),
    "drain": Entry(
        "storage_moves",
        "Empty a store before it is taken out: each copy goes once the other stores of its rule have theirs.",
        "drain",
    ),
    "check": Entry(
        "storage_check",
        "Compare what lies in stores with what the database knows: lost copies, and files nothing tells of.",
        "check",
    ),
    "import": Entry(
        "storage_import",
        "Make recordings again from a store alone, when the database is gone; or take in plain files.",
        "import_recordings",
    ),
    "keys": Entry(
        "storage_keys", "Make, list and revoke keys with which S3 tools reach a local store.", "keys"
    ),
    "encryption": Entry(
        "storage_encryption", "Make, show and change the master keys of encrypted stores.", "encryption"
    ),
    "layout": Entry(
        "storage_layout", "Show and set the names (keys) that new files get in stores.", "layout"
    ),
}
ENTRIES = {
    "serve": Entry("serve", "Run the server, and a worker with it."),
    "worker": Entry("worker", "Run a worker alone."),
    "add": Entry("add", "Add recordings from files and URLs; works with no server running too."),
    "watch": Entry("watch", "Watch a folder: every file in it becomes a recording, then moves to DIR/done."),
    "recordings": Entry(
        "recordings", "List, show, export, delete, restore, hold, purge, and run steps again."
    ),
    "users": Entry("users", "Add people and set their passwords."),
    "tokens": Entry("tokens", "Make, list and revoke API tokens."),
    "limits": Entry("limits", "Show and set what an organization may upload."),
    "policies": Entry("policies", "Show and set what an organization has decided for all its people."),
    "storage": Entry("storage", "Look after stores: rules, moves, checks, usage, keys.", inner=STORAGE),
    "backup": Entry(
        "backup", "Back up the database and, if asked, the recordings, encrypted; list and test backups."
    ),
    "restore": Entry(
        "restore",
        "Put a backup back on an empty machine: database, secret key, and the bytes that no store has.",
    ),
    "engines": Entry("engines", "Show the speech engines, and which one is used."),
    "doctor": Entry("doctor", "Check everything that Reelkeep needs, and say what to do."),
    "db": Entry("database", "Bring the database to this version, or show where it is."),
    "openapi": Entry("openapi", "Print the API's OpenAPI document."),
    "version": Entry("version", "Print the version."),
}


class LazyGroup(TyperGroup):
    """A group that knows its commands by name and imports one when it is asked for."""

    def __init__(self, *, entries: Mapping[str, Entry], **attributes: Any) -> None:
        super().__init__(no_args_is_help=True, **attributes)
        self._entries = entries

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002
        """The names, in the order in which a newcomer meets them."""
        return list(self._entries)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002
        """The real command, its module imported."""
        return _load(cmd_name, self._entries[cmd_name]) if cmd_name in self._entries else None

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The help with a summary of each command, without importing any."""
        commands: list[Command] = [
            TyperCommand(name, help=entry.summary) for name, entry in self._entries.items()
        ]
        outline = TyperGroup(name=self.name, commands=commands, params=self.params, help=self.help)
        outline.format_help(ctx, formatter)


def build_tree() -> LazyGroup:
    """The whole command line."""
    return LazyGroup(name="reelkeep", help=ABOUT, entries=ENTRIES)


def _load(name: str, entry: Entry) -> Command:
    if entry.inner:
        return LazyGroup(name=name, help=entry.summary, entries=entry.inner)
    made = getattr(_import(f"reelkeep.cli.commands.{entry.module}"), entry.attribute)
    if not isinstance(made, typer.Typer):
        function, made = made, typer.Typer(add_completion=False)
        made.command(name=name)(function)
    command = typer.main.get_command(made)
    command.name = name
    _let_help_flow(command)
    return command


def _import(module: str) -> Any:
    """Import without collecting garbage in the midst, of which there is none: a seventh of the time."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.enable()
        gc.freeze()


def _let_help_flow(command: Command) -> None:
    """Join the lines of each paragraph of the help, so that it fills the terminal, whatever its width."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(p if p.startswith("\b") else " ".join(p.split()) for p in paragraphs)
    for inner in command.commands.values() if isinstance(command, TyperGroup) else ():
        _let_help_flow(inner)
