"""After the last byte of a fetch: the object under `incoming/`, its name and its type."""

import mimetypes
from dataclasses import asdict
from typing import Any

from sqlalchemy import update

from reelkeep.media.sniff import HEAD_BYTES, Sniffed, sniff, types_agree
from reelkeep.recordings.models import Recording
from reelkeep.stores.protocol import ObjectFacts, Store
from reelkeep.uploads.fetch_answer import not_media
from reelkeep.uploads.fetch_run import FetchRun


async def keep_what_came(run: FetchRun) -> None:
    """Make the grown bytes the incoming object and forget the address; doing it twice is harmless."""
    store = run.runtime.stores.get(run.upload.store)
    facts = await run.store.finish_growth(run.key, run.growth)
    told: dict[str, Any] = {}
    if not run.notes.has_name:
        told["original_filename"] = run.notes.name
    upload_values: dict[str, Any] = {}
    if not run.notes.has_type and facts.size_bytes:
        found = await _look(store, facts)
        told["content_type"] = upload_values["content_type"] = _type_of(run, found)
    async with run.runtime.database.work(run.upload.organization_id) as session:
        await run.write(session, fetch=asdict(run.notes), growth={}, source_url=None, **upload_values)
        if told:
            await session.execute(
                update(Recording)
                .where(
                    Recording.organization_id == run.upload.organization_id,
                    Recording.id == run.upload.recording_id,
                )
                .values(**told)
                .execution_options(synchronize_session=False)
            )
    run.source_url = None


async def _look(store: Store, facts: ObjectFacts) -> Sniffed:
    head = bytearray()
    async for piece in store.read(facts.key, 0, min(HEAD_BYTES, facts.size_bytes)):
        head += piece
    found = sniff(bytes(head), facts.size_bytes)
    if found is None:
        raise not_media("")
    return found


def _type_of(run: FetchRun, found: Sniffed) -> str:
    """By the bytes; by the server or the name where these know what the bytes leave open."""
    told, named = run.notes.told_type, mimetypes.guess_type(run.notes.name)[0] or ""
    if told.startswith(("audio/", "video/")) and types_agree(told, found):
        return told
    only_sound = named.startswith("audio/") and found.media_type.startswith("video/")
    return named if only_sound and types_agree(named, found) else found.media_type
