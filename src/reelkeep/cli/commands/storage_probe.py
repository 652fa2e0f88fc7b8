"""`reelkeep storage probe`: everything that is asked of a store, tried for real."""

from dataclasses import asdict
from typing import Annotated

import typer

from reelkeep.cli.checks.finding import State
from reelkeep.cli.checks.store_probe import probe_findings
from reelkeep.cli.commands.storage_provision import print_findings
from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import print_json
from reelkeep.errors import ErrorCode


def probe(
    store: Annotated[str, typer.Argument(metavar="STORE", help="The store's name.")],
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Try everything that Reelkeep and its clients do with a store, and remove what was written.

    Write, look, read, range, copy, list, parts, storage classes, older versions; by the way of browsers: the
    preflight, a signed form and its limit, a presigned PUT with a wrong checksum, a signed address, and none.
    Cold classes are not tried: they keep an object for months.

    \b
    Example:
      reelkeep storage probe s3-eu
      reelkeep storage probe local --json
    """
    findings = with_runtime(data, lambda runtime: probe_findings(runtime, store))
    failed = [finding.name for finding in findings if finding.state == State.FAILED]
    if not as_json:
        print_findings(findings)
    else:
        document = {"store": store, "ok": not failed, "checks": [asdict(finding) for finding in findings]}
        if failed:
            document |= {
                "message": f"Failed: {', '.join(failed)}.",
                "error_code": ErrorCode.STORE_REFUSED,
                "details": {"failed": failed},
            }
        print_json(document)
    return Exit.FAILED if failed else Exit.OK
