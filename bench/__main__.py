"""`python -m bench`: measure, print tables, keep the figures as JSON in bench/results."""

import argparse
import asyncio
import fcntl
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from rich.console import Console

from bench.document import command_of, write_document
from bench.figures import Report, write_report
from bench.machine import ROOT, describe_machine, describe_moment
from bench.others import Others
from bench.registry import MEASUREMENTS, Setup, measure_of
from bench.table import print_missed, print_report
from reelkeep.logs import configure_logs

RESULTS = ROOT / "bench" / "results"
STARTS_CHILDREN = ("media", "overhead", "memory")


def main() -> int:
    """Measure what was asked for; 1 when a bound is missed and `--strict` was given, or something failed."""
    options = _options()
    # An ordinary end, so that everything that was started is stopped and removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    configure_logs("WARNING", "console")
    console = Console(width=None if sys.stdout.isatty() else 160)
    with _alone():
        reports = [_measure(console, name, options) for name in options.only or MEASUREMENTS]
    print_missed(console, reports)
    console.print(f"Kept in {RESULTS.relative_to(ROOT)}.", style="dim")
    if options.document:
        write_document(RESULTS)
    return 1 if options.strict and any(report.missed for report in reports) else 0


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse to measure while another measures: the figures of both would be wrong."""
    path = Path(tempfile.gettempdir()) / f"reelkeep-bench-{os.getuid()}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("Another `python -m bench` is measuring on this machine; start again when it has ended.")
        yield


def _options() -> argparse.Namespace:
    known = "\n".join(f"  {name:10} {what}" for name, what in MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Reelkeep on this machine.",
        epilog=f"measurements:\n{known}\n\nexample:\n  {command_of('uploads start')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(MEASUREMENTS), metavar="NAME", help="measure these alone"
    )
    parser.add_argument(
        "--quick", action="store_true", help="everything small: shows that it works, gives no figures"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a bound is missed")
    parser.add_argument(
        "--document", action="store_true", help="write the kept figures into docs/performance.md"
    )
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", help="folder to work in; default: the temporary folder"
    )
    return parser.parse_args()


def _measure(console: Console, name: str, options: argparse.Namespace) -> Report:
    conditions = {**describe_machine(), **describe_moment(), "quick": options.quick}
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="reelkeep-bench-", dir=options.scratch) as scratch,
        console.status(name) as status,
        Others() as others,
    ):
        # The embedded Postgres has a user of its own, who must be able to pass through.
        Path(scratch).chmod(0o711)
        setup = Setup(Path(scratch), options.quick, lambda what: status.update(f"{name}: {what}"))
        # Processes are started as a worker starts them: uvloop knows no `process_group`.
        loop = asyncio.new_event_loop if name in STARTS_CHILDREN else uvloop.new_event_loop
        with asyncio.Runner(loop_factory=loop) as runner:
            report = runner.run(measure_of(name)(setup))
    report.conditions = {
        **conditions,
        **others.described(),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_report(report, RESULTS)
    print_report(console, report)
    return report


if __name__ == "__main__":
    sys.exit(main())
