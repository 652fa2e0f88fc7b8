"""`reelkeep recordings`: what is there, and what people do with it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from reelkeep.cli.commands.recordings_keeping import hold, purge, release
from reelkeep.cli.commands.recordings_shred import shred
from reelkeep.cli.export import Form, export_original, export_transcript
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization, read_id
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import (
    age_text,
    duration_text,
    print_facts,
    print_json,
    print_note,
    print_table,
    print_text,
    size_text,
)
from reelkeep.cli.progress import show_progress
from reelkeep.cli.shapes import list_document, recording_document
from reelkeep.cli.waiting import count_workers, wait_until_ended
from reelkeep.clock import SystemClock
from reelkeep.http.recordings_routes import check_engine
from reelkeep.http.schemas import RecordingListOut, RecordingOut
from reelkeep.recordings import change
from reelkeep.recordings.models import Status, StepKind
from reelkeep.recordings.queries import Filter
from reelkeep.runtime import Runtime

app = typer.Typer(
    help="List, show, export, delete, restore, hold, purge, and run steps again.",
    no_args_is_help=True,
    add_completion=False,
)

app.command(name="shred")(shred)
app.command(name="hold")(hold)
app.command(name="release")(release)
app.command(name="purge")(purge)

RecordingId = Annotated[str, typer.Argument(metavar="ID", help="The recording's id.", show_default=False)]
WithTranscript = Annotated[bool, typer.Option("--transcript", help="What was said, too.")]


@app.command(name="list")
def list_all(
    *,
    status: Annotated[Status | None, typer.Option(help="Only those in this state.")] = None,
    recording_type: Annotated[
        str | None, typer.Option("--type", metavar="WORD", help="Only this kind.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="In the title or the file's name.")
    ] = None,
    appointment: Annotated[str | None, typer.Option(metavar="ID", help="Only of this appointment.")] = None,
    visit: Annotated[str | None, typer.Option(metavar="ID", help="Only of this visit.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those in the trash instead.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last page ended.")] = None,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List recordings, newest first.

    \b
    Example:
      reelkeep recordings list --status failed
      reelkeep recordings list --search interview --json
    """
    chosen = Filter(
        status=status,
        recording_type=recording_type,
        words=search,
        appointment_id=appointment,
        visit_id=visit,
        deleted=deleted,
    )

    async def read(runtime: Runtime) -> RecordingListOut:
        organization_id = await choose_organization(runtime, organization)
        return await list_document(runtime, organization_id, chosen, limit=limit, cursor=cursor)

    page = with_runtime(data, read)
    if as_json:
        print_json(page)
        return
    print_table(("ID", "STATE", "LENGTH", "AGE", "TITLE"), map(_row, page.items))
    if page.next_cursor:
        print_note(f"{len(page.items)} of {page.total}; go on with --cursor {page.next_cursor}")


