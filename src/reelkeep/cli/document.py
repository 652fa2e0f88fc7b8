"""The page `docs/cli.md`, made from the commands themselves."""

from collections.abc import Iterator

from typer._click import Command, Context
from typer.core import TyperArgument, TyperGroup, TyperOption

from reelkeep.cli.outcome import MEANING
from reelkeep.cli.tree import build_tree

INTRODUCTION = """\
# Command line

Every command takes `--data DIR` (else `REELKEEP_DATA`, else `data`): the folder that holds everything. It
works on the database and the store that the [settings](settings.md) name, with or without a server running.

Results go to standard output; notes, progress and logs to standard error. With `--json`, standard output
carries exactly one JSON document and nothing else. An error is then `{"message", "error_code", "details"}`,
with a code from the [catalogue](errors.md). `NO_COLOR=1` turns colours off. Short commands log warnings only,
`serve` and `worker` from `INFO`; `REELKEEP_LOG_LEVEL` changes that, and `DEBUG` shows tracebacks.

This page is made from `src/reelkeep/cli` by `make docs`.

## Exit codes

| code | meaning |
|---|---|
"""


def render() -> str:
    """The text of `docs/cli.md`."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANING.items())
    return f"{INTRODUCTION}{codes}{''.join(_parts('reelkeep', build_tree()))}"


def _parts(path: str, command: Command) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        if command.invoke_without_command:
            yield from _section(path, command)
        context = Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _parts(f"{path} {name}", inner)
        return
    yield from _section(path, command)


def _section(path: str, command: Command) -> Iterator[str]:
    yield f"\n## {path}\n\n{_text(command.help or '')}\n\n"
    context = Context(command, info_name=path)
    yield f"```text\n{' '.join([path, *command.collect_usage_pieces(context)])}\n```\n\n"
    yield "| option | meaning |\n|---|---|\n"
    yield from map(_row, command.params)


def _text(help_text: str) -> str:
    """The help, its example as a block of code."""
    told, _, example = help_text.partition("\b\nExample:\n")
    lines = [line.strip() for line in example.strip().splitlines()]
    return told.strip() + "\n\n```bash\n" + "\n".join(lines) + "\n```"


def _row(parameter: object) -> str:
    if isinstance(parameter, TyperOption):
        names = ", ".join(f"`{name}`" for name in parameter.opts)
        value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        default = parameter.default
        shown = (
            "" if default in (None, False, "") or not parameter.show_default else f" Default: `{default}`."
        )
        return f"| {names}{value} | {parameter.help}{shown} |\n"
    assert isinstance(parameter, TyperArgument)
    return f"| {parameter.metavar or parameter.name} | {parameter.help} |\n"
