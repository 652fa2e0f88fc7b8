"""`reelkeep storage layout`: how the keys of an organization's new blobs are laid out in stores."""

from typing import Annotated, Any

import typer

from reelkeep.blobs.key_templates import (
    FOR_ALL,
    clear_templates,
    load_templates,
    scope_of,
    set_template,
    set_transcripts,
)
from reelkeep.blobs.keys import PRESETS, KeyedBlob, KeyFacts
from reelkeep.blobs.models import BlobKind
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.output import print_facts, print_json, print_table
from reelkeep.clock import new_id
from reelkeep.runtime import Runtime

layout = typer.Typer(
    help="Show and set the names (keys) that new files get in stores.",
    no_args_is_help=True,
    add_completion=False,
)

OfStore = Annotated[
    str | None,
    typer.Option("--store", metavar="STORE", help="Only there: a store's name, kind:local or kind:s3."),
]
Transcripts = Annotated[
    str | None,
    typer.Option("--transcripts", metavar="RULE", help="gzip or plain; default: as the template suggests."),
]
Template = Annotated[
    str | None, typer.Argument(metavar="TEMPLATE", help="A preset's name, or a template.", show_default=False)
]


@layout.command()
def show(organization: OrganizationName = None, data: Data = None, as_json: Json = False) -> None:
    """Show the template that new blobs follow in each store, with a key as it would be.

    \b
    Example:
      reelkeep storage layout show
    """
    _report(with_runtime(data, lambda runtime: _show(runtime, organization)), as_json=as_json)


@layout.command()
def presets(
    data: Data = None,  # noqa: ARG001 - as every command has it; they are the same everywhere
    as_json: Json = False,
) -> None:
    """List the presets: the layouts of products that people come from.

    \b
    Example:
      reelkeep storage layout presets
    """
    if as_json:
        print_json({"presets": PRESETS})
    else:
        print_table(("PRESET", "TEMPLATE"), PRESETS.items())


@layout.command(name="set")
def set_one(
    template: Template = None,
    *,
    store: OfStore = None,
    transcripts: Transcripts = None,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let an organization's new blobs follow a preset or a template; nothing that is there moves.

    A copy that is moved to another store gets a key by the template in force there. docs/keys.md has the
    fields, and says which templates are refused and why.

    \b
    Example:
      reelkeep storage layout set appointments --organization "Test clinic"
      reelkeep storage layout set conversations --store kind:local
      reelkeep storage layout set '{organization}/{session}/{recording}/{blob}.{ext}'
      reelkeep storage layout set --transcripts plain
    """
    if template is None and transcripts is None:
        raise typer.BadParameter("name a preset or a template, or give --transcripts.")

    async def do(runtime: Runtime) -> dict[str, Any]:
        organization_id = await choose_organization(runtime, organization)
        if template is not None:
            await set_template(runtime, organization_id, template, scope=scope_of(runtime.stores, store))
        if transcripts is not None:
            rule = None if transcripts == FOR_ALL else transcripts
            await set_transcripts(runtime, organization_id, rule)
        return await _show(runtime, organization)

    _report(with_runtime(data, do), as_json=as_json)


@layout.command()
def clear(
    store: OfStore = None, organization: OrganizationName = None, data: Data = None, as_json: Json = False
) -> None:
    """Forget an organization's own template of one store, or all that was set; keys hold ids alone then.

    \b
    Example:
      reelkeep storage layout clear
    """

    async def do(runtime: Runtime) -> dict[str, Any]:
        organization_id = await choose_organization(runtime, organization)
        scope = None if store is None else scope_of(runtime.stores, store)
        await clear_templates(runtime, organization_id, scope=scope)
        return await _show(runtime, organization)

    _report(with_runtime(data, do), as_json=as_json)


async def _show(runtime: Runtime, organization: str | None) -> dict[str, Any]:
    organization_id = await choose_organization(runtime, organization)
    async with runtime.database.work(organization_id) as session:
        templates = await load_templates(session, organization_id)
    facts = KeyFacts(
        organization_id,
        new_id(),
        runtime.clock.now(),
        session_id="session-1",
        appointment_id="appointment-1",
        filename="meeting.wav",
    )
    blob = KeyedBlob(new_id(), BlobKind.ORIGINAL, "audio/wav")
    stores = [
        {
            "store": name,
            "template": (template := templates.for_store(runtime.stores, name)).text,
            "transcripts": "gzip" if templates.compresses(runtime.stores, name) else "plain",
            "example": template.build(facts, blob),
        }
        for name in runtime.stores.by_name
    ]
    return {
        "organization_id": organization_id,
        "own": dict(templates.own),
        "transcripts": templates.transcripts,
        "stores": stores,
    }


def _report(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for store in told["stores"]:
        print_facts(store.items())
