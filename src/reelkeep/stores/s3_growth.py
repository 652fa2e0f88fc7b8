"""Objects that grow in several goes on S3, from any process of the installation; see `Grows`.

What fills a part (5 MiB and more) goes into a multipart upload of the key, the rest into tails beside it.
Which parts and tails count stands in the notes that the caller keeps under its fence; whatever else a
process wrote and did not live to note is removed at the end, or when the growth is discarded. Above 5 MiB
a growth is also a multipart upload, so that `list_part_uploads` shows it as well.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, closing
from dataclasses import replace
from datetime import datetime

from reelkeep.errors import ObjectNotFound, StoreError
from reelkeep.logs import get_logger
from reelkeep.stores.protocol import GrowthNotes, ObjectFacts
from reelkeep.stores.s3_growing import GrowthTools, S3Growing
from reelkeep.stores.s3_notes import S3Notes
from reelkeep.stores.s3_requests import Body, facts_of
from reelkeep.stores.s3_spool import Spool
from reelkeep.stores.s3_tails import GROWTH_HEADER

logger = get_logger(__name__)


class S3Growth:
    """What grows in one bucket; keys here are the service's."""

    def __init__(self, tools: GrowthTools) -> None:
        self._tools = tools

    def growing(
        self, key: str, notes: GrowthNotes, content_type: str | None
    ) -> AbstractAsyncContextManager[S3Growing]:
        """Go on appending after what is noted."""
        return S3Growing(self._tools, key, S3Notes.read(notes), content_type)

    async def finish(self, key: str, notes: GrowthNotes, content_type: str | None) -> ObjectFacts:
        """Make the grown bytes the object."""
        noted = S3Notes.read(notes)
        try:
            facts = await self._make(key, noted, content_type)
        except ObjectNotFound as gone:
            facts = await self._made_before(key, noted, gone)
        try:
            await self._clear(key)
        except StoreError as error:  # the object is there; listings show what is left
            logger.warning("leftovers of a grown object stay", key=key, exc_info=error)
        return replace(facts, sha256=noted.sha256)

    async def discard(self, key: str, notes: GrowthNotes) -> None:
        """Remove parts and tails, noted or not."""
        upload_id = S3Notes.read(notes).upload_id
        if upload_id is not None:
            await self._tools.parts.abort(key, upload_id)
        await self._clear(key)

    async def listed(self, prefix: str) -> AsyncGenerator[ObjectFacts, None]:
        """What grows under a prefix, with its size and last change."""
        found: dict[str, ObjectFacts] = {}

        def note(key: str, size: int, etag: str, changed: datetime) -> None:
            before = found.get(key, ObjectFacts(key, 0, None, etag, changed))
            found[key] = replace(
                before,
                size_bytes=max(before.size_bytes, size),
                modified_at=max(before.modified_at, changed),
            )

        async with aclosing(self._tools.tails.listed(prefix)) as tails:
            async for key, start, facts in tails:
                note(key, start + facts.size_bytes, "", facts.modified_at)
        async with aclosing(self._tools.parts.list_uploads(prefix)) as uploads:
            async for upload in uploads:
                size, changed = await self._parts_of(upload.key, upload.upload_id, upload.begun_at)
                note(upload.key, size, upload.upload_id, changed)
        for key in sorted(found):
            yield found[key]

    async def _make(self, key: str, noted: S3Notes, content_type: str | None) -> ObjectFacts:
        tools = self._tools
        tail_bytes = noted.tails_bytes
        with closing(Spool(tools.scratch, tail_bytes, missing_bytes=tail_bytes)) as spool:
            await tools.tails.bring(spool, noted.tails)
            rest = await spool.body(0, tail_bytes)
            if not noted.parts:
                return await self._put_whole(key, noted, rest, content_type)
            assert noted.upload_id is not None
            parts = [(number, etag) for number, (_, etag) in enumerate(noted.parts, 1)]
            if tail_bytes:
                last = await tools.parts.put(key, noted.upload_id, len(parts) + 1, rest)
                parts.append((last.number, last.etag))
        return await tools.parts.complete(key, noted.upload_id, parts)

    async def _put_whole(self, key: str, noted: S3Notes, body: Body, content_type: str | None) -> ObjectFacts:
        headers = self._tools.tails.marks(noted.growth_id)
        if content_type:
            headers["content-type"] = content_type
        await self._tools.tails.put(key, body, headers)
        return await self._tools.requests.head(key)

    async def _made_before(self, key: str, noted: S3Notes, gone: ObjectNotFound) -> ObjectFacts:
        """The object when this very growth has become it, else the error."""
        try:
            answer = await self._tools.requests.send("HEAD", key)
        except ObjectNotFound:
            raise gone from None
        facts = facts_of(key, answer)
        if answer.headers.get(GROWTH_HEADER) != noted.growth_id or facts.size_bytes != noted.size_bytes:
            raise gone
        return facts

    async def _clear(self, key: str) -> None:
        async with aclosing(self._tools.parts.list_uploads(key)) as uploads:
            left = [upload.upload_id async for upload in uploads if upload.key == key]
        await asyncio.gather(
            self._tools.tails.remove(key), *(self._tools.parts.abort(key, upload_id) for upload_id in left)
        )

    async def _parts_of(self, key: str, upload_id: str, begun_at: datetime) -> tuple[int, datetime]:
        size, changed = 0, begun_at
        try:
            async with aclosing(self._tools.parts.list_parts(key, upload_id)) as parts:
                async for part in parts:
                    size, changed = size + part.size_bytes, max(changed, part.modified_at)
        except ObjectNotFound:  # it ended meanwhile
            pass
        return size, changed
