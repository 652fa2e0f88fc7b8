"""Rebuild recordings from a store alone: from the files beside originals, else from what objects tell.

    list the store → what describes recordings → what nothing describes → count the rest

Nothing in the store is changed. Killed at any point, it is run again: what was taken is there then. A
database that still knows a recording, or knows that it was erased, is believed over the store.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from reelkeep.accounts.models import Organization
from reelkeep.blobs.keys import SEALED
from reelkeep.blobs.models import BlobKind
from reelkeep.blobs.scratch import scratch_folder
from reelkeep.catalog.about import (
    ABOUT_BYTES_MAX,
    ABOUT_TYPE,
    WORDS_BYTES_MAX,
    About,
    AboutBlob,
    Words,
    id_of,
    read_about,
    read_words,
)
from reelkeep.catalog.listing import Listed, Listing
from reelkeep.catalog.take import Became, Found, take_recording, what_is_known
from reelkeep.errors import NotFound, ObjectNotFound, ReelkeepError, StoreError, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import CarriesFacts, ObjectFacts, Store

log = get_logger(__name__)

#: Objects that are noted at once, and disk that a listing of ten million takes.
LISTED_AT_ONCE = 500
LISTING_BYTES = 1_000_000
RECOVERED = "Recovered"


@dataclass(frozen=True, slots=True)
class Problem:
    """What was not taken, and why."""

    key: str
    code: str
    message: str


@dataclass(slots=True)
class Report:
    """What an import found and did; in a dry run: would do."""

    store: str
    dry_run: bool
    objects: int = 0
    taken: list[UUID] = field(default_factory=list)
    there: int = 0
    erased: int = 0
    #: Recordings whose words came from a file, so that no engine has to find them again.
    with_words: int = 0
    organizations: set[UUID] = field(default_factory=set)
    #: Objects that nothing tells of: leftovers, which `reelkeep storage check` removes.
    unexplained: int = 0
    problems: list[Problem] = field(default_factory=list)

    def count(self, became: Became, found: Found) -> None:
        """Add what came of one recording."""
        if became == Became.TAKEN:
            self.taken.append(found.about.recording_id)
            self.with_words += found.words is not None
        self.there += became == Became.THERE
        self.erased += became == Became.ERASED

    def failed(self, key: str, error: ReelkeepError) -> None:
        """Note what could not be taken."""
        self.problems.append(Problem(key, error.code, error.message))


Tell = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class Import:
    """One import under way."""

    runtime: Runtime
    store: Store
    listing: Listing
    report: Report
    #: Where all of it goes; None: each recording to its own organization, made again where it is gone.
    organization_id: UUID | None
    tell: Tell

    async def described(self) -> None:
        """Take what files beside originals tell of."""
        for page in self.listing.abouts():
            for listed in page:
                try:
                    await self._take_described(listed)
                except ReelkeepError as error:
                    self._note(listed.key, error)
            self.tell(self.report)

    async def undescribed(self) -> None:
        """Take originals of which no file tells yet, by what they carry themselves."""
        if not isinstance(self.store, CarriesFacts):
            return
        for page in self.listing.others():
            for listed in page:
                try:
                    await self._take_undescribed(self.store, listed)
                except ReelkeepError as error:
                    self._note(listed.key, error)
            self.tell(self.report)

    async def _take_described(self, listed: Listed) -> None:
        body = await read_small(self.store, listed, ABOUT_BYTES_MAX)
        about = read_about(body, listed.key)
        newest = await self._newest(about, listed)
        if newest is not None and newest != listed.key:
            self.listing.explain([listed.key])
            return
        sidecar = AboutBlob(
            id=id_of(about.recording_id, body),
            kind=BlobKind.SIDECAR,
            size_bytes=len(body),
            content_type=ABOUT_TYPE,
            sha256=sha256(body).hexdigest(),
        )
        places = {blob.id: place for blob in about.blobs if (place := await self._place(about, blob))}
        places[sidecar.id] = listed
        found = Found(about, self.store.name, places, sidecar)
        await self._take(found, listed)

    async def _newest(self, about: About, listed: Listed) -> str | None:
        """The key of the latest of several files about one recording, as the store has them; None: alone."""
        others = self.listing.beside(about.recording_id)
        if len(others) < 2:
            return None
        told: list[tuple[datetime, str]] = []
        for other in others:
            try:
                one = read_about(await read_small(self.store, other, ABOUT_BYTES_MAX), other.key)
            except StoreError:
                continue
            if one.recording_id == about.recording_id:
                told.append((one.as_of, other.key))
        return max(told)[1] if told else listed.key

    async def _take_undescribed(self, store: CarriesFacts, listed: Listed) -> None:
        told = await store.description_of(listed.key)
        about = _about_object(told, await self.store.head(listed.key))
        if about is None:
            return
        await self._take(Found(about, self.store.name, {about.blobs[0].id: listed}), listed)

    async def _take(self, found: Found, listed: Listed) -> None:
        self.listing.explain([listed.key, *(place.key for place in found.places.values())])
        if not found.has(BlobKind.ORIGINAL):
            raise ObjectNotFound(
                "The store has no original of the recording that this file tells of.",
                recording_id=str(found.about.recording_id),
            )
        organization_id = self.organization_id or found.about.organization_id
        known = await self._known(organization_id, found.about.recording_id)
        if known is None:
            found = replace(found, words=await self._words(found))
            if not self.report.dry_run:
                if self.organization_id is None:
                    await self._organization(organization_id)
                known = await take_recording(self.runtime, organization_id, found)
            self.report.organizations.add(organization_id)
        self.report.count(known or Became.TAKEN, found)

    async def _known(self, organization_id: UUID, recording_id: UUID) -> Became | None:
        async with self.runtime.database.work(organization_id) as session:
            return (await what_is_known(session, organization_id, [recording_id])).get(recording_id)

    async def _place(self, about: About, blob: AboutBlob) -> Listed | None:
        """Where a blob lies: its id is in the key of its first copy, the recording's in those of all.

        Where several keys may be meant, as when one only speaks of an id, the digest tells.
        """
        candidates = self.listing.find(blob.id, blob.size_bytes)
        candidates = candidates or self.listing.find(about.recording_id, blob.size_bytes)
        if len(candidates) <= 1 or blob.sha256 is None:
            return candidates[0] if len(candidates) == 1 else None
        for candidate in candidates:
            digest = sha256()
            async for piece in self.store.read(candidate.key):
                digest.update(piece)
            if digest.hexdigest() == blob.sha256:
                return candidate
        return None

    async def _words(self, found: Found) -> Words | None:
        """The words, where their file is there and is about this recording; else they are found anew."""
        blob = found.about.blob(BlobKind.TRANSCRIPT)
        if blob is None or blob.id not in found.places:
            return None
        listed = found.places[blob.id]
        try:
            body = await read_small(self.store, listed, WORDS_BYTES_MAX)
            if blob.sha256 not in (None, sha256(body).hexdigest()):
                raise WrongBytes(f"{listed.key} has other bytes than were written.", key=listed.key)
            words = await asyncio.to_thread(read_words, body, listed.key)
        except StoreError as error:
            self._note(listed.key, error)
            return None
        return words if words.recording_id == found.about.recording_id else None

    async def _organization(self, organization_id: UUID) -> None:
        """Make the organization again under its id; its name is not in the store."""
        name = f"{RECOVERED} {str(organization_id)[:8]}"
        row = insert(Organization).values(id=organization_id, name=name)
        async with self.runtime.database.directory() as session:
            await session.execute(row.on_conflict_do_nothing())

    def _note(self, key: str, error: ReelkeepError) -> None:
        log.warning("not imported", key=key, error_code=error.code)
        self.report.failed(key, error)


async def import_store(
    runtime: Runtime,
    store_name: str,
    *,
    organization_id: UUID | None = None,
    dry_run: bool = False,
    tell: Tell = lambda _report: None,
) -> Report:
    """Take every recording that a store tells of and the database does not know.

    Raises `STORE_UNKNOWN`, and what the store raises while it is listed; what is wrong with one recording is
    in the report. A dry run writes nothing.
    """
    if store_name not in runtime.stores.by_name:
        raise NotFound(f"There is no store {store_name!r}; there are {', '.join(runtime.stores.by_name)}.")
    store, report = runtime.stores.get(store_name), Report(store_name, dry_run)
    async with _listed(runtime, store, report) as listing:
        under_way = Import(runtime, store, listing, report, organization_id, tell)
        tell(report)
        await under_way.described()
        await under_way.undescribed()
        report.unexplained = await asyncio.to_thread(listing.unexplained)
    tell(report)
    return report


@asynccontextmanager
async def _listed(runtime: Runtime, store: Store, report: Report) -> AsyncIterator[Listing]:
    bytes_max = runtime.settings.scratch_bytes_max
    async with scratch_folder(runtime.scratch, LISTING_BYTES, bytes_max) as folder:
        listing = Listing(folder / "listing.sqlite")
        try:
            batch: list[ObjectFacts] = []
            async for facts in store.list_objects(SEALED):
                batch.append(facts)
                report.objects += 1
                if len(batch) == LISTED_AT_ONCE:
                    await asyncio.to_thread(listing.add, batch)
                    batch = []
            await asyncio.to_thread(listing.add, batch)
            yield listing
        finally:
            listing.close()


async def read_small(store: Store, listed: Listed, bytes_max: int) -> bytes:
    """A small object whole; `WrongBytes` for one that is larger than such a file can be."""
    if listed.size_bytes > bytes_max:
        raise WrongBytes(
            f"{listed.key} has {listed.size_bytes:,} bytes and such a file at most {bytes_max:,}.",
            key=listed.key,
        )
    return b"".join([piece async for piece in store.read(listed.key)])


def _about_object(told: dict[str, str], facts: ObjectFacts) -> About | None:
    """What an original tells of itself, or None: it is something else, or tells nothing."""
    try:
        if told.get("kind") != BlobKind.ORIGINAL:
            return None
        created_at = datetime.fromisoformat(told["created-at"])
        content_type = re.sub(r";.*", "", facts.content_type or "application/octet-stream")
        return About(
            organization_id=UUID(told["organization-id"]),
            recording_id=UUID(told["recording-id"]),
            as_of=created_at,
            created_at=created_at,
            uploaded_at=facts.modified_at,
            recording_type="recording",
            content_type=content_type,
            blobs=(
                AboutBlob(
                    id=UUID(told["blob-id"]),
                    kind=BlobKind.ORIGINAL,
                    size_bytes=facts.size_bytes,
                    content_type=content_type,
                    sha256=facts.sha256,
                ),
            ),
        )
    except (KeyError, ValueError):
        return None
