"""`reelkeep storage usage`: what lies in which store, and what that costs."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import typer

from reelkeep.blobs.recount import Corrected
from reelkeep.blobs.recount import recount as count_anew
from reelkeep.blobs.store_usage import (
    Month,
    holdings_of_all,
    month_of,
    prices_of,
    sum_of,
)
from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.output import print_facts, print_json, print_note, print_table, size_text
from reelkeep.http import storage_usage_schemas as shapes
from reelkeep.http.storage_usage_routes import holding_facts, usage_out
from reelkeep.runtime import Runtime
from reelkeep.uploads.show_storage import show_storage

Organization = Annotated[
    str | None,
    typer.Option("--organization", metavar="NAME", help="Only of this one, by name or id; else of all."),
]


Recount = Annotated[
    bool,
    typer.Option("--recount", help="First count every copy anew, and put right what was kept otherwise."),
]


def usage(
    organization: Organization = None, recount: Recount = False, data: Data = None, as_json: Json = False
) -> None:
    """Show what lies in each store and class, what it costs a month, and what stores were asked for.

    Costs are by the price tables in the file of stores (docs/storage-cost.md); a store without one is named.

    \b
    Example:
      reelkeep storage usage
      reelkeep storage usage --organization "Test clinic" --json
    """
    if recount:
        _tell_recount(with_runtime(data, count_anew))
    if organization is None:
        whole = with_runtime(data, _of_all)
        if as_json:
            print_json(whole)
        else:
            _show_installation(whole)
        return
    one = with_runtime(data, lambda runtime: _of_one(runtime, organization))
    if as_json:
        print_json(one)
    else:
        _show_organization(one)


def _tell_recount(corrected: Sequence[Corrected]) -> None:
    """On standard error: it is not the result."""
    for one in corrected:
        place = f"{one.store} {one.storage_class}".rstrip()
        print_note(
            f"{one.organization_id}, {place}: kept {one.bytes_kept:,} bytes in {one.copies_kept:,} copies, "
            f"counted {one.bytes:,} in {one.copies:,}; put right."
        )
    if not corrected:
        print_note("Every figure is what a recount says.")


async def _of_one(runtime: Runtime, organization: str) -> shapes.StorageUsageOut:
    return usage_out(await show_storage(runtime, await choose_organization(runtime, organization)))


async def _of_all(runtime: Runtime) -> shapes.InstallationUsageOut:
    prices = prices_of(runtime.stores)
    holdings = await holdings_of_all(runtime)
    month = await month_of(runtime.database, runtime.clock.now().date(), prices)
    return shapes.InstallationUsageOut(
        **holding_facts(sum_of(list(holdings.values()), prices)),
        month=_month_out(month),
        organizations=[
            shapes.OrganizationHoldingOut(
                organization_id=organization_id, name=name, **holding_facts(holding)
            )
            for (organization_id, name), holding in holdings.items()
        ],
    )


def _month_out(month: Month) -> shapes.MonthOut:
    return shapes.MonthOut(
        first_day=month.first_day,
        days_gone=month.days_gone,
        asked=[shapes.AskedOut.model_validate(one, from_attributes=True) for one in month.asked],
        cost=month.cost,
        cost_expected=month.cost_expected,
    )


def _show_organization(told: shapes.StorageUsageOut) -> None:
    quota = "no limit" if told.quota_bytes is None else f"of {size_text(told.quota_bytes)}"
    print_facts(
        [
            ("against the quota", f"{size_text(told.bytes_used)}, {quota}; each blob once"),
            ("reserved", size_text(told.bytes_reserved)),
        ]
    )
    _show_stores(told)


def _show_installation(told: shapes.InstallationUsageOut) -> None:
    _show_stores(told)
    print_table(
        ("ORGANIZATION", "STORED", "COPIES", "A MONTH"),
        [
            (
                one.name,
                size_text(one.bytes_stored),
                f"{one.copies:,}",
                _money(one.cost_per_month, told.currency),
            )
            for one in told.organizations
        ],
    )
    month = told.month
    if not month.asked:
        return
    print_table(
        ("SINCE " + month.first_day.isoformat(), "ASKED FOR", "COUNTED", "REQUESTS", "IN", "OUT", "COST"),
        [
            (
                one.store,
                one.action,
                one.counted,
                f"{one.requests:,}",
                size_text(one.bytes_in),
                size_text(one.bytes_out),
                _money(one.cost, told.currency),
            )
            for one in month.asked
        ],
    )
    if told.currency is not None:
        expected = _money(month.cost_expected, told.currency)
        print_facts(
            [("requests and transfer", f"{_money(month.cost, told.currency)}; a whole month: {expected}")]
        )


def _show_stores(told: shapes.HoldingOut) -> None:
    print_table(
        ("STORE", "CLASS", "STORED", "COPIES", "A MONTH"),
        [
            (
                place.store,
                place.storage_class or "–",
                size_text(place.bytes),
                f"{place.copies:,}",
                _money(place.cost_per_month, told.currency),
            )
            for place in told.stores
        ],
    )
    print_facts([("storage a month", _money(told.cost_per_month, told.currency))])
    if told.stores_without_prices:
        names = ", ".join(told.stores_without_prices)
        print_note(
            f"Without prices, and so not in the cost: {names}. docs/storage-cost.md says how to add them."
        )


def _money(amount: Decimal | None, currency: str | None) -> str:
    return "–" if amount is None or currency is None else f"{amount:,.2f} {currency}"
