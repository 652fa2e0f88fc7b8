"""The routes of the wire: who may do what with which store, and how each failure is said."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reelkeep.clock import Clock, SystemClock
from reelkeep.errors import (
    Invalid,
    ObjectNotFound,
    ReelkeepError,
    StoreError,
    StoreFull,
    StoreUnavailable,
    WrongBytes,
)
from reelkeep.http.wire.checks import content_length, refuse_unspoken, signed_request
from reelkeep.http.wire.exchange import ClientGone, Exchange
from reelkeep.http.wire.forms import PostForm
from reelkeep.http.wire.reading import get_object
from reelkeep.http.wire.writing import (
    PUT_BYTES_MAX,
    answer_post,
    check_form,
    form_writer,
    put_object,
    receive_fields,
    take_file,
)
from reelkeep.logs import get_logger
from reelkeep.stores.keys import check_key
from reelkeep.stores.local import WIRE_PATH, WIRE_REGION, LocalStore
from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.signer import Endpoint
from reelkeep.stores.verifier import FindCredentials, verify_policy, verify_query

#: A client that sends nothing for so long is given up.
IDLE_SECONDS = 60.0
#: Fields and boundaries of a form beside its file.
_FORM_BYTES_MAX = PUT_BYTES_MAX + 1024 * 1024

logger = get_logger(__name__)


def wire_routes(
    stores: Mapping[str, LocalStore],
    find_credentials: FindCredentials,
    public_url: str,
    *,
    clock: Clock | None = None,
    idle_seconds: float = IDLE_SECONDS,
) -> list[Route]:
    """The routes to mount at `/s3`, for local stores by bucket.

    Signatures are checked for `public_url`, the address that URLs were signed for, never for the Host
    header that a request came with.
    """
    wire = Wire(
        stores=stores,
        find_credentials=find_credentials,
        endpoint=Endpoint.from_url(public_url.rstrip("/") + WIRE_PATH),
        clock=clock or SystemClock(),
        idle_seconds=idle_seconds,
    )
    return [Route("/{bucket}", wire), Route("/{bucket}/{key:path}", wire)]


@dataclass(frozen=True, slots=True)
class Wire:
    """The ASGI application behind the routes."""

    stores: Mapping[str, LocalStore]
    find_credentials: FindCredentials
    endpoint: Endpoint
    clock: Clock = field(default_factory=SystemClock)
    idle_seconds: float = IDLE_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send, idle_seconds=self.idle_seconds)
        try:
            await self._answer(exchange)
        except ClientGone:
            logger.info("wire client left early", bucket=exchange.bucket, key=exchange.key)
        except S3Refusal as refusal:
            await self._refuse(exchange, refusal)
        except (Invalid, StoreError) as error:
            if exchange.started:
                raise  # the connection is cut, so that no short body passes for a whole one
            if not isinstance(error, Invalid | ObjectNotFound | WrongBytes):
                logger.error("wire store failed", exc_info=error, bucket=exchange.bucket)
            await self._refuse(exchange, _as_refusal(exchange, error))

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.method == "OPTIONS":
            await _answer_preflight(exchange)
            return
        store = self.stores.get(exchange.bucket)
        if store is None:
            raise S3Refusal("NoSuchBucket", "The specified bucket does not exist", BucketName=exchange.bucket)
        match exchange.method, exchange.key:
            case "POST", None:
                await self._post(exchange, store)
            case "PUT", str(key):
                self._check_signature(exchange)
                facts = await put_object(exchange, store, check_key(key))
                await exchange.answer(200, {"etag": f'"{facts.etag}"'})
            case (("GET" | "HEAD"), str(key)):
                self._check_signature(exchange)
                await get_object(exchange, store, check_key(key))
            case _:
                raise S3Refusal(
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource.",
                    Method=exchange.method,
                )

    def _check_signature(self, exchange: Exchange) -> None:
        host, path = self.endpoint.locate(exchange.bucket, exchange.key)
        request = signed_request(exchange, host, path)
        verify_query(request, self.find_credentials, WIRE_REGION, self.clock.now())
        refuse_unspoken(exchange)

    async def _post(self, exchange: Exchange, store: LocalStore) -> None:
        form = PostForm(exchange.headers.get("content-type", ""))
        length = content_length(exchange, _FORM_BYTES_MAX)
        async with aclosing(exchange.body()) as body:
            first, received = await receive_fields(form, body)
            if "key" not in form.fields:
                raise S3Refusal(
                    "InvalidArgument",
                    "Bucket POST must contain a field named 'key'. "
                    "If it is specified, please check the order of the fields.",
                )
            policy = verify_policy(form.fields, self.find_credentials, WIRE_REGION, self.clock.now())
            key, limits = check_form(form, policy, exchange.bucket, length, received)
            async with form_writer(store, form, key) as writer:
                facts = await take_file(writer, form, first, body, limits)
        host, path = self.endpoint.locate(exchange.bucket, key)
        location = f"{self.endpoint.scheme}://{host}{path}"
        await answer_post(exchange, facts, location, form.fields.get("success_action_status", ""))

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
            headers["allow"] = "GET, HEAD, PUT, OPTIONS" if exchange.key else "POST, OPTIONS"
        if refusal.code == "InvalidRange":
            headers["content-range"] = f"bytes */{refusal.facts['ActualObjectSize']}"
        if refusal.code == "ServiceUnavailable":
            headers["retry-after"] = "5"
        await exchange.refuse(refusal, headers)


async def _answer_preflight(exchange: Exchange) -> None:
    headers = {
        "access-control-allow-methods": "GET, HEAD, PUT, POST",
        "access-control-max-age": "3600",
        "vary": "Access-Control-Request-Headers",
    }
    asked = exchange.headers.get("access-control-request-headers")
    if asked:
        headers["access-control-allow-headers"] = asked
    await exchange.answer(200, headers)


def _as_refusal(exchange: Exchange, error: ReelkeepError) -> S3Refusal:
    """A store's error in S3's words."""
    match error:
        case ObjectNotFound():
            return S3Refusal("NoSuchKey", "The specified key does not exist.", Key=exchange.key or "")
        case WrongBytes():
            return _as_wrong_bytes(exchange, error)
        case StoreFull():
            return S3Refusal("InsufficientStorage", "There is no space left for this object.")
        case StoreUnavailable():
            return S3Refusal("ServiceUnavailable", "Please try again.")
        case Invalid():
            return S3Refusal("InvalidArgument", error.message)
    return S3Refusal("InternalError", "We encountered an internal error. The operator's log says which.")


def _as_wrong_bytes(exchange: Exchange, error: WrongBytes) -> S3Refusal:
    check, wanted, found = (str(error.details[name]) for name in ("check", "wanted", "found"))
    if check == "size_bytes":
        return S3Refusal(
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        )
    if check == "sha256" and exchange.given("x-amz-content-sha256") == wanted:
        return S3Refusal(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ClientComputedContentSHA256=wanted,
            S3ComputedContentSHA256=found,
        )
    return S3Refusal(
        "BadDigest",
        f"The {check} you specified did not match what we received.",
        ExpectedDigest=wanted,
        CalculatedDigest=found,
    )
