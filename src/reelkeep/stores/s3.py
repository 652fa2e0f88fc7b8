"""The S3 store: Amazon S3 and every service that speaks like it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import obstore
from obstore.store import S3Store as Obstore

from reelkeep.clock import Clock, SystemClock
from reelkeep.errors import ObjectNotFound, StoreRefused, StoreUnavailable
from reelkeep.stores import s3_errors, s3_restore
from reelkeep.stores.keys import check_key
from reelkeep.stores.protocol import (
    Abilities,
    ColdFacts,
    Growing,
    GrowthNotes,
    ObjectFacts,
    PartFacts,
    PartsUpload,
    Store,
    Ticket,
    TicketLimits,
    VersionFacts,
    Versioning,
)
from reelkeep.stores.s3_config import S3StoreConfig
from reelkeep.stores.s3_copy import DESCRIPTION, class_header, copy_object
from reelkeep.stores.s3_growing import GrowthTools
from reelkeep.stores.s3_growth import S3Growth
from reelkeep.stores.s3_notes import S3Notes, growing_key
from reelkeep.stores.s3_parts import S3Parts
from reelkeep.stores.s3_put import Put, goes_whole, put_object, put_whole, requests_of
from reelkeep.stores.s3_requests import S3Requests
from reelkeep.stores.s3_spool import Scratch
from reelkeep.stores.s3_tails import S3Tails
from reelkeep.stores.s3_versions import S3Versions
from reelkeep.stores.signer import Signer
from reelkeep.stores.tickets import SignedAccess

__all__ = ["S3Store", "S3StoreConfig"]

_READ_PIECE_BYTES = 512 * 1024
#: How long obstore keeps credentials before it asks again.
_CREDENTIALS_KEPT = timedelta(minutes=15)


class S3Store:
    """A `Store` in a bucket of an S3 service, which also signs URLs, takes parts and grows objects."""

    #: How many requests a put makes.
    put_requests = staticmethod(requests_of)

    def __init__(self, config: S3StoreConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._credentials = config.overlapping_credentials()
        self._clock = clock = clock or SystemClock()
        signer = Signer(config.endpoint(), config.region, self._credentials, clock)
        public = Signer(config.endpoint(public=True), config.region, self._credentials, clock)
        self._requests = S3Requests(
            signer,
            config.bucket,
            connect_seconds=config.connect_timeout_seconds,
            idle_seconds=config.idle_timeout_seconds,
            copy_seconds=config.copy_timeout_seconds,
            overlapping=self._credentials,
        )
        self._access = SignedAccess(
            public,
            config.bucket,
            config.prefix,
            encryption_headers=config.encryption_headers,
            checksums=config.checksums,
        )
        self._scratch = Scratch(config.scratch)
        self._parts = S3Parts(
            self._requests, headers=config.encryption_headers, page_entries_max=config.page_entries_max
        )
        self._growth = S3Growth(self._growth_tools())
        self._versions = S3Versions(self._requests)
        self._data = self._open_data()
        self._data_credentials = 0

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
        """Every process sees it; what the service cannot do is configured."""
        return Abilities(
            encrypts_at_rest=self._config.encryption is not None,
            post_policy=self._config.post_policy,
            checksums=self._config.checksums,
            # Every request carries the SHA-256 of its body in its signature, and the service compares it.
            proves_writes=True,
            shared=True,
        )

    async def put(
        self,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        sha256: str | None = None,
        storage_class: str | None = None,
    ) -> ObjectFacts:
        """Write an object whole, confirmed by the service; see `Store.put`."""
        full = self._full(key)
        if size_bytes is not None and sha256 is not None and goes_whole(size_bytes, digest_known=True):
            etag = await put_whole(
                self._requests,
                full,
                body,
                headers=self._asked(content_type, storage_class),
                size_bytes=size_bytes,
                sha256=sha256,
            )
            return self._put_facts(key, Put(size_bytes, sha256, etag), content_type, storage_class)
        data = await self._settled_data()
        with self._credentials.doubted():
            done = await put_object(
                data,
                self.bucket,
                full,
                body,
                content_type=content_type,
                size_bytes=size_bytes,
                sha256=sha256,
                storage_class=storage_class,
            )
        if done.etag is None:
            return replace(await self.head(key), size_bytes=done.size_bytes, sha256=done.sha256)
        return self._put_facts(key, done, content_type, storage_class)

    def _put_facts(
        self, key: str, done: Put, content_type: str | None, storage_class: str | None
    ) -> ObjectFacts:
        """Of one request, which the service answered when the bytes had their signed SHA-256."""
        return ObjectFacts(
            key,
            done.size_bytes,
            content_type,
            done.etag or "",
            self._clock.now(),
            sha256=done.sha256,
            storage_class=storage_class or "",
        )

    def _asked(self, content_type: str | None, storage_class: str | None) -> dict[str, str]:
        """What a new object is to be, as headers."""
        asked = {"content-type": content_type, "x-amz-storage-class": storage_class}
        return self._config.encryption_headers | {name: value for name, value in asked.items() if value}

    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object, or `ObjectNotFound`; of a bucket that is gone, `StoreRefused`."""
        return replace(await self._facts(self._full(key)), key=key)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object or of a range of it; see `Store.read`."""
        full = self._full(key)
        if end is not None and end <= start:
            await self._facts(full)
            return
        span: Any = (start, end) if end is not None else {"offset": start}
        found = await self._get(full, {} if start == 0 and end is None else {"range": span})
        async with aclosing(self._pieces(full, found)) as pieces:
            async for piece in pieces:
                yield piece

    async def _pieces(self, full: str, found: Any) -> AsyncGenerator[bytes, None]:
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
                f"The S3 service ended {full!r} in {self.bucket!r} {wanted} bytes early.", key=full
            )

    async def copy(
        self, source_key: str, target_key: str, *, storage_class: str | None = None
    ) -> ObjectFacts:
        """Copy inside the service, in parts when it is large."""
        target = self._full(target_key)
        source = await self._facts(self._full(source_key))
        await copy_object(
            self._requests,
            source,
            target,
            headers=self._config.encryption_headers | class_header(storage_class, source),
            whole_bytes_max=self._config.copy_whole_bytes_max,
            part_bytes=self._config.copy_part_bytes,
        )
        return await self.head(target_key)

    def can_copy_from(self, other: Store) -> bool:
        """Whether it is a bucket of the same service, reached with the same credentials."""
        if not isinstance(other, S3Store):
            return False
        ours, theirs = self._config, other._config
        same_place = (ours.endpoint_url, ours.region) == (theirs.endpoint_url, theirs.region)
        return same_place and ours.credentials == theirs.credentials

    async def copy_from(
        self,
        other: Store,
        source_key: str,
        target_key: str,
        *,
        storage_class: str | None = None,
        version_id: str | None = None,
    ) -> ObjectFacts:
        """Copy an object of another bucket, or an older version, inside the service."""
        assert isinstance(other, S3Store)
        source = await other._facts(other._full(source_key), version_id)
        await copy_object(
            self._requests,
            source,
            self._full(target_key),
            headers=self._config.encryption_headers | class_header(storage_class, source),
            whole_bytes_max=self._config.copy_whole_bytes_max,
            part_bytes=self._config.copy_part_bytes,
            source_bucket=other._requests,
            version_id=version_id,
        )
        return await self.head(target_key)

    async def copy_described(
        self, source_key: str, target_key: str, description: Mapping[str, str]
    ) -> ObjectFacts:
        """The same, with these facts as the new object's metadata."""
        source = await self._facts(self._full(source_key))
        await copy_object(
            self._requests,
            source,
            self._full(target_key),
            headers=self._config.encryption_headers,
            whole_bytes_max=self._config.copy_whole_bytes_max,
            part_bytes=self._config.copy_part_bytes,
            description=description,
        )
        return await self.head(target_key)

    async def description_of(self, key: str) -> dict[str, str]:
        """The facts that an object carries as metadata."""
        headers = (await self._requests.send("HEAD", self._full(key))).headers
        return {
            name.removeprefix(DESCRIPTION): value
            for name, value in headers.items()
            if name.startswith(DESCRIPTION)
        }

    async def ask_restore(self, key: str, days: int, tier: str) -> None:
        """Ask for an object in an archive class; see `RestoresCold`."""
        await s3_restore.ask_restore(self._requests, self._full(key), days, tier)

    async def cold_facts(self, key: str) -> ColdFacts:
        """How far it is."""
        return await s3_restore.cold_facts(self._requests, self._full(key))

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        await self._requests.send("DELETE", self._full(key))

    async def versioning(self) -> Versioning:
        """Whether the bucket keeps what was deleted or replaced."""
        return await self._versions.versioning()

    async def list_versions(self, key: str) -> AsyncIterator[VersionFacts]:
        """What is kept of a key, the newest first."""
        async with aclosing(self._versions.listed(self._full(key))) as listed:
            async for version in listed:
                yield version

    async def read_version(self, key: str, version_id: str) -> AsyncIterator[bytes]:
        """The bytes of one version."""
        full = self._full(key)
        found = await self._get(full, {"version": version_id})
        async with aclosing(self._pieces(full, found)) as pieces:
            async for piece in pieces:
                yield piece

    async def delete_with_versions(self, key: str) -> bool:
        """Remove an object and its older versions; see `KeepsVersions`."""
        return await self._versions.delete(self._full(key))

    async def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """Every object under a prefix, in key order; content types are not known here.

        What belongs to bytes that still grow is not an object yet: see `list_growths`.
        """
        async with aclosing(self._requests.list_objects(self._config.prefix + prefix)) as listed:
            async for facts in listed:
                if growing_key(facts.key) is None:
                    yield replace(facts, key=self._bare(facts.key))

    async def check(self) -> None:
        """Write, read and remove a small object."""
        key = self._full(f"check/{token_hex(8)}")
        data = await self._settled_data()
        with s3_errors.translated(self.bucket, key):
            await obstore.put_async(data, key, b"ok", use_multipart=False)
        await self._requests.head(key)
        await self._versions.delete(key)

    async def close(self) -> None:
        """Give back connections."""
        await self._requests.close()
        self._scratch.close()

    def ticket_post(self, limits: TicketLimits) -> Ticket:
        """A POST form with which a client may write one object; a presigned PUT where it takes none."""
        return self._access.post(limits) if self._config.post_policy else self._access.put(limits)

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

    def url_for(
        self, method: str, key: str, expires_in_seconds: int, query: Iterable[tuple[str, str]] = ()
    ) -> str:
        """A presigned URL for any other request on this key."""
        return self._access.any(method, key, expires_in_seconds, query)

    @property
    def client_origin(self) -> str:
        """Scheme, host and port of the service as a browser meets it."""
        return self._access.origin

    async def create_parts(self, key: str, *, content_type: str | None = None) -> str:
        """Begin a multipart upload; its id."""
        return await self._parts.create(self._full(key), content_type)

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> PartFacts:
        """Write one part from this process."""
        return await self._parts.put(self._full(key), upload_id, number, body)

    async def list_parts(self, key: str, upload_id: str) -> AsyncIterator[PartFacts]:
        """The parts that have arrived, by number."""
        async with aclosing(self._parts.list_parts(self._full(key), upload_id)) as listed:
            async for part in listed:
                yield part

    async def complete_parts(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> ObjectFacts:
        """Make these parts the object; see `TakesParts`. Asked again, it tells of the object made before."""
        return replace(await self._parts.complete(self._full(key), upload_id, parts), key=key)

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """Remove the parts; nothing happens where the upload is not known."""
        await self._parts.abort(self._full(key), upload_id)

    async def list_part_uploads(self, prefix: str = "") -> AsyncIterator[PartsUpload]:
        """Every multipart upload under way under a prefix, those of growing objects included."""
        async with aclosing(self._parts.list_uploads(self._config.prefix + prefix)) as listed:
            async for upload in listed:
                yield replace(upload, key=self._bare(upload.key))

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        """How many bytes are safe: those that the notes tell of."""
        self._full(key)
        return S3Notes.read(notes).size_bytes

    def growing(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> AbstractAsyncContextManager[Growing]:
        """Go on appending; an object above 5 MiB gets the type given here."""
        return self._growth.growing(self._full(key), notes, content_type)

    async def finish_growth(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> ObjectFacts:
        """Make the grown bytes the object; see `Grows`."""
        return replace(await self._growth.finish(self._full(key), notes, content_type), key=key)

    async def discard_growth(self, key: str, notes: GrowthNotes) -> None:
        """Remove what has grown, also what no process lived to note."""
        await self._growth.discard(self._full(key), notes)

    async def list_growths(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """What grows under a prefix: tails and multipart uploads."""
        async with aclosing(self._growth.listed(self._config.prefix + prefix)) as listed:
            async for facts in listed:
                yield replace(facts, key=self._bare(facts.key))

    async def _facts(self, full: str, version_id: str | None = None) -> ObjectFacts:
        try:
            return await self._requests.head(full, version_id)
        except ObjectNotFound:  # or its bucket: the answer to a HEAD has no body that could tell
            await self._requests.send("HEAD", None)
            raise

    def _full(self, key: str) -> str:
        return self._config.prefix + check_key(key)

    def _bare(self, full_key: str) -> str:
        return full_key[len(self._config.prefix) :]

    def _growth_tools(self) -> GrowthTools:
        config = self._config
        tails = S3Tails(self._requests, config.encryption_headers, config.patience)
        return GrowthTools(self._requests, self._parts, tails, self._scratch, config.buffers, config.patience)

    async def _get(self, full: str, options: Any) -> Any:
        """The service's answer, or None when the range begins past the end."""
        data = await self._settled_data()
        try:
            with self._credentials.doubted(), s3_errors.translated(self.bucket, full):
                return await obstore.get_async(data, full, options=options)
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
        if config.encryption is not None:
            options |= config.encryption.obstore_options
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

    async def _settled_data(self) -> Obstore:
        """What moves bytes, with credentials that the service takes; it keeps those it was opened with."""
        taken = await self._requests.settle_credentials()
        if taken != self._data_credentials:
            self._data, self._data_credentials = self._open_data(), taken
        return self._data

    async def _provide(self) -> Any:
        current = await asyncio.to_thread(self._credentials)
        return {
            "access_key_id": current.access_key,
            "secret_access_key": current.secret_key,
            "token": current.session_token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_KEPT,
        }
