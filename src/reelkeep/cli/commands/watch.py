"""`reelkeep watch`: files that appear in a folder become recordings."""

from pathlib import Path
from typing import Annotated

import typer

from reelkeep.cli.options import Data, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.watching.away import Places
from reelkeep.cli.watching.folder import Folder, lock_folder
from reelkeep.cli.watching.journal import Journal
from reelkeep.cli.watching.round import Told, Watch
from reelkeep.cli.watching.take import Taker, Wanted
from reelkeep.runtime import Runtime

app = typer.Typer(add_completion=False)


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to watch.", show_default=False)],
    *,
    recursive: Annotated[bool, typer.Option("--recursive", help="The folders in it too.")] = False,
    pattern: Annotated[str, typer.Option(metavar="GLOB", help="Names to take, as *.wav.")] = "*",
    settle: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long a file must not have changed.")
    ] = 5.0,
    done: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where files go; without it DIR/done.")
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove files instead, once they are durable.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Take what is there, then stop.")] = False,
    recording_type: Annotated[
        str, typer.Option("--type", metavar="WORD", help="What kind of recording, in a word of yours.")
    ] = "recording",
    no_transcribe: Annotated[
        bool, typer.Option("--no-transcribe", help="Make them playable, and no transcript.")
    ] = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each file.")] = False,
) -> int:
    """Watch a folder: every file in it becomes a recording, then moves to DIR/done.

    A file is taken when it has not changed for a while and nobody has it open for writing. It is moved only
    when its bytes are durable. What cannot become a recording moves to DIR/failed, with the reason beside
    it in a .txt file. Hidden files, links, and unfinished downloads (.part, .tmp, …) are left alone.

    Ctrl-C, a crash or a power cut at any moment loses no file and makes no recording twice.

    With --json standard output has one line of JSON for each file: its path, what became of it, the
    recording's id or the error.

    \b
    Example:
      reelkeep watch /srv/recorder --recursive --settle 30
      reelkeep watch ~/inbox --pattern "*.m4a" --once --json
    """
    if done is not None and delete:
        raise typer.BadParameter("give --done or --delete, not both.", param_hint="--done")
    if not 1 <= len(recording_type) <= 50:
        raise typer.BadParameter("must have 1 to 50 characters.", param_hint="--type")
    root = folder.absolute()
    lock_folder(root)
    done = (done or root / "done").absolute()
    places = Places(root, None if delete else done, root / "failed")

    async def run(runtime: Runtime) -> int:
        organization_id = await choose_organization(runtime, organization)
        wanted = Wanted(organization_id, recording_type, not no_transcribe)
        journal = Journal(runtime.settings.data, root)
        watching = Watch(
            Folder(root, recursive, pattern, settle, apart=(done, places.failed)),
            Taker(runtime, journal, root, wanted),
            places,
            Told(as_json),
        )
        return await watching.run(once=once)

    return with_runtime(data, run)
