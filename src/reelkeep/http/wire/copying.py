"""Copies inside one bucket: a whole object, or a range of one as a part of another."""

import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from urllib.parse import unquote

from reelkeep.http.wire.checks import refuse_names
from reelkeep.http.wire.documents import Element, document, moment
from reelkeep.http.wire.exchange import Exchange
from reelkeep.http.wire.metadata import metadata_of
from reelkeep.http.wire.parts import part_number, upload_id_of
from reelkeep.http.wire.request import WireRequest
from reelkeep.stores.guarded_calls import generator
from reelkeep.stores.keys import check_key
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal

SOURCE, IF_MATCH, RANGE = (
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-range",
)
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})")


async def copy_object(request: WireRequest) -> None:
    """CopyObject; type and metadata are the source's, or with REPLACE the request's."""
    exchange = request.exchange
    refuse_names(name for name in ("if-match", "if-none-match") if name in exchange.headers)
    tell = _telling(exchange)

    def checked(facts: ObjectFacts) -> ObjectFacts:
        _check_source(exchange, facts)
        return tell(facts)

    facts = await request.store.copy_told(_source_key(exchange), request.key, checked)
    await exchange.answer_xml(document("CopyObjectResult", _told(facts.modified_at, facts.etag)))


async def copy_part(request: WireRequest) -> None:
    """UploadPartCopy; what is read is one object to its last byte, whoever writes meanwhile."""
    exchange, store, key = request.exchange, request.store, request.key
    upload_id, number = upload_id_of(request), part_number(request)
    await store.know_parts(key, upload_id)
    async with (
        store.reader(_source_key(exchange)) as reader,
        store.part_writer(key, upload_id, number) as writer,
    ):
        _check_source(exchange, reader.facts)
        start, end = _range(exchange, reader.facts)
        async with aclosing(generator(reader.pieces(start, end))) as pieces:
            async for piece in pieces:
                await writer.write(piece)
        facts = await writer.commit()
    await exchange.answer_xml(document("CopyPartResult", _told(facts.modified_at, facts.etag)))


def _source_key(exchange: Exchange) -> str:
    bucket, _, source = unquote(exchange.headers[SOURCE]).removeprefix("/").partition("/")
    if bucket != exchange.bucket or "?" in source:
        raise S3Refusal("NotImplemented", "Only copies inside one bucket, and of no older version, are made.")
    return check_key(source)


def _check_source(exchange: Exchange, facts: ObjectFacts) -> None:
    wanted = exchange.headers.get(IF_MATCH)
    if wanted is not None and wanted.strip().strip('"') != facts.etag:
        raise S3Refusal("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


def _range(exchange: Exchange, facts: ObjectFacts) -> tuple[int, int]:
    asked = exchange.headers.get(RANGE)
    if asked is None:
        return 0, facts.size_bytes
    match = _RANGE.fullmatch(asked.strip())
    start, last = (int(match[1]), int(match[2])) if match else (1, 0)
    if not start <= last < facts.size_bytes:
        raise S3Refusal(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {facts.size_bytes}",
            ArgumentName=RANGE,
            ArgumentValue=asked,
        )
    return start, last + 1


def _telling(exchange: Exchange) -> Callable[[ObjectFacts], ObjectFacts]:
    """What a copy says of itself, made of what its source says."""
    directive = exchange.headers.get("x-amz-metadata-directive", "COPY")
    if directive == "COPY":
        return lambda facts: facts
    if directive != "REPLACE":
        raise S3Refusal("InvalidArgument", "Unknown metadata directive.", ArgumentValue=directive)
    metadata, content_type = metadata_of(exchange), exchange.headers.get("content-type")
    return lambda facts: replace(facts, metadata=metadata, content_type=content_type)


def _told(modified_at: datetime, etag: str) -> list[Element]:
    return [("LastModified", moment(modified_at)), ("ETag", f'"{etag}"')]
