"""Which template a new blob's key follows: the organization's own, else the store's, else ids alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import DEFAULT, PRESETS, KeyTemplate
from reelkeep.blobs.models import OrganizationStorage
from reelkeep.clock import new_id
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime, Stores

log = get_logger(__name__)

#: For which stores a template may be set: all, those of a kind, or one by its name.
FOR_ALL, FOR_KIND, FOR_STORE = "default", "kind:", "store:"
KINDS = ("local", "s3")
GZIP, PLAIN = "gzip", "plain"
#: Presets whose transcripts lie uncompressed in folders, for people who read them there.
PLAIN_LOCALLY = ("conversations", "conversations-named")


@dataclass(frozen=True, slots=True)
class KeyTemplates:
    """What one organization has asked for."""

    own: Mapping[str, str] = field(default_factory=dict)
    #: `gzip`, `plain`, or None: as the template suggests.
    transcripts: str | None = None

    def for_store(self, stores: Stores, name: str) -> KeyTemplate:
        """The template for new blobs in a store."""
        spec = stores.specs.get(name)
        kind = spec.kind if spec else ""
        for scope in (FOR_STORE + name, FOR_KIND + kind, FOR_ALL):
            if scope in self.own:
                return _parsed(self.own[scope])
        return template_of_store(name, spec.keys if spec else None) or DEFAULT

    def compresses(self, stores: Stores, name: str) -> bool:
        """Whether transcript files are compressed in a store."""
        if self.transcripts is not None:
            return self.transcripts == GZIP
        spec = stores.specs.get(name)
        text = self.for_store(stores, name).text
        return not (spec and spec.kind == "local" and text in {PRESETS[preset] for preset in PLAIN_LOCALLY})


_OWN = select(OrganizationStorage.key_templates, OrganizationStorage.transcripts).where(
    OrganizationStorage.organization_id == bindparam("organization_id", type_=Uuid())
)


async def load_templates(session: AsyncSession, organization_id: UUID) -> KeyTemplates:
    """What the organization has asked for; one statement."""
    row = (await session.execute(_OWN, {"organization_id": organization_id})).first()
    return KeyTemplates(row[0], row[1]) if row else KeyTemplates()


def template_of_store(name: str, keys: object) -> KeyTemplate | None:
    """What a store's own configuration asks for, or None; raises `KEY_TEMPLATE_INVALID`."""
    if keys is None:
        return None
    text = keys.get("template") if isinstance(keys, dict) else keys
    if not isinstance(text, str):
        raise Invalid(
            f'The keys of the store {name!r} are not understood; write keys = "ids", another preset or a '
            "template.",
            ErrorCode.KEY_TEMPLATE_INVALID,
            store=name,
        )
    return KeyTemplate.parse(text, may_name=False)


def check_store_keys(stores: Stores) -> None:
    """Refuse to start with a store whose template cannot be followed: `SETTINGS_INVALID`."""
    for name, spec in stores.specs.items():
        try:
            template_of_store(name, spec.keys)
        except Invalid as error:
            raise ReelkeepError(f"stores.{name}.keys: {error.message}", ErrorCode.SETTINGS_INVALID) from error


def scope_of(stores: Stores, named: str | None) -> str:
    """The scope that a person names: a store, a kind of store, or (None) all of them."""
    if named is None:
        return FOR_ALL
    if named in stores.specs:
        return FOR_STORE + named
    kind = named.removeprefix(FOR_KIND)
    if kind in KINDS:
        return FOR_KIND + kind
    raise Invalid(
        f"{named!r} is no store; there are {', '.join(stores.specs)}, and kind:local and kind:s3 for all of "
        "a kind.",
        ErrorCode.STORE_UNKNOWN,
        store=named,
    )


async def set_template(
    runtime: Runtime, organization_id: UUID, template: str, *, scope: str = FOR_ALL
) -> KeyTemplate:
    """Let the organization's new blobs follow a preset or template; what is there stays where it is.

    Raises `KEY_TEMPLATE_INVALID`.
    """
    parsed = KeyTemplate.parse(template)
    async with runtime.database.work(organization_id) as session:
        found = await load_templates(session, organization_id)
        own = {**found.own, scope: parsed.text}
        await _write(session, organization_id, own, found.transcripts)
    return parsed


async def clear_templates(runtime: Runtime, organization_id: UUID, *, scope: str | None = None) -> None:
    """Forget the organization's own template of one scope, or (None) all that it has asked for."""
    async with runtime.database.work(organization_id) as session:
        if scope is None:
            await session.execute(
                delete(OrganizationStorage).where(OrganizationStorage.organization_id == organization_id)
            )
            return
        found = await load_templates(session, organization_id)
        own = {name: text for name, text in found.own.items() if name != scope}
        await _write(session, organization_id, own, found.transcripts)


async def set_transcripts(runtime: Runtime, organization_id: UUID, rule: str | None) -> None:
    """Whether transcript files are compressed: `gzip`, `plain`, or None for what the template suggests."""
    if rule not in (GZIP, PLAIN, None):
        raise Invalid(f"{rule!r} is not {GZIP} or {PLAIN}.", rule=rule)
    async with runtime.database.work(organization_id) as session:
        found = await load_templates(session, organization_id)
        await _write(session, organization_id, dict(found.own), rule)


async def _write(
    session: AsyncSession, organization_id: UUID, own: dict[str, str], transcripts: str | None
) -> None:
    values = {"key_templates": own, "transcripts": transcripts}
    row = insert(OrganizationStorage).values(organization_id=organization_id, id=new_id(), **values)
    await session.execute(
        row.on_conflict_do_update(index_elements=[OrganizationStorage.organization_id], set_=values)
    )


@lru_cache(maxsize=1024)
def _parsed(text: str) -> KeyTemplate:
    try:
        return KeyTemplate.parse(text)
    except Invalid as error:  # written by a version that knew other fields: bytes must find a place
        log.error("key template not followed", template=text, error=error.message)
        return DEFAULT
