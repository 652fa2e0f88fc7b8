"""Who makes a request to the wire, and whether they may: signatures in the URL, in a header, in a form."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reelkeep.backups.layout import BACKUPS
from reelkeep.blobs.keys import SEALED
from reelkeep.clock import Clock, SystemClock
from reelkeep.http.wire.exchange import Exchange
from reelkeep.stores.header_auth import Authorization, is_signed_in_header, verify_header
from reelkeep.stores.local import WIRE_REGION
from reelkeep.stores.local_access import FindAccess, WireAccess
from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.signer import Endpoint
from reelkeep.stores.verifier import (
    FindCredentials,
    PostPolicy,
    SignedRequest,
    access_key_of,
    verify_policy,
    verify_query,
)


@dataclass(frozen=True, slots=True)
class Authority:
    """Knows access keys, and the address that requests are signed for."""

    find: FindAccess
    endpoint: Endpoint
    clock: Clock = field(default_factory=SystemClock)

    async def of_request(self, exchange: Exchange) -> WireAccess:
        """Whose request this is; refuses one whose signature, in its URL or its header, is not right."""
        header = exchange.headers.get("authorization")
        in_header, query = is_signed_in_header(header), dict(exchange.query)
        if in_header and "X-Amz-Signature" in query:
            raise S3Refusal("InvalidArgument", "Only one auth mechanism allowed: sign the URL or the header.")
        request = self._signed_request(exchange)
        if not in_header or header is None:
            access = await self.find(access_key_of(query.get("X-Amz-Credential", "")))
            verify_query(request, _only(access), WIRE_REGION, self.clock.now())
        else:
            given = Authorization.parse(header)
            access = await self.find(access_key_of(given.scope))
            verify_header(request, given, _only(access), WIRE_REGION, self.clock.now())
        return _known(access)

    async def of_form(self, fields: Mapping[str, str]) -> tuple[WireAccess, PostPolicy]:
        """Who signed a form's policy, and the policy; refuses one whose signature is not right."""
        access = await self.find(access_key_of(fields.get("x-amz-credential", "")))
        policy = verify_policy(fields, _only(access), WIRE_REGION, self.clock.now())
        return _known(access), policy

    def _signed_request(self, exchange: Exchange) -> SignedRequest:
        if exchange.bucket:
            host, path = self.endpoint.locate(exchange.bucket, exchange.key)
        else:
            host, path = self.endpoint.host, self.endpoint.path_prefix
        path += "/" if exchange.slash else ""
        return SignedRequest(exchange.method, host, path, exchange.query, exchange.headers)


def check_may(access: WireAccess, store: str, key: str | None, *, changes: bool) -> None:
    """Refuse what an access key does not reach, and whatever would change sealed bytes."""
    if not access.opens(store):
        raise S3Refusal("AccessDenied", "This access key belongs to another store; make one for this store.")
    if changes and access.read_only:
        raise S3Refusal("AccessDenied", "This access key is read-only: it may read and list, nothing else.")
    if changes and key is not None:
        check_not_sealed(key)


def check_not_sealed(key: str) -> None:
    """Refuse a change to sealed bytes."""
    if key.startswith((SEALED, BACKUPS)):
        raise S3Refusal(
            "AccessDenied",
            f"What lies under {SEALED} and {BACKUPS} is sealed: nobody can overwrite or delete it here. "
            "Delete the recording itself, or write under another key.",
        )


def _only(access: WireAccess | None) -> FindCredentials:
    return lambda _access_key: access.credentials if access else None


def _known(access: WireAccess | None) -> WireAccess:
    if access is None:
        raise S3Refusal("InvalidAccessKeyId", "The access key Id you provided does not exist in our records.")
    return access
