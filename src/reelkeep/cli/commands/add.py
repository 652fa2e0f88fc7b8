"""`reelkeep add`: files, and files at URLs, become recordings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from reelkeep.cli.fetching import Underway, fetch_until_in, is_url, shown_url
from reelkeep.cli.files import look_at_file, pieces_of
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.outcome import error_document
from reelkeep.cli.output import duration_text, print_error, print_json, print_note, print_text, size_text
from reelkeep.cli.progress import Bars, show_progress
from reelkeep.cli.shapes import recording_document
from reelkeep.cli.waiting import count_workers, wait_until_ended
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.recordings.create import NewRecording
from reelkeep.recordings.models import Status
from reelkeep.runtime import Runtime
from reelkeep.uploads.bring import Source, bring_in
from reelkeep.uploads.fetch import FromUrl, begin_fetch

app = typer.Typer(add_completion=False)
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for besides the files."""

    title: str | None
    recording_type: str
    transcribe: bool
    wait: bool
    organization: str | None
    as_json: bool


@dataclass(slots=True)
class Added:
    """What became of one file or URL."""

    #: As it is shown.
    path: str
    recording_id: UUID | None = None
    error: ReelkeepError | None = None
    #: The recording as it is told in JSON.
    document: dict[str, Any] | None = None


