"""Keys to the local S3 wire for tools: made, listed, revoked, and found at each of their requests.

A key is as strong as the operator: it opens a whole store. Its secret is derived from the installation's
own and never stored, so that no copy of the database opens a store.
"""

import base64
import hmac
import re
import secrets as random_secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from reelkeep.blobs.models import AccessKey
from reelkeep.errors import ErrorCode, Invalid, NotFound
from reelkeep.runtime import Runtime, Secrets
from reelkeep.stores.local import WIRE_PATH
from reelkeep.stores.local_access import WireAccess
from reelkeep.stores.signer import Credentials

NOTE_LENGTH_MAX = 200
PREFIX = "RK"
_RANDOM_BYTES, _TAG_CHARACTERS = 10, 6
_FORM = re.compile(rf"{PREFIX}[A-Z2-7]{{{_RANDOM_BYTES * 8 // 5 + _TAG_CHARACTERS}}}")

KEY = select(AccessKey.store, AccessKey.read_only).where(
    AccessKey.access_key == bindparam("access_key"), AccessKey.revoked_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class NewAccessKey:
    """A key as it is told once, with what a tool needs to use it."""

    access_key: str
    secret_key: str
    endpoint_url: str
    bucket: str


async def create_access_key(
    runtime: Runtime, store: str, *, read_only: bool = False, note: str | None = None
) -> NewAccessKey:
    """Make a key to a store that the wire serves."""
    bucket = _bucket_of(runtime, store)
    if note is not None and not 1 <= len(note) <= NOTE_LENGTH_MAX:
        raise Invalid(f"A note has 1 to {NOTE_LENGTH_MAX} characters.", field="note")
    access_key = _new_name(runtime.secrets)
    async with runtime.database.directory() as session:
        session.add(AccessKey(access_key=access_key, store=store, read_only=read_only, note=note))
    return NewAccessKey(
        access_key, secret_of(runtime.secrets, access_key), runtime.settings.base_url + WIRE_PATH, bucket
    )


async def list_access_keys(runtime: Runtime) -> Sequence[AccessKey]:
    """Every key that was ever made, oldest first."""
    oldest_first = select(AccessKey).order_by(AccessKey.created_at, AccessKey.access_key)
    async with runtime.database.directory() as session:
        return (await session.scalars(oldest_first)).all()


async def revoke_access_key(runtime: Runtime, access_key: str) -> None:
    """End a key: its next request is refused. Again, it is as it was."""
    async with runtime.database.directory() as session:
        found = await session.get(AccessKey, access_key, with_for_update=True)
        if found is None:
            raise NotFound(
                f"There is no access key {access_key}; `reelkeep storage keys list` shows them.",
                ErrorCode.ACCESS_KEY_NOT_FOUND,
                access_key=access_key,
            )
        if found.revoked_at is None:
            found.revoked_at = runtime.clock.now()


async def find_access(runtime: Runtime, access_key: str) -> WireAccess | None:
    """Whose key this is on the wire: our own signer's, or one that was made and is not revoked."""
    own = runtime.stores.wire_credentials(access_key)
    if own is not None:
        return WireAccess(own)
    if not _is_ours(runtime.secrets, access_key):
        return None
    row = await runtime.database.look_up(KEY, {"access_key": access_key})
    if row is None:
        return None
    store, read_only = row
    return WireAccess(Credentials(access_key, secret_of(runtime.secrets, access_key)), store, read_only)


def secret_of(secrets: Secrets, access_key: str) -> str:
    """The secret that belongs to a key."""
    return secrets.derive(f"s3 access key {access_key}").hex()


def _new_name(secrets: Secrets) -> str:
    name = PREFIX + base64.b32encode(random_secrets.token_bytes(_RANDOM_BYTES)).decode()
    return name + _tag(secrets, name)


def _tag(secrets: Secrets, name: str) -> str:
    return base64.b32encode(secrets.derive(f"s3 access key's name {name}")).decode()[:_TAG_CHARACTERS]


def _is_ours(secrets: Secrets, access_key: str) -> bool:
    """Whether this installation made the name: guesses never reach the database."""
    if not _FORM.fullmatch(access_key):
        return False
    name, tag = access_key[:-_TAG_CHARACTERS], access_key[-_TAG_CHARACTERS:]
    return hmac.compare_digest(tag, _tag(secrets, name))


def _bucket_of(runtime: Runtime, store: str) -> str:
    """What a store is called on the wire."""
    for bucket, served in runtime.stores.on_wire.items():
        if served.name == store:
            return bucket
    names = ", ".join(sorted(served.name for served in runtime.stores.on_wire.values()))
    if store in runtime.stores.by_name:
        raise Invalid(
            f"The store {store!r} is a service of its own, not served by Reelkeep: make a key there. "
            f"Keys can be made here for: {names}.",
            field="store",
        )
    raise NotFound(
        f"There is no store {store!r}; keys can be made for: {names}.", ErrorCode.STORE_UNKNOWN, store=store
    )
