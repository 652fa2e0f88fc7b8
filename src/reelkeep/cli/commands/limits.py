"""`reelkeep limits`: what an organization may upload, and what it uses."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError

from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.output import print_facts, print_json, print_table, size_text
from reelkeep.http.limits_routes import limits_out
from reelkeep.http.uploads_schemas import LimitsInForceOut, LimitsOut
from reelkeep.runtime import Runtime
from reelkeep.uploads.set_limits import set_limits, show_limits

app = typer.Typer(
    help="Show and set what an organization may upload.", no_args_is_help=True, add_completion=False
)
T = TypeVar("T")
#: What takes a limit back to the settings.
DEFAULT = "default"


@app.command()
def show(organization: OrganizationName = None, data: Data = None, as_json: Json = False) -> None:
    """Show the limits of an organization, and what it uses.

    \b
    Example:
      reelkeep limits show
      reelkeep limits show --organization "Test clinic" --json
    """
    _report(with_runtime(data, lambda runtime: _show(runtime, organization)), as_json=as_json)


@app.command(name="set")
def set_some(
    *,
    recording_type: Annotated[
        str, typer.Option("--type", metavar="WORD", help="Only for recordings of this type.")
    ] = "",
    quota: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Space for the whole organization, as 500GB.")
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="SIZE", help="Largest upload, as 2GB.")] = None,
    duration: Annotated[str | None, typer.Option(metavar="SECONDS", help="Longest recording.")] = None,
    content_types: Annotated[
        str | None, typer.Option(metavar="TYPES", help="Types that are taken, as audio/*,video/mp4.")
    ] = None,
    uploads_open: Annotated[str | None, typer.Option(metavar="N", help="Uploads open at once.")] = None,
    per_minute: Annotated[str | None, typer.Option(metavar="N", help="Tickets in a minute.")] = None,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Set limits of an organization; those not named stay, and `default` goes back to the settings.

    \b
    Example:
      reelkeep limits set --quota 500GB
      reelkeep limits set --type lecture --size 20GB --duration 14400
      reelkeep limits set --quota default
    """
    values = {
        **_given("quota_bytes", "--quota", quota, _bytes),
        **_given("size_bytes_max", "--size", size, _bytes),
        **_given("duration_seconds_max", "--duration", duration, _count),
        **_given("content_types", "--content-types", content_types, _names),
        **_given("uploads_open_max", "--uploads-open", uploads_open, _count),
        **_given("tickets_per_minute_max", "--per-minute", per_minute, _count),
    }
    if not values:
        raise typer.BadParameter("name at least one limit, for example --quota 500GB.")
    told = with_runtime(data, lambda runtime: _set(runtime, organization, recording_type, values))
    _report(told, as_json=as_json)


async def _show(runtime: Runtime, organization: str | None) -> LimitsOut:
    return limits_out(await show_limits(runtime, await choose_organization(runtime, organization)))


async def _set(
    runtime: Runtime, organization: str | None, recording_type: str, values: dict[str, Any]
) -> LimitsOut:
    organization_id = await choose_organization(runtime, organization)
    await set_limits(runtime, organization_id, recording_type, values, by_operator=True)
    return limits_out(await show_limits(runtime, organization_id))


def _given(name: str, option: str, text: str | None, read: Callable[[str], T]) -> dict[str, T | None]:
    if text is None:
        return {}
    try:
        return {name: None if text == DEFAULT else read(text)}
    except (ValueError, ValidationError):
        raise typer.BadParameter(f"{text!r} is not understood.", param_hint=option) from None


def _bytes(text: str) -> int:
    return int(TypeAdapter(ByteSize).validate_python(text))


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError("must be at least 1")
    return number


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _report(told: LimitsOut, *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    usage, quota = told.usage, told.usage.quota_bytes
    used = f"{size_text(usage.bytes_used)} and {size_text(usage.bytes_reserved)} reserved"
    print_facts(
        [
            ("used", used + (f", of {size_text(quota)}" if quota is not None else ", no limit")),
            ("uploads open", f"{usage.uploads_open} of {told.in_force.uploads_open_max}"),
            ("tickets a minute", told.in_force.tickets_per_minute_max),
        ]
    )
    rows = [_row("all", told.in_force)]
    rows += [_row(row.recording_type, row) for row in told.limits if row.recording_type]
    print_table(("TYPE", "LARGEST", "LONGEST", "CONTENT TYPES"), rows)


def _row(name: str, limits: LimitsInForceOut | Any) -> tuple[str, str, str, str]:
    """A type's own limits; a dash is as for all types."""
    size, seconds, types = limits.size_bytes_max, limits.duration_seconds_max, limits.content_types
    return (
        name,
        size_text(size) if size else "–",
        f"{seconds} s" if seconds else "–",
        ", ".join(types) if types else "–",
    )
