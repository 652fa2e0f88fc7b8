"""The command line: one file for each command, loaded only when it is called.

Results go to standard output; notes, progress and logs to standard error. With `--json`, standard output
carries exactly one JSON document, an error's too. The exit codes are in `outcome.py`.
"""

import sys
from collections.abc import Sequence

from reelkeep.cli.outcome import Exit, told_as_exit
from reelkeep.cli.tree import build_tree


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with told_as_exit(as_json=wants_json(given)) as exit_with:
        code = build_tree().main(given, prog_name="reelkeep", standalone_mode=False)
        if code == Exit.INTERRUPTED:  # typer has made it of a KeyboardInterrupt, and said nothing
            raise KeyboardInterrupt
        exit_with(code if isinstance(code, int) else Exit.OK)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` is among the options, known even when the rest cannot be understood."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options
