"""The routes of the wire: a request is told apart, its signer found and held to what they may."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from reelkeep.clock import Clock, SystemClock
from reelkeep.errors import Invalid, ObjectNotFound, ReelkeepError, WrongBytes
from reelkeep.http.wire.authority import Authority, check_may
from reelkeep.http.wire.checks import content_length, refuse_unspoken
from reelkeep.http.wire.exchange import ClientGone, Exchange
from reelkeep.http.wire.forms import PostForm
from reelkeep.http.wire.listing import list_buckets
from reelkeep.http.wire.operations import BUCKET, METHODS, OBJECT, class_of, operation_of
from reelkeep.http.wire.request import Acceleration, WireRequest
from reelkeep.http.wire.translate import as_refusal
from reelkeep.http.wire.writing import (
    PUT_BYTES_MAX,
    answer_post,
    check_form,
    form_writer,
    receive_fields,
    take_file,
)
from reelkeep.logs import get_logger
from reelkeep.stores.local import WIRE_PATH, LocalStore
from reelkeep.stores.local_access import FindAccess
from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.signer import Endpoint
from reelkeep.stores.traffic import Traffic

#: A client that sends nothing for so long is given up.
IDLE_SECONDS = 60.0
#: Fields and boundaries of a form beside its file.
_FORM_BYTES_MAX = PUT_BYTES_MAX + 1024 * 1024

logger = get_logger(__name__)


def wire_routes(
    stores: Mapping[str, LocalStore],
    find_access: FindAccess,
    public_url: str,
    *,
    clock: Clock | None = None,
    idle_seconds: float = IDLE_SECONDS,
    acceleration: Acceleration | None = None,
    traffic: Mapping[str, Traffic] | None = None,
) -> list[BaseRoute]:
    """The routes at `/s3`, for local stores by bucket.

    Signatures are checked for `public_url`, the address that URLs were signed for, never for the Host
    header that a request came with. `traffic` counts requests, by bucket.
    """
    endpoint = Endpoint.from_url(public_url.rstrip("/") + WIRE_PATH)
    authority = Authority(find_access, endpoint, clock or SystemClock())
    wire = Wire(stores, authority, idle_seconds, acceleration, traffic or {})
    inner = [Route("/", wire), Route("/{bucket}", wire), Route("/{bucket}/{key:path}", wire)]
    return [Route(WIRE_PATH, wire), Mount(WIRE_PATH, routes=inner)]


@dataclass(frozen=True, slots=True)
class Wire:
    """The ASGI application behind the routes."""

    stores: Mapping[str, LocalStore]
    authority: Authority
    idle_seconds: float = IDLE_SECONDS
    acceleration: Acceleration | None = None
    traffic: Mapping[str, Traffic] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send, idle_seconds=self.idle_seconds)
        try:
            await self._answer(exchange)
        except ClientGone:
            logger.info("wire client left early", bucket=exchange.bucket, key=exchange.key)
        except S3Refusal as refusal:
            await self._refuse(exchange, refusal)
        except ReelkeepError as error:
            if exchange.started:
                raise  # the connection is cut, so that no short body passes for a whole one
            if not isinstance(error, Invalid | ObjectNotFound | WrongBytes):
                logger.error("wire store failed", exc_info=error, bucket=exchange.bucket)
            await self._refuse(exchange, as_refusal(exchange, error))
        finally:
            self._count(exchange)

    def _count(self, exchange: Exchange) -> None:
        traffic = self.traffic.get(exchange.bucket)
        if traffic is not None and (action := class_of(exchange)) is not None:
            traffic.count(action, bytes_in=exchange.bytes_in, bytes_out=exchange.bytes_out)

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.method == "OPTIONS":
            await _answer_preflight(exchange)
            return
        if not exchange.bucket:
            await self._answer_service(exchange)
            return
        store = self.stores.get(exchange.bucket)
        if store is None:
            raise S3Refusal("NoSuchBucket", "The specified bucket does not exist", BucketName=exchange.bucket)
        if exchange.method == "POST" and exchange.key is None and not exchange.query:
            await self._post(exchange, store)
            return
        operation = operation_of(exchange)
        access = await self.authority.of_request(exchange)
        check_may(access, store.name, exchange.key, changes=operation.changes)
        refuse_unspoken(exchange, operation.spoken)
        await operation.answer(WireRequest(exchange, store, self.authority.endpoint, self.acceleration))

    async def _answer_service(self, exchange: Exchange) -> None:
        if exchange.method != "GET":
            raise S3Refusal(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                Method=exchange.method,
                ResourceType="SERVICE",
            )
        access = await self.authority.of_request(exchange)
        refuse_unspoken(exchange, frozenset())
        opened = [bucket for bucket, store in self.stores.items() if access.opens(store.name)]
        await list_buckets(exchange, opened)

    async def _post(self, exchange: Exchange, store: LocalStore) -> None:
        form = PostForm(exchange.headers.get("content-type", ""))
        length = content_length(exchange, _FORM_BYTES_MAX)
        request = WireRequest(exchange, store, self.authority.endpoint)
        async with aclosing(exchange.body()) as body:
            first, received = await receive_fields(form, body)
            if "key" not in form.fields:
                raise S3Refusal(
                    "InvalidArgument",
                    "Bucket POST must contain a field named 'key'. "
                    "If it is specified, please check the order of the fields.",
                )
            access, policy = await self.authority.of_form(form.fields)
            key, limits = check_form(form, policy, exchange.bucket, length, received)
            check_may(access, store.name, key, changes=True)
            async with form_writer(store, form, key) as writer:
                facts = await take_file(writer, form, first, body, limits)
        status = form.fields.get("success_action_status", "")
        await answer_post(exchange, facts, request.location_of(key), status)

    async def _refuse(self, exchange: Exchange, refusal: S3Refusal) -> None:
        logger.info(
            "wire request refused",
            bucket=exchange.bucket,
            key=exchange.key,
            method=exchange.method,
            s3_code=refusal.code,
            reason=refusal.message,
        )
        headers = {}
        if refusal.code == "MethodNotAllowed":
            headers["allow"] = ", ".join([*_methods_of(exchange), "OPTIONS"])
        if refusal.code == "InvalidRange":
            headers["content-range"] = f"bytes */{refusal.facts['ActualObjectSize']}"
        if refusal.code == "ServiceUnavailable":
            headers["retry-after"] = "5"
        await exchange.refuse(refusal, headers)


def _methods_of(exchange: Exchange) -> tuple[str, ...]:
    if not exchange.bucket:
        return ("GET",)
    return METHODS[BUCKET if exchange.key is None else OBJECT]


async def _answer_preflight(exchange: Exchange) -> None:
    headers = {
        "access-control-allow-methods": "GET, HEAD, PUT, POST, DELETE",
        "access-control-max-age": "3600",
        "vary": "Access-Control-Request-Headers",
    }
    asked = exchange.headers.get("access-control-request-headers")
    if asked:
        headers["access-control-allow-headers"] = asked
    await exchange.answer(200, headers)
