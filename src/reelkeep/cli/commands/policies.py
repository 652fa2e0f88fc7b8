"""`reelkeep policies`: what an organization has decided for all its people."""

from typing import Annotated

import typer

from reelkeep.accounts.policies import Policies, set_policies, show_policies
from reelkeep.cli.options import Data, Json, OrganizationName, with_runtime
from reelkeep.cli.organizations import choose_organization
from reelkeep.cli.output import print_facts, print_json
from reelkeep.http.policies_routes import policies_out
from reelkeep.runtime import Runtime

app = typer.Typer(
    help="Show and set what an organization has decided for all its people.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def show(organization: OrganizationName = None, data: Data = None, as_json: Json = False) -> None:
    """Show the policies of an organization.

    \b
    Example:
      reelkeep policies show
      reelkeep policies show --organization "Test clinic" --json
    """
    _report(with_runtime(data, lambda runtime: _show(runtime, organization)), as_json=as_json)


@app.command(name="set")
def set_some(
    *,
    shared_computers: Annotated[
        bool | None,
        typer.Option(
            "--shared-computers/--no-shared-computers",
            help="Its people record at computers that others use too: their browsers encrypt what they "
            "keep until it is safe on the server.",
        ),
    ] = None,
    organization: OrganizationName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Set policies of an organization; those not named stay.

    \b
    Example:
      reelkeep policies set --shared-computers
      reelkeep policies set --no-shared-computers --organization "Test clinic"
    """
    if shared_computers is None:
        raise typer.BadParameter("name at least one policy, for example --shared-computers.")
    after = Policies(shared_computers=shared_computers)
    _report(with_runtime(data, lambda runtime: _set(runtime, organization, after)), as_json=as_json)


async def _show(runtime: Runtime, organization: str | None) -> Policies:
    return await show_policies(runtime.database, await choose_organization(runtime, organization))


async def _set(runtime: Runtime, organization: str | None, after: Policies) -> Policies:
    organization_id = await choose_organization(runtime, organization)
    await set_policies(runtime.database, organization_id, after)
    return await show_policies(runtime.database, organization_id)


def _report(policies: Policies, *, as_json: bool) -> None:
    if as_json:
        print_json(policies_out(policies))
        return
    shared = "yes: browsers encrypt what they keep" if policies.shared_computers else "no"
    print_facts([("shared computers", shared)])
