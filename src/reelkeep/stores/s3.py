"""The S3 store: Amazon S3 and every service that speaks like it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import obstore
from obstore.store import S3Store as Obstore

from reelkeep.clock import Clock, SystemClock
from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores import s3_errors
from reelkeep.stores.keys import check_key
from reelkeep.stores.protocol import Abilities, ObjectFacts, Ticket, TicketLimits
from reelkeep.stores.s3_copy import COPY_WHOLE_BYTES_MAX, copy_object
from reelkeep.stores.s3_put import put_object
from reelkeep.stores.s3_requests import S3Requests
from reelkeep.stores.signer import Credentials, Endpoint, Signer
from reelkeep.stores.tickets import SignedAccess

_READ_PIECE_BYTES = 512 * 1024
#: How long obstore keeps credentials before it asks again.
_CREDENTIALS_KEPT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class S3StoreConfig:
    """Where an S3 bucket is and how it is used."""

    name: str
    bucket: str
    region: str = "us-east-1"
    #: None: Amazon's own for the region.
    endpoint_url: str | None = None
    #: The same service as clients reach it, when that is another address.
    public_endpoint_url: str | None = None
    #: `https://bucket.host/key` instead of `https://host/bucket/key`. None: at Amazon only.
    virtual_host: bool | None = None
    #: What every key begins with in the bucket; empty, or ends with a slash.
    prefix: str = ""
    #: None: the default chain of boto3 (environment, shared files, roles).
    credentials: Credentials | Callable[[], Credentials] | None = field(default=None, repr=False)
    #: Ask the service for AES256; off for services that refuse the header.
    encrypts_at_rest: bool = True
    connect_timeout_seconds: float = 5.0
    #: How long the service may be silent within a request.
    idle_timeout_seconds: float = 60.0
    copy_timeout_seconds: float = 900.0
    retries_max: int = 3
    retry_timeout_seconds: float = 60.0
    #: Objects above this are copied in parts.
    copy_whole_bytes_max: int = COPY_WHOLE_BYTES_MAX
    copy_part_bytes: int = 1024**3

    def endpoint(self, *, public: bool = False) -> Endpoint:
        """The service's address, for this process or for clients."""
        url = (self.public_endpoint_url if public else None) or self.endpoint_url
        virtual_host = url is None if self.virtual_host is None else self.virtual_host
        return Endpoint.from_url(url or f"https://s3.{self.region}.amazonaws.com", virtual_host=virtual_host)


def default_credentials() -> Callable[[], Credentials]:
    """The default chain of boto3: environment, shared files, container and instance roles.

    The chain is searched at the first call, which may ask the network; its credentials renew themselves.
    """
    found: list[Any] = []

    def current() -> Credentials:
        if not found:
            import boto3  # noqa: PLC0415 - half a second that only this chain needs

            found.append(boto3.Session().get_credentials())
        if found[0] is None:
            found.clear()
            raise StoreRefused(
                "No credentials for S3 were found. Set the access and secret key in the settings, "
                "or give this machine a role."
            )
        frozen = found[0].get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current


