"""`reelkeep recordings hold`, `release` and `purge`: what may be removed for good, and removing it."""

from typing import Annotated
from uuid import UUID

import typer

from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization, read_id
from reelkeep.cli.output import print_json, print_note, print_text, size_text
from reelkeep.errors import ErrorCode, NotFound
from reelkeep.placement.purge import Purged, in_trash, purge_recording
from reelkeep.recordings.holds import place_hold, release_holds
from reelkeep.runtime import Runtime

RecordingId = Annotated[str, typer.Argument(metavar="ID", help="The recording's id.", show_default=False)]


def hold(
    recording_id: RecordingId,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for whoever asks later.", show_default=False)
    ],
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Forbid removing anything of a recording for good, whatever a rule says, until it is released.

    \b
    Example:
      reelkeep recordings hold 01980c5e-0000-7000-8000-000000000000 --reason "Case 2026-117"
    """

    async def run(runtime: Runtime) -> UUID:
        organization_id = await choose_organization(runtime, organization)
        found = read_id(recording_id, "recording")
        async with runtime.database.work(organization_id) as session:
            placed = await place_hold(
                session, organization_id, found, reason, actor_user_id=None, now=runtime.clock.now()
            )
            return placed.id

    hold_id = with_runtime(data, run)
    if as_json:
        print_json({"recording_id": recording_id, "hold_id": hold_id, "held": True})
    else:
        print_text(f"{recording_id} is held; nothing of it is removed until that is released.")


def release(
    recording_id: RecordingId,
    *,
    hold_id: Annotated[
        str | None, typer.Option("--hold", metavar="ID", help="Only this one; else all that it has.")
    ] = None,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Release a recording's holds; what the rules say of it counts again.

    \b
    Example:
      reelkeep recordings release 01980c5e-0000-7000-8000-000000000000
    """

    async def run(runtime: Runtime) -> int:
        organization_id = await choose_organization(runtime, organization)
        found = read_id(recording_id, "recording")
        async with runtime.database.work(organization_id) as session:
            return await release_holds(
                session,
                organization_id,
                found,
                actor_user_id=None,
                now=runtime.clock.now(),
                hold_id=None if hold_id is None else read_id(hold_id, "hold"),
            )

    released = with_runtime(data, run)
    if as_json:
        print_json({"recording_id": recording_id, "released": released})
    else:
        print_text(f"Holds released: {released}.")


def purge(
    recording_id: RecordingId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Remove a recording in the trash for good: its words and facts now, its bytes from every store.

    Nothing brings it back. Workers remove the bytes as soon as links that were given out have ended.

    \b
    Example:
      reelkeep recordings purge 01980c5e-0000-7000-8000-000000000000 --yes
    """
    if not yes:
        typer.confirm(f"Nothing will bring {recording_id} back. Go on?", abort=True, err=True)

    async def run(runtime: Runtime) -> Purged:
        organization_id = await choose_organization(runtime, organization)
        found = read_id(recording_id, "recording")
        done = await purge_recording(runtime, organization_id, found, still=in_trash, reason="purge")
        if done is None:
            raise NotFound(
                "This recording is not here; perhaps it was purged before.",
                ErrorCode.RECORDING_NOT_FOUND,
                recording_id=recording_id,
            )
        return done

    done = with_runtime(data, run)
    if as_json:
        print_json({"recording_id": done.recording_id, "files": done.blobs, "bytes": done.bytes})
    else:
        print_text(f"{recording_id} is purged: {done.blobs} files, {size_text(done.bytes)}.")
        print_note("Workers remove the bytes when links that were given out have ended.")