@app.command()
def add(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE|URL", help="Sound or video files, or their URLs.", show_default=False),
    ],
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Process them now, and print their transcripts.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="A title, at most 200 characters.")] = None,
    recording_type: Annotated[
        str, typer.Option("--type", metavar="WORD", help="What kind of recording, in a word of yours.")
    ] = "recording",
    no_transcribe: Annotated[
        bool, typer.Option("--no-transcribe", help="Make them playable, and no transcript.")
    ] = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Add recordings from files and URLs; works with no server running too.

    A URL (http or https) is fetched; when this is stopped, a worker goes on with it.

    With --wait a worker that runs already does the processing; without one, this command does. One file
    that fails does not stop the others; the exit code is then 1.

    With --json one file gives the recording (with --wait its transcript too), and several give
    {"recordings": [...]}.

    \b
    Example:
      reelkeep add interview.mp3 --wait
      reelkeep add monday.wav tuesday.m4a --type lecture --json
      reelkeep add "https://media.example.org/talk.mp3" --title "A talk"
    """
    wish = Wish(
        title=_at_most(title, 200, "--title"),
        recording_type=_at_most(recording_type, 50, "--type") or "recording",
        transcribe=not no_transcribe,
        wait=wait,
        organization=organization,
        as_json=as_json,
    )
    added = with_runtime(data, lambda runtime: _add(runtime, files, wish))
    return _report(added, wish)


async def _add(runtime: Runtime, files: Sequence[str], wish: Wish) -> list[Added]:
    organization_id = await choose_organization(runtime, wish.organization)
    with show_progress(wanted=not wish.as_json) as bars:
        added = [await _add_one(runtime, organization_id, path, wish, bars) for path in files]
        await _fetch(runtime, organization_id, added, bars)
        names = {one.recording_id: _name(one) for one in added if one.recording_id and not one.error}
        if wish.wait and names:
            await wait_until_ended(runtime, organization_id, list(names), bars.follow(names))
    for one in added:
        if one.recording_id:
            one.document = await recording_document(
                runtime, organization_id, one.recording_id, with_transcript=wish.wait
            )
    if names and not wish.wait and not wish.as_json and not await count_workers(runtime):
        print_note("No worker is running; the processing begins when one does (`reelkeep serve`, or --wait).")
    return added


async def _add_one(runtime: Runtime, organization_id: UUID, named: str, wish: Wish, bars: Bars) -> Added:
    shown = shown_url(named) if is_url(named) else named
    new = NewRecording(
        original_filename="",
        content_type="",
        recording_type=wish.recording_type,
        title=wish.title,
        transcribe=wish.transcribe,
    )
    try:
        if is_url(named):
            return Added(shown, await begin_fetch(runtime, organization_id, None, FromUrl(named), new))
        file = look_at_file(Path(named))
        new = replace(new, original_filename=file.name, content_type=file.content_type)
        source = Source(pieces_of(file, bars.begin(file.name, file.size_bytes)), file.size_bytes)
        return Added(shown, await bring_in(runtime, organization_id, None, new, source))
    except ReelkeepError as error:
        log.info("a file was not added", error_code=error.code)
        return Added(shown, error=error)


async def _fetch(runtime: Runtime, organization_id: UUID, added: Sequence[Added], bars: Bars) -> None:
    """Fetch what was given as URLs, all at once."""
    fetched = {one.recording_id: one for one in added if one.recording_id and is_url(one.path)}
    if not fetched:
        return
    shown = {recording_id: bars.begin(_name(one), None) for recording_id, one in fetched.items()}

    def tell(recording_id: UUID, underway: Underway) -> None:
        shown[recording_id](underway.offset, underway.total)

    ended = await fetch_until_in(runtime, organization_id, list(fetched), tell)
    for recording_id, failure in ended.items():
        fetched[recording_id].error = failure


def _name(one: Added) -> str:
    return one.path.rstrip("/").rpartition("/")[2] or one.path


def _report(added: Sequence[Added], wish: Wish) -> int:
    for one in added:
        one.error = one.error or _processing_error(one)
    failed = [one for one in added if one.error]
    if wish.as_json:
        print_json(_document(added, failed))
    else:
        for one in added:
            _tell(one, wish, alone=len(added) == 1)
    return 1 if failed else 0


def _document(added: Sequence[Added], failed: Sequence[Added]) -> Any:
    recordings = [one.document for one in added if one.document]
    if not failed:
        return recordings[0] if len(added) == 1 else {"recordings": recordings}
    errors = [error_document(one.error) | {"file": str(one.path)} for one in failed if one.error]
    document = dict(errors[0])
    if len(added) > 1:
        document["message"] = (
            f"{len(failed)} of {len(added)} files failed: {', '.join(str(one.path) for one in failed)}."
        )
        document["details"] = {"errors": errors}
    document.pop("file", None)
    document["details"] = {"file": str(failed[0].path)} | document["details"] | {"recordings": recordings}
    return document


def _processing_error(one: Added) -> ReelkeepError | None:
    document = one.document
    if document is None or document["status"] != Status.FAILED:
        return None
    return ReelkeepError(
        document["processing_error"] or "The recording could not be processed.",
        ErrorCode(document["error_code"] or ErrorCode.INTERNAL_ERROR),
        recording_id=document["id"],
    )


def _tell(one: Added, wish: Wish, *, alone: bool) -> None:
    """Of a single file standard output has the words alone; of several, each under its name."""
    if one.document is None:
        assert one.error is not None
        named = "" if "file" in one.error.details else f"{one.path}: "
        print_error(named + one.error.message, one.error.code)
        return
    document = one.document
    facts = f"{one.path}: recording {document['id']}, {size_text(document['file_size_bytes'] or 0)}"
    if not wish.wait:
        print_text(f"{document['id']}  {one.path}  {size_text(document['file_size_bytes'] or 0)}")
        if one.error:
            print_error(f"{one.path}: {one.error.message}", one.error.code)
        return
    facts += f", {duration_text(document['duration_seconds'])}, {document['status']}"
    print_note(facts) if alone else print_text(f"== {facts}")
    for warning in document["warnings"]:
        print_note(f"Note: {warning}")
    if one.error:
        print_error(f"{one.path}: {one.error.message}", one.error.code)
    words = document["transcript"]
    if words and words["segments"]:
        print_text(words["text"])
    elif words:
        print_note("No speech was found in it.")


def _at_most(text: str | None, length: int, option: str) -> str | None:
    if text is not None and len(text) > length:
        raise typer.BadParameter(f"must have at most {length} characters.", param_hint=option)
    return text or None
