"""What must be true when the storm is over: acknowledged bytes are there, nothing else is, sums add up."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from reelkeep.blobs.find import locate
from reelkeep.blobs.models import Blob, Copy, Usage
from reelkeep.recordings.queries import get_recording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Grows, TakesParts
from reelkeep.uploads.leftovers import sweep_attempts, sweep_incoming
from reelkeep.uploads.models import Upload, UploadState
from reelkeep.uploads.sweep import sweep_uploads

#: Longer than anything that is waited for before it is cleaned away.
LATER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Later:
    """A clock that is far ahead."""

    def now(self) -> datetime:
        """The moment at which every grace is over."""
        return datetime.now(UTC) + LATER


@dataclass(slots=True)
class Findings:
    """What is wrong, in words; empty when nothing is."""

    wrong: list[str] = field(default_factory=list)
    recordings: int = 0
    bytes_read: int = 0


async def audit(runtime: Runtime, organization_id: UUID, acknowledged: Mapping[UUID, str]) -> Findings:
    """Sweep as if a month had passed, then compare what was acknowledged, the rows and the stores."""
    later = replace(runtime, clock=Later())
    while await sweep_uploads(later):
        pass
    await sweep_incoming(later)
    await sweep_attempts(later)
    findings = Findings()
    for recording_id, sha256 in acknowledged.items():
        await _check_bytes(runtime, organization_id, recording_id, sha256, findings)
    await _check_stores(runtime, organization_id, findings)
    await _check_sums(runtime, organization_id, findings)
    return findings


async def _check_bytes(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, sha256: str, findings: Findings
) -> None:
    async with runtime.database.work(organization_id) as session:
        recording = await get_recording(session, organization_id, recording_id)
        if recording.original_blob_id is None:
            findings.wrong.append(f"{recording_id} was acknowledged and has no bytes: {recording.status}")
            return
        found = await locate(session, organization_id, recording.original_blob_id)
    digest = hashlib.sha256()
    async for piece in runtime.stores.get(found.store).read(found.key):
        digest.update(piece)
        findings.bytes_read += len(piece)
    findings.recordings += 1
    if digest.hexdigest() != sha256:
        findings.wrong.append(f"{recording_id} has other bytes than were acknowledged")
    if found.sha256 not in (None, sha256):
        findings.wrong.append(f"{recording_id} has a wrong digest in its row")


async def _check_stores(runtime: Runtime, organization_id: UUID, findings: Findings) -> None:
    async with runtime.database.work(organization_id) as session:
        known = {(copy.store, copy.key) for copy in await session.scalars(select(Copy))}
    there = set()
    for name, store in runtime.stores.by_name.items():
        there |= {(name, facts.key) async for facts in store.list_objects()}
        if isinstance(store, TakesParts):
            findings.wrong += [f"parts left: {parts.key}" async for parts in store.list_part_uploads()]
        if isinstance(store, Grows):
            findings.wrong += [f"growth left: {facts.key}" async for facts in store.list_growths()]
    findings.wrong += [f"no row tells of {key} in {store}" for store, key in sorted(there - known)]
    findings.wrong += [f"no bytes for {key} in {store}" for store, key in sorted(known - there)]


async def _check_sums(runtime: Runtime, organization_id: UUID, findings: Findings) -> None:
    async with runtime.database.work(organization_id) as session:
        kept = await session.scalar(select(func.coalesce(func.sum(Blob.size_bytes), 0)))
        opened = await session.scalar(
            select(func.count()).select_from(Upload).where(Upload.state == UploadState.OPEN)
        )
        usage = (await session.scalars(select(Usage))).one()
    counted = (usage.bytes_used, usage.bytes_reserved, usage.uploads_open, opened)
    if counted != (kept, 0, 0, 0):
        findings.wrong.append(f"used, reserved, open and rows are {counted}, not {(kept, 0, 0, 0)}")
