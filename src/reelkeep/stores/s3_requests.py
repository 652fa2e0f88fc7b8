"""Requests that Reelkeep signs and sends to an S3 service itself: heads, lists, copies, multipart control."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256

import httpx

from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores import s3_errors
from reelkeep.stores.credentials import FindCredentials, Overlapping, refuses_credentials
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.signer import EMPTY_PAYLOAD, Pairs, Signer

#: Longer bodies are hashed in a thread.
_HASH_HERE_BYTES = 256 * 1024
_READ_PIECE_BYTES = 256 * 1024
#: The class of an object whose class no answer names.
STANDARD = "STANDARD"


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes to send that do not lie in memory; `pieces` begins anew each time."""

    size_bytes: int
    sha256: str
    pieces: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class _Request:
    """A request before it is signed."""

    method: str
    key: str | None
    query: Pairs = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Body = b""
    #: It may take as long as a copy.
    long: bool = False


class S3Requests:
    """One bucket of an S3 service, by signed requests; keys here are those of the service."""

    def __init__(
        self,
        signer: Signer,
        bucket: str,
        *,
        connect_seconds: float,
        idle_seconds: float,
        copy_seconds: float,
        overlapping: Overlapping | None = None,
    ) -> None:
        self.bucket = bucket
        self._signer = signer
        self._credentials = overlapping or Overlapping(signer.credentials)
        self._timeout = httpx.Timeout(idle_seconds, connect=connect_seconds)
        self._copy_timeout = httpx.Timeout(copy_seconds, connect=connect_seconds)
        self._client = httpx.AsyncClient(timeout=self._timeout)

    async def send(
        self,
        method: str,
        key: str | None,
        *,
        query: Pairs = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | Body = b"",
        long: bool = False,
    ) -> httpx.Response:
        """The service's answer, or the `StoreError` that its refusal means.

        Where the service refuses the credentials, the older ones are tried.
        """
        request = _Request(method, key, tuple(query), headers or {}, body, long)
        refused: StoreRefused | None = None
        for number, credentials in self._credentials.in_order():
            try:
                answer = await self._send(request, credentials)
            except StoreRefused as error:
                if not self._credentials.several or not refuses_credentials(error):
                    raise
                refused = refused or error
            else:
                self._credentials.took(number)
                return answer
        assert refused is not None
        raise refused

    async def put_once(self, key: str, headers: Mapping[str, str], body: Body) -> httpx.Response:
        """Write an object from pieces that cannot be had again, so by the credentials last taken alone."""
        await self.settle_credentials()
        with self._credentials.doubted():
            return await self._send(_Request("PUT", key, headers=headers, body=body), self._credentials)

    async def _send(self, request: "_Request", credentials: FindCredentials) -> httpx.Response:
        method, key, body, long = request.method, request.key, request.body, request.long
        content: bytes | AsyncIterator[bytes]
        if isinstance(body, Body):
            payload, content = body.sha256, body.pieces()
        else:
            payload, content = await _digest(body), body
        url, signed = await self._sign(request, credentials, payload)
        if isinstance(body, Body):
            signed["content-length"] = str(body.size_bytes)
        timeout = self._copy_timeout if long else self._timeout
        with s3_errors.translated(self.bucket, key or ""):
            answer = await self._client.request(method, url, headers=signed, content=content, timeout=timeout)
        # A copy or completion that fails half-way says so in the body of a 200.
        if not answer.is_success or (long and b"<Error>" in answer.content):
            status = answer.status_code if not answer.is_success else 500
            raise s3_errors.of_answer(self.bucket, key or "", status, answer.text)
        return answer

    async def read(self, key: str, size_bytes: int) -> AsyncGenerator[bytes, None]:
        """The first bytes of an object, in pieces; a short answer raises `StoreUnavailable`."""
        await self.settle_credentials()
        wanted = {"accept-encoding": "identity", "range": f"bytes=0-{size_bytes - 1}"}
        request = _Request("GET", key, headers=wanted)
        url, signed = await self._sign(request, self._credentials, EMPTY_PAYLOAD)
        with s3_errors.translated(self.bucket, key):
            async with self._client.stream("GET", url, headers=signed) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise s3_errors.of_answer(self.bucket, key, answer.status_code, answer.text)
                async for piece in answer.aiter_raw(_READ_PIECE_BYTES):
                    yield piece

    async def _sign(
        self, request: "_Request", credentials: FindCredentials, payload: str
    ) -> tuple[str, dict[str, str]]:
        # Credentials of a role are renewed over the network, by code that blocks.
        await asyncio.to_thread(credentials)
        return replace(self._signer, credentials=credentials).sign_request(
            request.method,
            self.bucket,
            request.key,
            query=request.query,
            headers=request.headers,
            payload_sha256=payload,
        )

    async def settle_credentials(self) -> int:
        """Find out, where there are several, which credentials the service takes; the number of those."""
        if not self._credentials.sure:
            await self.send("HEAD", None)
        return self._credentials.taken

    async def head(self, key: str, version_id: str | None = None) -> ObjectFacts:
        """The facts of an object or of an older version, or `ObjectNotFound`."""
        query = [("versionId", version_id)] if version_id else []
        return facts_of(key, await self.send("HEAD", key, query=query))

    async def list_objects(self, prefix: str) -> AsyncGenerator[ObjectFacts, None]:
        """Every object whose key begins with `prefix`, in key order, a thousand a request."""
        token: str | None = None
        while True:
            query = [("list-type", "2"), ("prefix", prefix)]
            if token is not None:
                query.append(("continuation-token", token))
            page = self.parse(await self.send("GET", None, query=query))
            for entry in page.iterfind("{*}Contents"):
                yield _listed(entry)
            token = page.findtext("{*}NextContinuationToken")
            if not token:
                return

    def parse(self, answer: httpx.Response) -> ET.Element:
        """The XML of an answer; without it the service is not the one it should be."""
        try:
            return ET.fromstring(answer.content)  # noqa: S314 - from the service we chose; expat bounds expansion
        except ET.ParseError as error:
            raise StoreUnavailable(
                f"The S3 service's answer for {self.bucket!r} is not XML; is something else at its address?",
                bucket=self.bucket,
            ) from error

    async def close(self) -> None:
        """Give back connections."""
        await self._client.aclose()


def facts_of(key: str, answer: httpx.Response) -> ObjectFacts:
    """The facts of an object that the answer to a HEAD tells."""
    headers = answer.headers
    return ObjectFacts(
        key=key,
        size_bytes=int(headers["content-length"]),
        content_type=headers.get("content-type"),
        etag=headers.get("etag", "").strip('"'),
        modified_at=parsedate_to_datetime(headers["last-modified"]).astimezone(UTC),
        storage_class=headers.get("x-amz-storage-class", STANDARD),
    )


async def _digest(body: bytes) -> str:
    if len(body) <= _HASH_HERE_BYTES:
        return sha256(body).hexdigest()
    return (await asyncio.to_thread(sha256, body)).hexdigest()


def _listed(entry: ET.Element) -> ObjectFacts:
    def text(name: str) -> str:
        return entry.findtext("{*}" + name) or ""

    return ObjectFacts(
        key=text("Key"),
        size_bytes=int(text("Size")),
        content_type=None,
        etag=text("ETag").strip('"'),
        modified_at=datetime.fromisoformat(text("LastModified")),
        storage_class=text("StorageClass") or STANDARD,
    )
