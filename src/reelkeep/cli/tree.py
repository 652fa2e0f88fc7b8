"""The tree of commands; a command's module is imported when it is called, so that the start is quick."""

from dataclasses import dataclass
from importlib import import_module

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
    "storage": Entry("storage", "Look after stores: rules, moves, checks, usage, keys."),
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

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002
        """The names, in the order in which a newcomer meets them."""
        return list(ENTRIES)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002
        """The real command, its module imported."""
        return command_of(cmd_name) if cmd_name in ENTRIES else None

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The help with a summary of each command, without importing any."""
        commands: list[Command] = [TyperCommand(name, help=entry.summary) for name, entry in ENTRIES.items()]
        outline = TyperGroup(name=self.name, commands=commands, params=self.params, help=self.help)
        outline.format_help(ctx, formatter)


def build_tree() -> LazyGroup:
    """The whole command line."""
    return LazyGroup(name="reelkeep", help=ABOUT, no_args_is_help=True)


def command_of(name: str) -> Command:
    """A command or group of the first level."""
    app = import_module(f"reelkeep.cli.commands.{ENTRIES[name].module}").app
    command = typer.main.get_command(app)
    command.name = name
    _let_help_flow(command)
    return command


def _let_help_flow(command: Command) -> None:
    """Join the lines of each paragraph of the help, so that it fills the terminal, whatever its width."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(p if p.startswith("\b") else " ".join(p.split()) for p in paragraphs)
    for inner in command.commands.values() if isinstance(command, TyperGroup) else ():
        _let_help_flow(inner)
