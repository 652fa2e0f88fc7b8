"""`reelkeep storage check`: what stores have and what they should have, and how it is repaired."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import age_text, print_facts, print_json, print_note, print_table, size_text
from reelkeep.clock import SystemClock
from reelkeep.placement.check import Drift, check_store
from reelkeep.placement.scrub import Round, scrub_round
from reelkeep.placement.versions import Repair
from reelkeep.runtime import Runtime

#: Why a copy could not be repaired, and what to do.
WHY_NOT = {
    Repair.NO_VERSIONING: "no other copy can be read, and the store keeps no older versions. A backup made "
    "--with-blobs may have them (docs/recover.md). For what comes: a second copy by a rule, and "
    "`reelkeep storage provision {store}`, which turns versions on in a bucket",
    Repair.NO_VERSION_AGREES: "no other copy can be read, and no older version that the bucket still keeps "
    "has the bytes that were sealed. A backup made --with-blobs may have them (docs/recover.md)",
    Repair.VERSION_ARCHIVED: "the older version lies in an archive class. Restore that version with the "
    "service's own tools, copy it over the object there, and run this again",
    Repair.NOT_ALLOWED: "the service refused to list, read or copy older versions. Give the credentials what "
    "`reelkeep storage provision {store} --policy-only` prints, and run this again",
    Repair.NO_DIGEST: "no other copy can be read, and their SHA-256 was never computed, so no older version "
    "can be proved to be them. Look at the versions with the service's own tools",
}


def check(
    store: Annotated[str | None, typer.Argument(metavar="[STORE]", help="Only this one; else all.")] = None,
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every copy and compare its digest; takes its time.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Have bad copies made again from others, or from older versions that a bucket keeps; remove "
            "bytes that nothing tells of.",
        ),
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare what lies in stores with what the database knows: lost copies, and files nothing tells of.

    A bad copy is made again by workers from another one. Where no other can be read, and the bucket keeps
    versions, it is brought back here and now from the newest that has the sealed size and SHA-256.

    Ends with 1 when something is wrong and was not repaired. Workers read every copy by themselves too;
    the last lines say how far they are.

    \b
    Example:
      reelkeep storage check
      reelkeep storage check s3-eu --verify --repair
    """
    found, told = with_runtime(data, lambda runtime: _check(runtime, store, verify=verify, repair=repair))
    if as_json:
        drifts = [{**asdict(drift), "clean": drift.is_clean} for drift in found]
        print_json({"stores": drifts, "reading": asdict(told)})
    else:
        _show(found, told)
    if any(drift.not_repaired if repair else not drift.is_clean for drift in found):
        raise typer.Exit(Exit.FAILED)


async def _check(
    runtime: Runtime, store: str | None, *, verify: bool, repair: bool
) -> tuple[list[Drift], Round]:
    names = [store] if store is not None else list(runtime.stores.by_name)
    for name in names:
        runtime.stores.get(name)
    found = [await check_store(runtime, name, verify=verify, repair=repair) for name in names]
    return found, await scrub_round(runtime)


def _show(found: list[Drift], told: Round) -> None:
    print_table(
        ("STORE", "OBJECTS", "BYTES", "COPIES", "MISSING", "WRONG SIZE", "DAMAGED", "ORPHANS", "REPAIRED"),
        [_row(drift) for drift in found],
    )
    for drift in found:
        for line in drift.examples:
            print_note(f"{drift.store}: {line}")
        if drift.foreign:
            print_note(f"{drift.store}: {drift.foreign:,} objects are not Reelkeep's; they are left alone.")
        if drift.unreadable:
            print_note(f"{drift.store}: {drift.unreadable:,} copies nobody can read: their key was erased.")
        _show_repairs(drift)
    oldest = told.oldest_read_at
    print_facts(
        [
            ("copies read by workers", f"{told.copies - told.never_read:,} of {told.copies:,}"),
            ("longest unread", age_text(oldest, SystemClock().now()) if oldest else None),
            ("a full round takes", f"{told.days} days" if told.days else "never: REELKEEP_SCRUB_DAYS is 0"),
        ]
    )


def _show_repairs(drift: Drift) -> None:
    for line in drift.repairs:
        print_note(f"{drift.store}: {line}")
    if drift.brought_back:
        print_note(f"{drift.store}: {drift.brought_back:,} copies were brought back from older versions.")
    for why, copies in drift.not_repaired.items():
        told = WHY_NOT[Repair(why)].format(store=drift.store)
        print_note(f"{drift.store}: {copies:,} copies could not be repaired: {told}.")


def _row(drift: Drift) -> tuple[Any, ...]:
    counts = (drift.copies, drift.missing, drift.wrong_size, drift.damaged, drift.orphans, drift.repaired)
    return (drift.store, f"{drift.objects:,}", size_text(drift.bytes), *(f"{count:,}" for count in counts))
