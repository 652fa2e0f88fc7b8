"""`reelkeep storage migrate` and `drain`: leave a store, and see how far that is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.output import (
    duration_text,
    print_facts,
    print_json,
    print_note,
    print_table,
    size_text,
)
from reelkeep.errors import Invalid
from reelkeep.placement import relocate
from reelkeep.placement.models import RelocationState
from reelkeep.placement.preview import Shelf, Sum
from reelkeep.placement.preview_move import MovePreview, preview_move
from reelkeep.runtime import Runtime

LOOK_SECONDS = 1.0

From = Annotated[str, typer.Option("--from", metavar="STORE", help="The store to leave.")]
To = Annotated[str, typer.Option("--to", metavar="STORE", help="The store that takes its place.")]
Pause = Annotated[bool, typer.Option("--pause", help="Pause the move; what has begun is finished.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a move that was paused.")]
Cancel = Annotated[bool, typer.Option("--cancel", help="Forget the move; copies stay where they are by now.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be moved, removed and paid; move nothing.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Show the progress until nothing is left to be moved.")]


def migrate(
    source: From,
    target: To = "",
    *,
    dry_run: DryRun = False,
    pause: Pause = False,
    resume: Resume = False,
    cancel: Cancel = False,
    wait: Wait = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Move everything from one store to another, while uploads and reads go on; workers do it.

    Each copy is proved before the older one goes, and the older one stays until links to it have ended. The
    move stays in force: what comes late follows. Asked again, it tells how far it is.

    \b
    Example:
      reelkeep storage migrate --from local --to s3-eu --dry-run
      reelkeep storage migrate --from local --to s3-eu --wait
      reelkeep storage migrate --from local --pause
    """
    if dry_run:
        _dry_run(source, target or None, data, as_json=as_json)
        return
    act = _act(source, target or None, pause=pause, resume=resume, cancel=cancel)
    _carry_out(act, source, data, wait=wait, as_json=as_json, cancelled=cancel)


def drain(
    store: Annotated[str, typer.Argument(metavar="STORE", help="The store to empty.")],
    *,
    dry_run: DryRun = False,
    cancel: Cancel = False,
    wait: Wait = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Empty a store before it is taken out: each copy goes once the other stores of its rule have theirs.

    \b
    Example:
      reelkeep storage drain second --wait
    """
    if dry_run:
        _dry_run(store, None, data, as_json=as_json)
        return

    async def act(runtime: Runtime) -> None:
        if cancel:
            await relocate.end_relocation(runtime, store)
        else:
            await relocate.begin_relocation(runtime, store, None)

    _carry_out(act, store, data, wait=wait, as_json=as_json, cancelled=cancel)


def _act(
    source: str, target: str | None, *, pause: bool, resume: bool, cancel: bool
) -> Callable[[Runtime], Awaitable[None]]:
    if pause + resume + cancel > 1:
        raise Invalid("Give one of --pause, --resume and --cancel.")

    async def act(runtime: Runtime) -> None:
        if cancel:
            await relocate.end_relocation(runtime, source)
        elif pause or resume:
            await relocate.pause_relocation(runtime, source, paused=pause)
        elif target is not None and not await _is_underway(runtime, source, target):
            await relocate.begin_relocation(runtime, source, target)

    return act


async def _is_underway(runtime: Runtime, source: str, target: str) -> bool:
    moves = await relocate.list_relocations(runtime)
    return any((move.source, move.target) == (source, target) for move in moves)


def _carry_out(
    act: Callable[[Runtime], Awaitable[None]],
    source: str,
    data: Any,
    *,
    wait: bool,
    as_json: bool,
    cancelled: bool,
) -> None:
    async def work(runtime: Runtime) -> relocate.Progress | None:
        await act(runtime)
        if cancelled:
            return None
        if wait:
            await _wait(runtime, source, shown=not as_json)
        return await relocate.progress_of(runtime, source)

    found = with_runtime(data, work)
    if as_json:
        print_json({"cancelled": True} if found is None else asdict(found))
    elif found is None:
        print_note("The move is forgotten; copies stay where they are now.")
    else:
        _show(found)


async def _wait(runtime: Runtime, source: str, *, shown: bool) -> None:
    """Until nothing is left to be moved; a running worker moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), disable=not shown) as bars:
        bar = bars.add_task(f"out of {source}", total=None)
        while True:
            found = await relocate.progress_of(runtime, source)
            moved = found.bytes_total - found.bytes_left
            bars.update(bar, total=max(found.bytes_total, 1), completed=max(moved, 0))
            if found.copies_left == 0 or found.state == RelocationState.PAUSED:
                return
            await asyncio.sleep(LOOK_SECONDS)


def _show(found: relocate.Progress) -> None:
    moved = found.copies_total - found.copies_left
    rate = found.bytes_per_second
    print_facts(
        [
            ("from", found.source),
            ("to", found.target or "where the rules want it"),
            ("state", found.state),
            ("moved", f"{max(moved, 0):,} of {found.copies_total:,} copies"),
            ("left", f"{found.copies_left:,} copies, {size_text(found.bytes_left)}"),
            ("kept for open links", found.copies_ending or None),
            ("rate", f"{size_text(rate)}/s" if rate else None),
            ("time left", duration_text(found.seconds_left) if found.copies_left and rate else None),
        ]
    )
    if found.state == RelocationState.RUNNING and found.copies_left:
        print_note("Workers move it; ask again, or add --wait.")


def _dry_run(source: str, target: str | None, data: Any, *, as_json: bool) -> None:
    found = with_runtime(data, lambda runtime: preview_move(runtime, source, target))
    if as_json:
        print_json(_document(found))
        return
    rows = [
        *(("copy to", *_row(place)) for place in found.made),
        *(("remove from", *_row(place)) for place in found.removed),
    ]
    if rows:
        print_table(("WHAT", "WHERE", "COPIES", "BYTES"), rows)
    else:
        print_note("Nothing would be moved.")
    print_facts(
        [
            ("lost", f"{found.found.lost:,} blobs that no store has" if found.found.lost else None),
            ("cost once", _money(found, found.cost_once)),
            ("a month from then on", _money(found, found.cost_per_month, sign=True)),
        ]
    )
    if found.unpriced:
        print_note(f"Without prices, and so not in the cost: {', '.join(found.unpriced)}.")


def _document(found: MovePreview) -> dict[str, Any]:
    return {
        "source": found.source,
        "target": found.target,
        "make": [_entry(place) for place in found.made],
        "remove": [_entry(place) for place in found.removed],
        "lost": found.found.lost,
        "currency": found.currency,
        "cost_once": found.cost_once,
        "cost_per_month_more": found.cost_per_month,
        "stores_without_prices": found.unpriced,
    }


def _entry(place: tuple[Shelf, Sum]) -> dict[str, Any]:
    (store, storage_class), found = place
    return {"store": store, "storage_class": storage_class, **asdict(found)}


def _row(place: tuple[Shelf, Sum]) -> tuple[str, str, str]:
    shelf, found = place
    return " ".join(shelf).rstrip(), f"{found.copies:,}", size_text(found.bytes)


def _money(found: MovePreview, amount: Decimal | None, *, sign: bool = False) -> str | None:
    if amount is None:
        return None
    return f"{amount:+,.2f} {found.currency}" if sign else f"{amount:,.2f} {found.currency}"
