"""Deletes objects: one by DELETE, many by a list of keys."""

import asyncio

from reelkeep.errors import Invalid, ReelkeepError
from reelkeep.http.wire.authority import check_not_sealed
from reelkeep.http.wire.checks import read_document, refuse_names
from reelkeep.http.wire.documents import Element, Unwanted, document, read_deletions
from reelkeep.http.wire.request import WireRequest
from reelkeep.http.wire.translate import as_refusal
from reelkeep.logs import get_logger
from reelkeep.stores.keys import check_key
from reelkeep.stores.local import LocalStore
from reelkeep.stores.refusals import S3Refusal

#: 1,000 keys of the longest kind, with what XML adds.
DELETE_BYTES_MAX = 2 * 1024 * 1024
#: Deletions of one request under way at once.
_AT_ONCE = 8

logger = get_logger(__name__)


async def delete_object(request: WireRequest) -> None:
    """DeleteObject; nothing happens where there is none."""
    refuse_names(name for name in ("if-match",) if name in request.exchange.headers)
    await request.store.delete(request.key)
    await request.exchange.answer(204)


async def delete_objects(request: WireRequest) -> None:
    """DeleteObjects: each key is deleted or refused by itself, and the answer says which."""
    exchange = request.exchange
    unwanted, quiet = read_deletions(await read_document(exchange, DELETE_BYTES_MAX))
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def outcome(one: Unwanted) -> Element | None:
        async with at_once:
            try:
                await _delete(request.store, one)
            except S3Refusal as refusal:
                return _refused(one, refusal)
            except ReelkeepError as error:
                if not isinstance(error, Invalid):
                    logger.error("wire store failed", key=one.key, exc_info=error)
                return _refused(one, as_refusal(exchange, error))
        return None if quiet else ("Deleted", [("Key", one.key)])

    told = await asyncio.gather(*(outcome(one) for one in unwanted))
    await exchange.answer_xml(document("DeleteResult", [element for element in told if element]))


async def _delete(store: LocalStore, one: Unwanted) -> None:
    check_not_sealed(one.key)
    refuse_names(one.conditions)
    await store.delete(check_key(one.key))


def _refused(one: Unwanted, refusal: S3Refusal) -> Element:
    return ("Error", [("Key", one.key), ("Code", refusal.code), ("Message", refusal.message)])