class S3Store:
    """A `Store` in a bucket of an S3 service, which also signs URLs."""

    def __init__(self, config: S3StoreConfig, clock: Clock | None = None) -> None:
        self._config = config
        given = config.credentials
        if given is None:
            self._credentials = default_credentials()
        else:
            self._credentials = (lambda: given) if isinstance(given, Credentials) else given
        clock = clock or SystemClock()
        signer = Signer(config.endpoint(), config.region, self._credentials, clock)
        public = Signer(config.endpoint(public=True), config.region, self._credentials, clock)
        self._requests = S3Requests(
            signer,
            config.bucket,
            connect_seconds=config.connect_timeout_seconds,
            idle_seconds=config.idle_timeout_seconds,
            copy_seconds=config.copy_timeout_seconds,
        )
        self._access = SignedAccess(public, config.bucket, config.prefix, encrypts=config.encrypts_at_rest)
        self._data = self._open_data()

    @property
    def name(self) -> str:
        """The configured name."""
        return self._config.name

    @property
    def bucket(self) -> str:
        """The bucket's name at the service."""
        return self._config.bucket

    @property
    def abilities(self) -> Abilities:
        """Every process sees it; whether it encrypts is configured."""
        return Abilities(encrypts_at_rest=self._config.encrypts_at_rest, shared=True)

    async def put(
        self,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        sha256: str | None = None,
    ) -> ObjectFacts:
        """Write an object whole, confirmed by the service; see `Store.put`."""
        written, digest = await put_object(
            self._data,
            self.bucket,
            self._full(key),
            body,
            content_type=content_type,
            size_bytes=size_bytes,
            sha256=sha256,
        )
        return replace(await self.head(key), size_bytes=written, sha256=digest)

    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object, or `ObjectNotFound`."""
        return replace(await self._requests.head(self._full(key)), key=key)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object or of a range of it; see `Store.read`."""
        full = self._full(key)
        if end is not None and end <= start:
            await self._requests.head(full)
            return
        found = await self._get(full, start, end)
        if found is None:
            return
        wanted = found.range[1] - found.range[0]
        stream = aiter(found.stream(min_chunk_size=_READ_PIECE_BYTES))
        while True:
            with s3_errors.translated(self.bucket, full):
                async with asyncio.timeout(self._config.idle_timeout_seconds):
                    piece = await anext(stream, None)
            if piece is None:
                break
            wanted -= len(piece)
            yield bytes(piece)
        if wanted:
            raise StoreUnavailable(
                f"The S3 service ended {key!r} in {self.bucket!r} {wanted} bytes early.", key=key
            )

    async def copy(self, source_key: str, target_key: str) -> ObjectFacts:
        """Copy inside the service, in parts when it is large."""
        target = self._full(target_key)
        source = await self._requests.head(self._full(source_key))
        encryption = {"x-amz-server-side-encryption": "AES256"} if self._config.encrypts_at_rest else {}
        await copy_object(
            self._requests,
            source,
            target,
            headers=encryption,
            whole_bytes_max=self._config.copy_whole_bytes_max,
            part_bytes=self._config.copy_part_bytes,
        )
        return await self.head(target_key)

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        await self._requests.send("DELETE", self._full(key))

    async def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """Every object under a prefix, in key order; content types are not known here."""
        skipped = len(self._config.prefix)
        async with aclosing(self._requests.list_objects(self._config.prefix + prefix)) as listed:
            async for facts in listed:
                yield replace(facts, key=facts.key[skipped:])

    async def check(self) -> None:
        """Write, read and remove a small object."""
        key = self._full(f"check/{token_hex(8)}")
        with s3_errors.translated(self.bucket, key):
            await obstore.put_async(self._data, key, b"ok", use_multipart=False)
        await self._requests.head(key)
        await self._requests.send("DELETE", key)

    async def close(self) -> None:
        """Give back connections."""
        await self._requests.close()

    def ticket_post(self, limits: TicketLimits) -> Ticket:
        """A POST form (S3 POST policy) with which a client may write one object."""
        return self._access.post(limits)

    def ticket_put(self, limits: TicketLimits) -> Ticket:
        """A presigned PUT; its fields are headers to be sent as they are."""
        return self._access.put(limits)

    def url_get(
        self,
        key: str,
        expires_in_seconds: int,
        *,
        content_type: str | None = None,
        download_as: str | None = None,
    ) -> str:
        """A presigned GET."""
        return self._access.get(key, expires_in_seconds, content_type, download_as)

    @property
    def client_origin(self) -> str:
        """Scheme, host and port of the service as a browser meets it."""
        return self._access.origin

    def _full(self, key: str) -> str:
        return self._config.prefix + check_key(key)

    async def _get(self, full: str, start: int, end: int | None) -> Any:
        """The service's answer, or None when the range begins past the end."""
        span: Any = (start, end) if end is not None else {"offset": start}
        options: Any = {} if start == 0 and end is None else {"range": span}
        try:
            with s3_errors.translated(self.bucket, full):
                return await obstore.get_async(self._data, full, options=options)
        except StoreRefused as error:
            # Services answer 416 to a range past the end, and to any range of nothing.
            if error.details.get("status") == 416:
                return None
            raise

    def _open_data(self) -> Obstore:
        config = self._config
        endpoint = config.endpoint()
        virtual = endpoint.virtual_host
        options: dict[str, Any] = {
            "region": config.region,
            "endpoint": f"{endpoint.origin(config.bucket)}{endpoint.path_prefix}",
            "virtual_hosted_style_request": virtual,
        }
        if config.encrypts_at_rest:
            options["server_side_encryption"] = "AES256"
        return Obstore(
            config.bucket,
            **options,
            credential_provider=self._provide,
            client_options={
                "allow_http": endpoint.scheme == "http",
                "connect_timeout": timedelta(seconds=config.connect_timeout_seconds),
                "read_timeout": timedelta(seconds=config.idle_timeout_seconds),
                # For the whole of one request, which may stream for hours.
                "timeout": timedelta(hours=12),
            },
            retry_config={
                "max_retries": config.retries_max,
                "retry_timeout": timedelta(seconds=config.retry_timeout_seconds),
            },
        )

    async def _provide(self) -> Any:
        current = await asyncio.to_thread(self._credentials)
        return {
            "access_key_id": current.access_key,
            "secret_access_key": current.secret_key,
            "token": current.session_token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_KEPT,
        }