@app.command()
def show(
    recording_id: RecordingId,
    transcript: WithTranscript = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show a recording with its steps and their errors; one in the trash too.

    \b
    Example:
      reelkeep recordings show 01980c5e-0000-7000-8000-000000000000 --transcript
    """
    document = _with_recording(data, organization, recording_id, _nothing, with_transcript=transcript)
    if as_json:
        print_json(document)
    else:
        _show(document)


@app.command()
def export(
    recording_id: RecordingId,
    *,
    form: Annotated[Form, typer.Option("--format", help="What to export.")] = Form.TXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; else standard output.")
    ] = None,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write the transcript or the original file.

    The original is checked: a file with another size or SHA-256 than was sealed is not kept.

    \b
    Example:
      reelkeep recordings export 01980c5e-0000-7000-8000-000000000000 --format srt -o talk.srt
      reelkeep recordings export 01980c5e-0000-7000-8000-000000000000 --format original -o talk.wav
    """
    if as_json and form == Form.ORIGINAL and output is None:
        raise typer.BadParameter("with --json the original needs a file: -o FILE.", param_hint="--format")

    async def write(runtime: Runtime) -> dict[str, Any] | None:
        found = read_id(recording_id, "recording")
        organization_id = await choose_organization(runtime, organization)
        if form == Form.ORIGINAL:
            return await export_original(runtime, organization_id, found, output)
        return await export_transcript(runtime, organization_id, found, form, output, as_json=as_json)

    told = with_runtime(data, write)
    if as_json and told is not None:
        print_json(told)
    elif output is not None and told is not None:
        print_note(f"{output}: {size_text(told['size_bytes'])}")


@app.command()
def delete(
    recording_id: RecordingId, organization: OrganizationName = None, data: Data = None, as_json: Json = False
) -> None:
    """Move a recording to the trash; nothing of it is removed, and `restore` brings it back.

    \b
    Example:
      reelkeep recordings delete 01980c5e-0000-7000-8000-000000000000
    """

    async def move(runtime: Runtime, organization_id: UUID, found: UUID) -> None:
        async with runtime.database.work(organization_id) as session:
            await change.move_to_trash(
                session, organization_id, found, actor_user_id=None, now=runtime.clock.now()
            )

    document = _with_recording(data, organization, recording_id, move)
    if as_json:
        print_json(document)
    else:
        print_text(
            f"{recording_id} is in the trash; `reelkeep recordings restore {recording_id}` brings it back."
        )


@app.command()
def restore(
    recording_id: RecordingId, organization: OrganizationName = None, data: Data = None, as_json: Json = False
) -> None:
    """Take a recording out of the trash; work that waited for it goes on.

    \b
    Example:
      reelkeep recordings restore 01980c5e-0000-7000-8000-000000000000
    """

    async def bring_back(runtime: Runtime, organization_id: UUID, found: UUID) -> None:
        async with runtime.database.work(organization_id) as session:
            await change.restore(session, organization_id, found, None)

    document = _with_recording(data, organization, recording_id, bring_back)
    if as_json:
        print_json(document)
    else:
        print_text(f"{recording_id} is restored; it is {document['status']}.")


@app.command()
def rerun(
    recording_id: RecordingId,
    step: Annotated[StepKind, typer.Argument(metavar="STEP", help="One of its steps.")],
    *,
    engine: Annotated[str | None, typer.Option(help="Speech engine, for transcribe.")] = None,
    language: Annotated[str | None, typer.Option(help="Language, as en, for transcribe.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Do it now, and show the recording.")] = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Do one step again, with the parameters it was first given where no new ones are.

    \b
    Example:
      reelkeep recordings rerun 01980c5e-0000-7000-8000-000000000000 transcribe --engine pocketsphinx --wait
    """
    wanted = {"engine": engine, "language": language}
    parameters = {name: value for name, value in wanted.items() if value is not None}
    if parameters and step != StepKind.TRANSCRIBE:
        raise typer.BadParameter("only transcribe has an engine and a language.", param_hint="STEP")

    async def again(runtime: Runtime, organization_id: UUID, found: UUID) -> None:
        check_engine(runtime, engine)
        async with runtime.database.work(organization_id) as session:
            await change.rerun_step(
                session,
                organization_id,
                found,
                step,
                parameters=parameters,
                actor_user_id=None,
                now=runtime.clock.now(),
            )
        if wait:
            with show_progress(wanted=not as_json) as bars:
                follow = bars.follow({found: recording_id})
                await wait_until_ended(runtime, organization_id, [found], follow)
        elif not as_json and not await count_workers(runtime):
            print_note("No worker is running; the step begins when one does (`reelkeep serve`, or --wait).")

    document = _with_recording(data, organization, recording_id, again, with_transcript=wait)
    failed = wait and any(one["kind"] == step and one["state"] == "failed" for one in document["steps"])
    if as_json:
        print_json(document)
    elif wait:
        _show(document)
    else:
        print_text(f"{step} of {recording_id} waits to be done again.")
    return Exit.FAILED if failed else Exit.OK


async def _nothing(_runtime: Runtime, _organization_id: UUID, _recording_id: UUID) -> None:
    """Only look."""


def _with_recording(
    data: Path | None,
    organization: str | None,
    recording_id: str,
    work: Callable[[Runtime, UUID, UUID], Awaitable[None]],
    *,
    with_transcript: bool = False,
) -> dict[str, Any]:
    """Do something to a recording, then read it as it is afterwards."""

    async def run(runtime: Runtime) -> dict[str, Any]:
        found = read_id(recording_id, "recording")
        organization_id = await choose_organization(runtime, organization)
        await work(runtime, organization_id, found)
        return await recording_document(runtime, organization_id, found, with_transcript=with_transcript)

    return with_runtime(data, run)


def _row(recording: RecordingOut) -> tuple[object, ...]:
    age = age_text(recording.created_at, SystemClock().now())
    title = recording.title or recording.original_filename
    return recording.id, recording.status, duration_text(recording.duration_seconds), age, title


def _show(document: dict[str, Any]) -> None:
    size = document["file_size_bytes"]
    print_facts(
        [
            ("id", document["id"]),
            ("title", document["title"]),
            ("file", document["original_filename"]),
            ("kind", document["recording_type"]),
            ("state", document["status"]),
            ("problem", document["processing_error"]),
            ("in the trash", document["deleted_at"]),
            ("length", duration_text(document["duration_seconds"])),
            ("size", size_text(size) if size else None),
            ("type", document["mime_type"]),
            ("sha-256", document["sha256"]),
            ("created", document["created_at"]),
            ("words by", document["transcription_service"]),
            ("language", document["transcript_language"]),
        ]
    )
    print_text("")
    print_table(("STEP", "STATE", "TRIES", "NOTES"), map(_step_row, document["steps"]), last_flows=True)
    transcript = document.get("transcript")
    if transcript:
        print_text("\n" + (transcript["text"] or "No speech was found in it."))


def _step_row(step: dict[str, Any]) -> tuple[object, ...]:
    error = f"{step['error_message']} ({step['error_code']})" if step["error_code"] else ""
    running = f"{step['progress']:.0%}" if step["progress"] is not None else ""
    notes = "; ".join(filter(None, [running, error, *map(str, step["warnings"])]))
    return step["kind"], step["state"], step["attempts"], notes
