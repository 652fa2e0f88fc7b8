"""What an organization has decided for all its people; everybody is told, administrators set it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from reelkeep.accounts.identify import Caller
from reelkeep.accounts.policies import Policies, set_policies, show_policies
from reelkeep.http.identity import SignedIn, requires, runtime_of
from reelkeep.http.schemas import PoliciesIn, PoliciesOut

router = APIRouter(prefix="/api/v1/organization", tags=["organization"])

Manager = Annotated[Caller, Depends(requires("policies.manage"))]


@router.get("/policies")
async def show(request: Request, caller: SignedIn) -> PoliciesOut:
    """The organization's policies."""
    return policies_out(await show_policies(runtime_of(request).database, caller.organization_id))


@router.patch("/policies")
async def change(request: Request, caller: Manager, body: PoliciesIn) -> PoliciesOut:
    """Set policies of the organization; those not named stay. Recorders are told by `/auth/me`."""
    database = runtime_of(request).database
    before = await show_policies(database, caller.organization_id)
    shared = before.shared_computers if body.shared_computers is None else body.shared_computers
    after = Policies(shared_computers=shared)
    await set_policies(database, caller.organization_id, after, actor_user_id=caller.user_id)
    return policies_out(after)


def policies_out(policies: Policies) -> PoliciesOut:
    """The policies as they are told."""
    return PoliciesOut(shared_computers=policies.shared_computers)
