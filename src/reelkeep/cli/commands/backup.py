"""`reelkeep backup`: make a backup, list them, and prove one by restoring it into scratch."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from reelkeep.backups.backup_key import BackupKeys, load_keys
from reelkeep.backups.copy_blobs import Copied
from reelkeep.backups.drill import Drill, drill
from reelkeep.backups.make import make_backup
from reelkeep.backups.manifest import Manifest, whole_backups
from reelkeep.backups.places import Place, open_place
from reelkeep.backups.prune import Removed
from reelkeep.backups.restore import choose_backup
from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import age_text, print_facts, print_json, print_note, print_table, size_text
from reelkeep.clock import SystemClock
from reelkeep.runtime import Runtime

app = typer.Typer(add_completion=False)
T = TypeVar("T")
SAMPLE = 20

To = Annotated[
    str | None,
    typer.Option("--to", metavar="STORE|DIR", help="A store's name or a folder; else REELKEEP_BACKUP_STORE."),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="STORE|DIR", help="A store's name or a folder; else REELKEEP_BACKUP_STORE."
    ),
]


@app.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    *,
    to: To = None,
    with_blobs: Annotated[
        bool, typer.Option("--with-blobs", help="Put in the bytes of recordings too, if not there yet.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Back up the database and, if asked, the recordings, encrypted; list and test backups.

    A backup has the database as it is at one moment, the list of the files (blobs) that recordings need then,
    and the installation's secret key. The bytes of recordings are in it only with --with-blobs; without, they
    must survive in their stores. It is encrypted with the key in REELKEEP_BACKUP_KEY_FILE, else with one that
    is made in the data folder and shown this once: without the key nobody can read the backup.
    `reelkeep restore` puts it back.

    \b
    Example:
      reelkeep backup --to /mnt/other-disk/backups --with-blobs
      reelkeep backup list
      reelkeep backup drill
    """
    if context.invoked_subcommand is not None:
        return
    keys, (manifest, copied, removed) = with_runtime(
        data,
        lambda runtime: _at(
            runtime,
            to,
            lambda place, keys: make_backup(runtime, place, keys, with_blobs=with_blobs),
            make=True,
        ),
    )
    if keys.is_new:
        print_note(
            f"A key for backups was made in {keys.path}. Without it no backup can be read: keep it "
            f"elsewhere, away from the backups. It is shown this once:\n{keys.current.secret.hex()}"
        )
    if as_json:
        print_json(_document(manifest) | {"copied": asdict(copied), "removed": asdict(removed)})
    else:
        print_facts(_facts(manifest, copied, removed))


@app.command(name="list")
def list_all(*, place: From = None, data: Data = None, as_json: Json = False) -> None:
    """List the complete backups, newest first; one that broke off is not listed.

    \b
    Example:
      reelkeep backup list --from /mnt/other-disk/backups
    """
    _, found = with_runtime(
        data,
        lambda runtime: _at(runtime, place, lambda place, keys: whole_backups(place.store, keys)),
    )
    if as_json:
        print_json({"items": [_document(manifest) for manifest in found]})
        return
    now = SystemClock().now()
    rows = (
        (
            manifest.id,
            age_text(manifest.made_at, now),
            size_text(manifest.size_bytes),
            f"{manifest.blobs:,}",
            "with their bytes" if manifest.with_blobs else "listed",
            manifest.revision,
        )
        for manifest in found
    )
    print_table(("BACKUP", "AGE", "SIZE", "BLOBS", "", "TABLES"), rows)


@app.command(name="drill")
def prove(
    *,
    place: From = None,
    backup_id: Annotated[
        UUID | None, typer.Option("--backup", metavar="ID", help="Another one than the newest.")
    ] = None,
    sample: Annotated[int, typer.Option(min=0, help="Blobs that are read in full.")] = SAMPLE,
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Test the newest backup: restore it into a temporary folder, count its rows, read a sample of its files.

    A Postgres of its own is started in the scratch folder and removed again; nothing of the installation is
    changed, but that the drill is noted. The exit code is 1 when something is not as the backup says.

    \b
    Example:
      reelkeep backup drill
      reelkeep backup drill --from offsite --sample 200 --json
    """

    async def run(runtime: Runtime, place: Place, keys: BackupKeys) -> Drill:
        return await drill(runtime, await choose_backup(place, keys, backup_id), sample)

    _, found = with_runtime(
        data,
        lambda runtime: _at(runtime, place, lambda place, keys: run(runtime, place, keys)),
    )
    if as_json:
        print_json({"ok": found.is_good, **asdict(found)})
    else:
        print_facts(_drill_facts(found))
    return Exit.OK if found.is_good else Exit.FAILED


async def _at(
    runtime: Runtime,
    wanted: str | None,
    work: Callable[[Place, BackupKeys], Awaitable[T]],
    *,
    make: bool = False,
) -> tuple[BackupKeys, T]:
    keys = await asyncio.to_thread(load_keys, runtime.settings, make=make)
    async with open_place(runtime.settings, runtime.stores, runtime.open_folder, wanted) as place:
        return keys, await work(place, keys)


def _document(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "made_at": manifest.made_at,
        "version": manifest.version,
        "revision": manifest.revision,
        "with_blobs": manifest.with_blobs,
        "size_bytes": manifest.size_bytes,
        "blobs": manifest.blobs,
        "blob_bytes": manifest.blob_bytes,
        "blobs_missing": manifest.blobs_missing,
    }


def _facts(manifest: Manifest, copied: Copied, removed: Removed) -> list[tuple[str, object]]:
    bytes_told = (
        f"{copied.blobs:,} copied ({size_text(copied.bytes)})" if manifest.with_blobs else "listed only"
    )
    return [
        ("backup", manifest.id),
        ("size", size_text(manifest.size_bytes)),
        ("blobs", f"{manifest.blobs:,} ({size_text(manifest.blob_bytes)}), {bytes_told}"),
        (
            "no store has",
            f"{copied.missing:,} blobs: run `reelkeep storage check`" if copied.missing else None,
        ),
        ("removed", f"{removed.backups} older backups" if removed.backups else None),
    ]


def _drill_facts(found: Drill) -> list[tuple[str, object]]:
    wrong = "; ".join(f"{t}: {said:,} said, {was:,} found" for t, (said, was) in found.wrong_tables.items())
    return [
        ("backup", found.backup_id),
        ("result", "ok" if found.is_good else "failed"),
        ("database", f"{found.rows:,} rows in {found.tables} tables"),
        ("wrong", wrong or None),
        ("migrations", "run" if found.migrated else "not run"),
        ("blobs", f"{found.blobs_read:,} of {found.blobs_listed:,} read and proved"),
        ("unreadable", ", ".join(found.blobs_bad) or None),
        ("took", f"{found.seconds:.1f} s"),
    ]
