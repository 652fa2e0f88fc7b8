"""`reelkeep storage provision`: makes or checks a store's bucket, and prints the least rights it needs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError

from reelkeep.cli.checks import bucket
from reelkeep.cli.checks.bucket_documents import least_policy
from reelkeep.cli.checks.finding import Finding, State
from reelkeep.cli.options import Data, Json, read_settings
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import json_text, print_json, print_note, print_table, print_text
from reelkeep.errors import ErrorCode, NotFound, ReelkeepError
from reelkeep.settings import Settings
from reelkeep.stores_config import LocalSpec, S3Spec, StoreSpec, configured_stores

#: Beyond the time that an upload may pause, before the service removes its parts by itself.
ABORT_MARGIN_DAYS = 23
_DAY = 86_400


def provision(
    store: Annotated[str, typer.Argument(metavar="STORE", help="The store's name.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Look, and change nothing.")] = False,
    policy_only: Annotated[
        bool, typer.Option("--policy-only", help="Print the least IAM policy and ask no service.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A further page that may send and play; may be repeated."),
    ] = None,
    log_bucket: Annotated[
        str | None, typer.Option(metavar="BUCKET", help="Log each access into this bucket.")
    ] = None,
    log_prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="What the names of those logs begin with.")
    ] = "",
    keep_versions_days: Annotated[
        int, typer.Option(min=1, help="Days that bytes deleted or replaced by others can be had back.")
    ] = 30,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="AWS profile with an administrator's credentials.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Make a store's bucket, or check it, and print the least rights that Reelkeep needs there.

    Block public access; refuse plain HTTP and unencrypted bytes; default encryption; versioning; remove parts
    of uploads that nobody ended; CORS for REELKEEP_PUBLIC_URL and REELKEEP_CORS_ORIGINS, never for everybody
    unless those say so. What others have set is kept. What the service does not support is said. A local
    store's folder is made, or checked. Running it again changes nothing.

    \b
    Example:
      reelkeep storage provision s3-eu --profile admin
      reelkeep storage provision s3-eu --check --json
      reelkeep storage provision s3-eu --policy-only
    """
    settings = read_settings(data)
    spec = spec_named(settings, store)
    if isinstance(spec, S3Spec):
        policy: dict[str, Any] | None = least_policy(spec)
        wanted = bucket.Wanted(
            spec,
            _origins(settings, origin or []),
            abort_days=settings.upload_resumable_expires_in_seconds // _DAY + ABORT_MARGIN_DAYS,
            version_days=keep_versions_days,
            log_bucket=log_bucket,
            log_prefix=log_prefix,
        )
        findings = [] if policy_only else _look(wanted, profile, check=check)
    else:
        assert isinstance(spec, LocalSpec)
        policy, findings = None, [] if policy_only else [_folder(spec.path, check=check)]
    _print(spec, findings, policy, as_json=as_json)
    return Exit.FAILED if any(finding.state == State.FAILED for finding in findings) else Exit.OK


def spec_named(settings: Settings, store: str) -> StoreSpec:
    """What is configured for a store, or `STORE_UNKNOWN` with the names that are."""
    specs = configured_stores(settings).specs
    if store not in specs:
        raise NotFound(
            f"There is no store {store!r}; configured are {', '.join(sorted(specs))}.",
            ErrorCode.STORE_UNKNOWN,
            store=store,
        )
    return specs[store]


def _look(wanted: bucket.Wanted, profile: str | None, *, check: bool) -> list[Finding]:
    try:
        return list(bucket.look(bucket.client_of(wanted.spec, profile), wanted, check=check))
    except BotoCoreError as error:
        raise ReelkeepError(
            f"No client for the store could be made: {error}.", ErrorCode.SETTINGS_INVALID
        ) from error


def _origins(settings: Settings, further: list[str]) -> tuple[str, ...]:
    found = dict.fromkeys([settings.base_url, *settings.cors_origins, *further])
    if "*" in found:
        print_note("REELKEEP_CORS_ORIGINS says *: pages of everybody may use the signed addresses they get.")
    return tuple(found)


def _folder(path: Path, *, check: bool) -> Finding:
    try:
        if not check:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        return Finding(
            "folder", State.FAILED, f"{path}: {error.strerror}.", "Make it, owned by Reelkeep's user."
        )
    if mode & 0o077:
        return Finding(
            "folder",
            State.WARNING,
            f"{path} is open to other users of this machine (mode {mode:o}).",
            f"chmod 700 {path}, unless a web server in front sends its files.",
        )
    return Finding("folder", State.OK, f"{path} is there")


def _print(spec: StoreSpec, findings: list[Finding], policy: dict[str, Any] | None, *, as_json: bool) -> None:
    failed = [finding.name for finding in findings if finding.state == State.FAILED]
    if as_json:
        document: dict[str, Any] = {
            "store": spec.name,
            "ok": not failed,
            "checks": [asdict(finding) for finding in findings],
            "iam_policy": policy,
        }
        if failed:
            document |= {
                "message": f"Failed: {', '.join(failed)}.",
                "error_code": ErrorCode.STORE_REFUSED,
                "details": {"failed": failed},
            }
        print_json(document)
        return
    if findings:
        print_findings(findings)
    if policy is not None:
        print_note("The least that Reelkeep's access key or role needs (IAM policy):")
        print_text(json_text(policy))


def print_findings(findings: list[Finding]) -> None:
    """Write findings with what to do about them."""
    rows = (
        (
            finding.state,
            finding.name,
            finding.message
            if finding.state == State.OK or finding.fix is None
            else f"{finding.message}\nWhat to do: {finding.fix}",
        )
        for finding in findings
    )
    print_table(("STATE", "WHAT", "FOUND"), rows, last_flows=True)
