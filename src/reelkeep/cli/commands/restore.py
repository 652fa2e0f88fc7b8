"""`reelkeep restore`: put a backup back on an empty machine."""

import asyncio
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from reelkeep.backups.restore import Restored
from reelkeep.cli.options import Data, Json, read_settings
from reelkeep.cli.output import print_facts, print_json, print_note
from reelkeep.cli.restoring import restore_installation

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    place: Annotated[
        str, typer.Argument(metavar="FROM", help="The store's name or the folder with the backups.")
    ],
    *,
    backup_id: Annotated[
        UUID | None, typer.Option("--backup", metavar="ID", help="Another one than the newest.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The backups' key; else REELKEEP_BACKUP_KEY_FILE.")
    ] = None,
    lost: Annotated[
        list[str] | None,
        typer.Option("--lost", metavar="STORE", help="A store that is gone for good; may be repeated."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a backup back on an empty machine: database, secret key, and the bytes that no store has.

    The database must be empty: a new data folder, or an empty database named by DATABASE_URL. The stores are
    those of the settings. Killed half-way it is simply run again. Blobs that are nowhere are told, and shown
    as missing. Whatever was erased after the backup is erased again.

    \b
    Example:
      reelkeep restore /mnt/other-disk/backups --key-file backup.key --data /srv/reelkeep
      reelkeep restore offsite --lost local
    """
    settings = read_settings(data, backup_key_file=key_file)
    restored = asyncio.run(restore_installation(settings, place, backup_id, frozenset(lost or ())))
    if as_json:
        print_json(_document(restored))
        return
    print_facts(_facts(restored))
    for store, why in restored.blobs.unreachable.items():
        print_note(f"The store {store} was not looked into: {why}. When it answers: reelkeep storage check")
    if restored.blobs.missing:
        print_note(
            "Blobs that no store and no backup has are marked as missing; the recordings' pages say so. "
            "An older backup made --with-blobs, or the bucket's versions, may have them: docs/recover.md"
        )


def _document(restored: Restored) -> dict[str, Any]:
    manifest, blobs = restored.manifest, restored.blobs
    return {
        "backup_id": manifest.id,
        "made_at": manifest.made_at,
        "erased_again": restored.erased,
        "blobs_present": blobs.present,
        "blobs_restored": blobs.restored,
        "blobs_missing": blobs.missing,
        "missing_ids": blobs.missing_ids,
        "stores_unreachable": blobs.unreachable,
    }


def _facts(restored: Restored) -> list[tuple[str, object]]:
    blobs = restored.blobs
    return [
        ("backup", f"{restored.manifest.id}, made {restored.manifest.made_at:%Y-%m-%d %H:%M} UTC"),
        ("blobs", f"{blobs.present:,} there, of them {blobs.restored:,} from the backup"),
        ("missing", f"{blobs.missing:,} blobs are nowhere" if blobs.missing else None),
        ("erased again", f"{restored.erased:,} recordings" if restored.erased else None),
    ]
