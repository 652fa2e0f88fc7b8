"""`reelkeep doctor`: everything that Reelkeep needs, looked at by using it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from reelkeep.cli.checks import backups, database, machine, store
from reelkeep.cli.checks.finding import Finding, State, found
from reelkeep.cli.commands.engines import look_at_engines
from reelkeep.cli.options import Data, Json, read_settings
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import print_json, print_table
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings
from reelkeep.wiring import open_runtime

app = typer.Typer(add_completion=False)

DATABASE_FIX = "See that Postgres runs and that DATABASE_URL is right; `reelkeep db current` asks it again."
STORE_FIX = "Check the store's settings, its permissions and its disk; docs/settings.md has each of them."


@app.command()
def doctor(data: Data = None, as_json: Json = False) -> int:
    """Check everything that Reelkeep needs, and say what to do.

    Settings, data folder, disk, secret key, database and its tables, clocks, the store (by writing,
    signing, reading and deleting, also by the way that browsers take), speech engines, workers. Each is
    ok, warning or failed; the exit code is 1 when one has failed.

    \b
    Example:
      reelkeep doctor
      reelkeep doctor --data /srv/reelkeep --json
    """
    findings = asyncio.run(_look(data))
    failed = [finding for finding in findings if finding.state == State.FAILED]
    if as_json:
        print_json(_document(findings, failed))
    else:
        print_table(("STATE", "WHAT", "FOUND"), (_row(finding) for finding in findings), last_flows=True)
    return Exit.FAILED if failed else Exit.OK


async def _look(data: Path | None) -> list[Finding]:
    try:
        settings = read_settings(data)
    except ReelkeepError as error:
        return [Finding("settings", State.FAILED, error.message, "Correct these variables.", error.code)]
    findings = [machine.settings_finding(settings)]
    try:
        async with open_runtime(settings, migrate_database=False, application_name="reelkeep-cli") as runtime:
            findings += await _look_at(runtime)
    except ReelkeepError as error:
        findings.append(Finding("database", State.FAILED, error.message, DATABASE_FIX, error.code))
        findings.append(
            Finding(
                "store", State.WARNING, "Not looked at, since the database did not start.", "Run this again."
            )
        )
    findings.append(await asyncio.to_thread(_engines_finding, settings))
    return findings


async def _look_at(runtime: Runtime) -> list[Finding]:
    settings = runtime.settings
    findings = [machine.folder_finding(settings), machine.disk_finding(settings)]
    findings.append(machine.secret_finding(settings))
    findings += await _look_at_database(runtime)
    name = f"store {runtime.stores.primary_name}"
    findings.append(await found(name, lambda: store.direct_finding(runtime), STORE_FIX))
    if findings[-1].state == State.FAILED:
        return findings
    try:
        findings += await store.browser_findings(runtime)
    except ReelkeepError as error:
        fix = "Does the server use this data folder, and does a proxy pass /s3/ on unchanged?"
        findings.append(Finding("browser's path", State.FAILED, error.message, fix, error.code))
    return findings


async def _look_at_database(runtime: Runtime) -> list[Finding]:
    """What needs a database that answers, and what needs its tables, is looked at only then."""
    checks: list[tuple[str, Callable[[Runtime], Awaitable[Finding]]]] = [
        ("database", database.database_finding),
        ("clock", database.clock_finding),
        ("tables", database.tables_finding),
        ("worker", database.worker_finding),
        ("backups", backups.backups_finding),
    ]
    findings: list[Finding] = []
    for name, check in checks:
        finding = await found(name, lambda check=check: check(runtime), DATABASE_FIX)  # type: ignore[misc]
        findings.append(finding)
        if finding.state == State.FAILED and name != "clock":
            break
    return findings


def _engines_finding(settings: Settings) -> Finding:
    engines = look_at_engines(settings)
    if engines.chosen is None:
        return Finding(
            "speech",
            State.FAILED,
            f"No engine can be used. {engines.why}",
            "`reelkeep engines` shows each.",
            ErrorCode.ENGINE_NOT_READY,
        )
    return Finding("speech", State.OK, engines.why)


def _document(findings: list[Finding], failed: list[Finding]) -> dict[str, Any]:
    document: dict[str, Any] = {"ok": not failed, "checks": [asdict(finding) for finding in findings]}
    if failed:
        names = [finding.name for finding in failed]
        document |= {
            "message": f"Failed: {', '.join(names)}. {failed[0].message}",
            "error_code": failed[0].error_code or ErrorCode.INTERNAL_ERROR,
            "details": {"failed": names},
        }
    return document


def _row(finding: Finding) -> tuple[str, str, str]:
    is_fine = finding.state == State.OK or finding.fix is None
    told = finding.message if is_fine else f"{finding.message}\nWhat to do: {finding.fix}"
    return finding.state, finding.name, told
