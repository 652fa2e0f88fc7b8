"""`reelkeep recordings shred`: erase the key of a recording's bytes."""

from typing import Annotated

import typer

from reelkeep.blobs.data_keys import KEPT_SECONDS
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization, read_id
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import print_json, print_note, print_text
from reelkeep.recordings.shred import Shredded, shred_recording
from reelkeep.runtime import Runtime


def shred(
    recording_id: Annotated[
        str, typer.Argument(metavar="ID", help="The recording's id.", show_default=False)
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Erase the key of a recording in encrypted stores: no copy and no backup of its bytes can be read again.

    Nothing brings it back. Words and facts stay in the database, and the recording goes to the trash. Stores
    that are not encrypted by Reelkeep and have copies are named, since those can be read still.

    \b
    Example:
      reelkeep recordings shred 01980c5e-0000-7000-8000-000000000000 --yes
    """
    if not yes:
        typer.confirm(
            f"Nothing will ever read the bytes of {recording_id} again. Go on?", abort=True, err=True
        )

    async def run(runtime: Runtime) -> Shredded:
        organization_id = await choose_organization(runtime, organization)
        return await shred_recording(runtime, organization_id, read_id(recording_id, "recording"), None)

    done = with_runtime(data, run)
    if as_json:
        print_json(
            {
                "recording_id": done.recording_id,
                "unreadable_in": done.unreadable_in,
                "readable_in": done.readable_in,
            }
        )
    else:
        where = ", ".join(done.unreadable_in) or "no store yet"
        print_text(f"The key of {recording_id} is erased; its bytes cannot be read any more in: {where}.")
        print_note(f"A server that has just used the key forgets it within {KEPT_SECONDS:.0f} seconds.")
        if done.readable_in:
            print_note(
                f"These stores are not encrypted by us and have it still: {', '.join(done.readable_in)}."
            )
    return Exit.FAILED if done.readable_in else Exit.OK
