"""`reelkeep storage rules` and `plan`: where copies should be, and what a rule would do before it does."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from reelkeep.blobs.cost import CostOfMoves, cost_of_moves
from reelkeep.blobs.store_usage import prices_of
from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.output import print_facts, print_json, print_note, print_table, print_text, size_text
from reelkeep.errors import Invalid
from reelkeep.placement.load import InForce, in_force
from reelkeep.placement.preview import Preview, moves_of, preview
from reelkeep.placement.retention import Ending, preview_retention
from reelkeep.placement.rules import Kept
from reelkeep.placement.write_rules import Written, clear_rules, list_rules, read_rules, write_rules
from reelkeep.runtime import Runtime

rules = typer.Typer(
    help="Say where copies should be, by kind and age.", no_args_is_help=True, add_completion=False
)

Scope = Annotated[
    str | None,
    typer.Option("--organization", metavar="NAME", help="Only for this one, by name or id; else for all."),
]
RulesFile = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="Rules as docs/placement.md shows them; - is standard input."),
]


@rules.command()
def show(data: Data = None, as_json: Json = False) -> None:
    """Show the rules that were written, and whether they have been carried out.

    \b
    Example:
      reelkeep storage rules show
    """
    written = with_runtime(data, list_rules)
    if as_json:
        print_json({"rules": [asdict(one) for one in written]})
        return
    if not written:
        print_note(
            "No rules were written: new recordings stay in the primary store, older ones where they are."
        )
    for one in written:
        _show(one)


@rules.command(name="set")
def set_rules(file: RulesFile, organization: Scope = None, data: Data = None, as_json: Json = False) -> None:
    """Put rules in force; copies follow by themselves. Wrong ones are refused with the line.

    Look at `reelkeep storage plan FILE` first.

    \b
    Example:
      reelkeep storage rules set rules.txt
      echo "*: s3-eu, second" | reelkeep storage rules set -
    """
    text = _read(file)
    with_runtime(data, lambda runtime: _write(runtime, text, organization))
    if as_json:
        print_json({"rules": text})
        return
    print_note("The rules are in force; `reelkeep storage plan` shows what is still to be done.")


@rules.command()
def clear(organization: Scope = None, data: Data = None, as_json: Json = False) -> None:
    """Take rules back. Nothing moves for it: what is there stays where it is.

    \b
    Example:
      reelkeep storage rules clear
    """
    found = with_runtime(data, lambda runtime: _clear(runtime, organization))
    if as_json:
        print_json({"cleared": found})
        return
    print_note("The rules are gone." if found else "There were none.")


def plan(
    file: RulesFile = None, organization: Scope = None, data: Data = None, as_json: Json = False
) -> None:
    """Show what rules would move, remove and cost, and do nothing; without FILE, the rules in force.

    \b
    Example:
      reelkeep storage plan new-rules.txt
      reelkeep storage plan --json
    """
    text = None if file is None else _read(file)
    found, cost, endings = with_runtime(data, lambda runtime: _preview(runtime, text, organization))
    if as_json:
        ends = {f"keep_{kept}": asdict(ending) for kept, ending in endings.items()}
        print_json(_document(found, cost) | {"retention": ends})
        return
    _show_plan(found, cost)
    _show_endings(endings)


def _read(file: Path | None) -> str:
    if file is None:
        raise Invalid("Name a file with rules, or - for standard input.")
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}.") from error


async def _write(runtime: Runtime, text: str, organization: str | None) -> None:
    await write_rules(runtime, text, await _scope(runtime, organization))


async def _clear(runtime: Runtime, organization: str | None) -> bool:
    return await clear_rules(runtime, await _scope(runtime, organization))


async def _scope(runtime: Runtime, organization: str | None) -> UUID | None:
    return None if organization is None else await choose_organization(runtime, organization)


async def _preview(
    runtime: Runtime, text: str | None, organization: str | None
) -> tuple[Preview, CostOfMoves | None, Mapping[Kept, Ending]]:
    known = await in_force(runtime, fresh=True)
    if text is not None:
        known = await _as_if(runtime, known, text, organization)
    found = await preview(runtime, known)
    prices = prices_of(runtime.stores)
    cost = cost_of_moves(moves_of(found), prices) if prices else None
    return found, cost, await preview_retention(runtime, known)


async def _as_if(runtime: Runtime, known: InForce, text: str, organization: str | None) -> InForce:
    """The rules in force if these were written."""
    read = read_rules(runtime, text)
    scope = await _scope(runtime, organization)
    if scope is None:
        return replace(known, everybody=read)
    return replace(known, of_organization={**known.of_organization, scope: read})


def _document(found: Preview, cost: CostOfMoves | None) -> dict[str, Any]:
    return {
        "blobs": found.blobs,
        "settled": found.settled,
        "degraded": found.degraded,
        "lost": found.lost,
        "make": [_entry(shelf, one) for shelf, one in sorted(found.made.items())],
        "remove": [_entry(shelf, one) for shelf, one in sorted(found.let_go.items())],
        "change_class": [
            {"store": store, "from": before, "to": after, **asdict(one)}
            for (store, before, after), one in sorted(found.reclassed.items())
        ],
        "remove_renditions": asdict(found.unmade),
        "cost_once": None if cost is None else cost.once,
        "cost_per_month_more": None if cost is None else cost.per_month,
    }


def _entry(shelf: tuple[str, str], one: Any) -> dict[str, Any]:
    return {"store": shelf[0], "storage_class": shelf[1], **asdict(one)}


def _show(one: Written) -> None:
    of = "everybody" if one.organization_id is None else str(one.organization_id)
    print_facts([("for", of), ("written", one.written_at), ("carried out", one.passed_at or "not yet")])
    print_text(one.rules.rstrip() + "\n")
    if one.problem is not None:
        print_note(f"They move nothing: {one.problem} Write them anew, or configure the store again.")


def _show_plan(found: Preview, cost: CostOfMoves | None) -> None:
    rows = [
        *(("copy to", _shelf(shelf), one) for shelf, one in sorted(found.made.items())),
        *(("remove from", _shelf(shelf), one) for shelf, one in sorted(found.let_go.items())),
        *(
            ("change in " + store, f"{before or 'own'} → {after or 'own'}", one)
            for (store, before, after), one in sorted(found.reclassed.items())
        ),
    ]
    if found.unmade.copies:
        rows.append(("remove", "renditions, made again on demand", found.unmade))
    if rows:
        table = [(what, where, f"{one.copies:,}", size_text(one.bytes)) for what, where, one in rows]
        print_table(("WHAT", "WHERE", "COPIES", "BYTES"), table)
    still = found.blobs - found.settled
    print_facts(
        [
            ("blobs", f"{found.blobs:,}, {still:,} of them not as wanted"),
            ("taken in elsewhere", found.degraded or None),
            ("lost", found.lost or None),
            ("cost once", _money(cost.once) if cost else None),
            ("a month from then on", _money(cost.per_month, sign=True) if cost else None),
        ]
    )
    if cost is None:
        print_note("No store has prices, so there is no cost; docs/storage-cost.md says how to add them.")


def _show_endings(endings: Mapping[Kept, Ending]) -> None:
    if not endings:
        return
    rows = [
        (f"keep {kept}", f"{ending.recordings:,}", size_text(ending.bytes))
        for kept, ending in endings.items()
    ]
    print_text("")
    print_table(("REMOVED FOR GOOD BY", "RECORDINGS", "BYTES"), rows)


def _shelf(shelf: tuple[str, str]) -> str:
    return " ".join(shelf).rstrip()


def _money(amount: Decimal, *, sign: bool = False) -> str:
    return f"{amount:+,.2f}" if sign else f"{amount:,.2f}"
