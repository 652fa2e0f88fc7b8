"""Give a blob to somebody outside: an address at its store or the CDN in front, or one of our own.

The address is the first that can be made: of the copies that can be read now, the CDN's, else the store's own
signed URL. Where no store signs for clients, or none answers at the moment, it is one of ours, and the bytes
come through this process from whichever copy can be read.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import Located, located
from reelkeep.blobs.media_links import MediaLink, media_url
from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.blobs.open import read_copies
from reelkeep.errors import ErrorCode, NotFound, ObjectNotFound, StoreError, WrongBytes
from reelkeep.runtime import Runtime
from reelkeep.stores.cdn import Cdn
from reelkeep.stores.guarded import Guarded
from reelkeep.stores.protocol import SignsUrls
from reelkeep.stores.tickets import attachment
from reelkeep.stores.traffic import expect_read

#: A CDN may keep sealed bytes as long as it likes: they never change, and erasing tells it to forget.
CDN_SECONDS = 365 * 24 * 3600


class Via(StrEnum):
    """Whose address it is."""

    STORE = "store"
    CDN = "cdn"
    REELKEEP = "reelkeep"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the bytes can be fetched without further authority, for a while."""

    url: str
    via: Via
    expires_in_seconds: int
    expires_at: datetime
    filename: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Shown:
    """How the bytes are to be shown, and to whom."""

    organization_id: UUID
    filename: str
    #: To be saved under its name; otherwise shown in place.
    download: bool = False
    #: Only by an address of our own: whoever asks could not read from the store.
    through_reelkeep: bool = False

    @property
    def disposition(self) -> str:
        """`Content-Disposition` (RFC 6266)."""
        saved = attachment(self.filename)
        return saved if self.download else saved.replace("attachment", "inline", 1)


async def locate_noted(session: AsyncSession, organization_id: UUID, blob_id: UUID) -> Located | None:
    """The copy that the rows tell of first, whether or not it can be read; None when they tell of none."""
    readable_first = case((Copy.state == CopyState.PRESENT, 0), else_=1)
    query = (
        select(Blob, Copy)
        .join(Copy, (Copy.organization_id == Blob.organization_id) & (Copy.blob_id == Blob.id))
        .where(Blob.organization_id == organization_id, Blob.id == blob_id)
        .order_by(readable_first, Copy.degraded, Copy.id)
        .limit(1)
    )
    row = (await session.execute(query)).first()
    return located(row[0], row[1].store, row[1].key) if row else None


async def nearest(runtime: Runtime, copies: Sequence[Located]) -> list[Located]:
    """These copies, those of stores that do not answer last. Not in a unit of work.

    A store that is believed away is asked again when its pause is over, and no other is asked.
    """
    away = {copy.store for copy in copies if await _is_away(runtime, copy.store)}
    return sorted(copies, key=lambda copy: copy.store in away)


async def _is_away(runtime: Runtime, name: str) -> bool:
    store = runtime.stores.by_name.get(name)
    if not isinstance(store, Guarded):
        return store is None
    return store.health.is_open and not await store.health.answers(store.check_once)


async def address_of(runtime: Runtime, copies: Sequence[Located], shown: Shown) -> Address:
    """Where to fetch a blob that has these copies, the best first. Not in a unit of work.

    Neither the store nor the CDN is asked whether it has the bytes.
    """
    blob, seconds = copies[0], runtime.settings.download_expires_in_seconds
    expires_at = runtime.clock.now() + timedelta(seconds=seconds)
    found = None
    if not shown.through_reelkeep:
        near = [copy for copy in copies if not await _is_away(runtime, copy.store)]
        found = _outside(runtime, near, shown, expires_at, seconds)
    if found is None:
        link = MediaLink(shown.organization_id, blob.blob_id, expires_at, shown.filename, shown.download)
        found = media_url(runtime, link), Via.REELKEEP
    url, via = found
    return Address(url, via, seconds, expires_at, shown.filename, blob.content_type, blob.size_bytes)


def _outside(
    runtime: Runtime, copies: Sequence[Located], shown: Shown, expires_at: datetime, seconds: int
) -> tuple[str, Via] | None:
    """An address at the first copy's store, or its CDN, that gives one."""
    for copy in copies:
        store = runtime.stores.get(copy.store)
        if not isinstance(store, SignsUrls):
            continue
        answer = [
            ("response-content-disposition", shown.disposition),
            ("response-content-type", copy.content_type),
        ]
        cdn = runtime.stores.cdns.get(copy.store)
        if cdn is None:
            kept = f"private, max-age={seconds}, immutable"
            url = store.url_for("GET", copy.key, seconds, [("response-cache-control", kept), *answer])
            expect_read(store, copy.size_bytes)
            return url, Via.STORE
        kept = f"max-age={seconds}, s-maxage={CDN_SECONDS}, immutable"
        answer.insert(0, ("response-cache-control", kept))
        if not cdn.hands_on_signatures:
            return cdn.url(cdn_path(runtime, cdn, copy.store, copy.key), answer, expires_at), Via.CDN
        signed = urlsplit(store.url_for("GET", copy.key, seconds, answer))
        query = parse_qsl(signed.query, keep_blank_values=True)
        return cdn.url(signed.path, query, expires_at), Via.CDN
    return None


def cdn_path(runtime: Runtime, cdn: Cdn, store: str, key: str) -> str:
    """The path by which a CDN is asked for a key."""
    if cdn.hands_on_signatures:
        return urlsplit(runtime.stores.signing(store).url_for("GET", key, 1)).path
    spec = runtime.stores.specs.get(store)
    return quote(f"/{spec.prefix if spec else ''}{key}", safe="/-._~")


async def those_there(runtime: Runtime, copies: Sequence[Located]) -> list[Located]:
    """These copies from the first on whose store says that it has the bytes. Not in a unit of work.

    Raises `COPY_LOST` when no store has them, and what a store raised that may have them.
    """
    errors: list[StoreError] = []
    near = await nearest(runtime, copies)
    for index, copy in enumerate(near):
        try:
            facts = await runtime.stores.get(copy.store).head(copy.key)
        except StoreError as error:
            errors.append(error)
        else:
            if facts.size_bytes >= copy.size_bytes:
                return near[index:]
    passing = [error for error in errors if not isinstance(error, ObjectNotFound)]
    raise passing[0] if passing else not_readable(copies[0].blob_id)


async def read_media(
    runtime: Runtime, copies: Sequence[Located], start: int, end: int
) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` up to, not including, `end`, from whichever copies give them.

    Never fewer without an error: `COPY_LOST` when the stores do not have them, else what a store raised. The
    one place where bytes of blobs leave through this process for clients. Not in a unit of work.
    """
    sent = start
    try:
        async with aclosing(read_copies(runtime, copies, start, end)) as pieces:
            async for piece in pieces:
                sent += len(piece)
                yield piece
    except (ObjectNotFound, WrongBytes) as error:
        raise not_readable(copies[0].blob_id) from error
    if sent < end:
        raise not_readable(copies[0].blob_id)


def not_readable(blob_id: UUID) -> NotFound:
    """The error for bytes that are not where the rows say they are."""
    return NotFound(
        "The sound is not where it should be: no store has a copy of it that can be read. Tell whoever runs "
        "this installation; `reelkeep storage check` says what is missing.",
        ErrorCode.COPY_LOST,
        blob_id=str(blob_id),
    )
