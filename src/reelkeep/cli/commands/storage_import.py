"""`reelkeep storage import`: recordings from a store alone, or from plain files of any layout."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from reelkeep.catalog.import_plain import Bucket, Folder, PlainReport, Source, Wanted, import_plain
from reelkeep.catalog.import_store import Report, import_store
from reelkeep.catalog.pattern import Pattern
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.output import print_facts, print_json, print_note, print_table, size_text
from reelkeep.errors import NotFound
from reelkeep.runtime import Runtime

INCOMPLETE = 1
PROBLEMS_SHOWN = 20


def import_recordings(
    source: Annotated[
        str, typer.Argument(metavar="STORE|DIR", help="A store's name, or a folder.", show_default=False)
    ],
    *,
    pattern: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Plain files, laid out as in {year}/{client}/{session}.{ext}."),
    ] = None,
    prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="With a pattern: only what lies under it in the store.")
    ] = "",
    recording_type: Annotated[
        str, typer.Option("--type", metavar="WORD", help="With a pattern: what kind of recordings they are.")
    ] = "recording",
    no_transcribe: Annotated[
        bool, typer.Option("--no-transcribe", help="With a pattern: make no transcripts.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")] = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make recordings again from a store alone, when the database is gone; or take in plain files.

    Without a pattern the store's own descriptions are read: ids stay as they were, words come back from their
    files, and what is missing is made again. Each recording goes to its own organization, which is made again
    under its id where it is gone; --organization takes all into another one. What the database knows already,
    or knows to be erased, is left as it is: run it again after a break. docs/recover-without-database.md

    With a pattern, files that somebody else laid out are copied in; they stay where they are.

    \b
    Example:
      reelkeep storage import s3-eu --dry-run
      reelkeep storage import s3-eu
      reelkeep storage import /mnt/archive --pattern '{year}/{client}/{session}.{ext}' --dry-run
    """
    asked = None if pattern is None else Pattern.parse(pattern)

    async def do(runtime: Runtime) -> Report | PlainReport:
        if asked is None:
            return await _rebuild(runtime, source, organization, dry_run=dry_run)
        organization_id = await choose_organization(runtime, organization)
        wanted = Wanted(organization_id, asked, recording_type, not no_transcribe)
        place = _place(runtime, source, prefix)
        return await import_plain(runtime, place, wanted, dry_run=dry_run, tell=_progress)

    report = with_runtime(data, do)
    _report(report, as_json=as_json)
    if report.problems:
        raise typer.Exit(INCOMPLETE)


async def _rebuild(runtime: Runtime, store: str, organization: str | None, *, dry_run: bool) -> Report:
    organization_id: UUID | None = None
    if organization is not None:
        organization_id = await choose_organization(runtime, organization)
    return await import_store(
        runtime, store, organization_id=organization_id, dry_run=dry_run, tell=_progress
    )


def _place(runtime: Runtime, source: str, prefix: str) -> Source:
    if source in runtime.stores.by_name:
        return Bucket(runtime.stores.get(source), prefix)
    folder = Path(source)
    if not folder.is_dir():
        raise NotFound(
            f"{source!r} is neither a folder nor a store; stores are {', '.join(runtime.stores.by_name)}."
        )
    return Folder(folder)


def _progress(report: Report | PlainReport) -> None:
    """One line that is written over, where somebody watches."""
    if sys.stderr.isatty():
        taken = report.taken if isinstance(report, PlainReport) else len(report.taken)
        sys.stderr.write(f"\r{taken:,} taken, {report.there:,} there already ")
        sys.stderr.flush()


def _report(report: Report | PlainReport, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(report))
        return
    if sys.stderr.isatty():
        sys.stderr.write("\r")
    would = "would be taken" if report.dry_run else "taken"
    facts: list[tuple[str, object]] = []
    if isinstance(report, Report):
        facts = [
            ("objects", f"{report.objects:,}"),
            (would, f"{len(report.taken):,}"),
            ("of them with words", f"{report.with_words:,}"),
            ("organizations", f"{len(report.organizations):,}"),
            ("there already", f"{report.there:,}"),
            ("erased, left out", f"{report.erased:,}"),
            ("objects nobody told of", f"{report.unexplained:,}"),
        ]
    else:
        facts = [
            ("files", f"{report.files:,}"),
            (would, f"{report.taken:,} ({size_text(report.bytes_taken)})"),
            ("there already", f"{report.there:,}"),
            ("erased, left out", f"{report.erased:,}"),
            ("laid out otherwise", f"{report.unlike:,}"),
        ]
    print_facts(facts)
    if isinstance(report, PlainReport) and report.dry_run:
        for example in report.examples:
            print_facts([("e.g.", ""), *example.items()])
    if report.problems:
        rows = [(problem.key, problem.message) for problem in report.problems[:PROBLEMS_SHOWN]]
        print_table(("NOT TAKEN", "WHY"), rows, last_flows=True)
        left = len(report.problems) - len(rows)
        print_note(f"{len(report.problems):,} were not taken{f', {left:,} not shown' if left else ''}.")


def _document(report: Report | PlainReport) -> dict[str, Any]:
    document = asdict(report)
    if isinstance(report, Report):
        document["organizations"] = sorted(report.organizations)
    return document
