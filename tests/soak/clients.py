"""One client of each way in; each goes on until it is told that its recording is safe, as a phone would."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

API = "/api/v1/recordings/upload"
TUS, RESUMABLE = "/api/v1/uploads/tus", API
PART_BYTES = 5 * 1024 * 1024
#: As long as the longest outage; after it a client is stuck, which is a fault of ours.
PATIENCE_SECONDS = 120.0
WAIT_SECONDS_MAX = 2.0
TYPE = "audio/wav"


class Stuck(Exception):
    """No answer helped for as long as a client waits."""


class Again(Exception):
    """What this client did last is to be done again."""


@dataclass(slots=True)
class Phone:
    """One client: its connection, its recording, and its own dice."""

    api: httpx.AsyncClient
    body: bytes
    dice: random.Random
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        self.sha256 = hashlib.sha256(self.body).hexdigest()

    async def ask(
        self, method: str, url: str, *expected: int, signed: bool = True, **more: Any
    ) -> httpx.Response:
        """An answer with one of these statuses; tries again on faults of network and server."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            waited = 0.05
            while True:
                try:
                    answer = await self._send(method, url, signed, more)
                    if answer.status_code in expected:
                        return answer
                    if answer.status_code < 500 and answer.status_code not in (408, 423, 429):
                        raise Stuck(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
                except httpx.TransportError:
                    pass
                await asyncio.sleep(waited * (0.5 + self.dice.random()))
                waited = min(waited * 2, WAIT_SECONDS_MAX)

    async def once(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One try without a sign-in; a fault of the network or the server is `Again`."""
        try:
            answer = await self._send(method, url, False, more)
        except httpx.TransportError as error:
            await asyncio.sleep(0.1)
            raise Again(str(error)) from error
        if answer.status_code >= 500 or answer.status_code in (408, 423, 429):
            await asyncio.sleep(0.2)
            raise Again(answer.text)
        return answer

    async def _send(self, method: str, url: str, signed: bool, more: dict[str, Any]) -> httpx.Response:
        headers = dict(more.get("headers", {}))
        if not signed:
            headers["Authorization"] = ""
        content = more.get("content")
        given = {**more, "headers": headers}
        if callable(content):
            given["content"] = content()
        return await self.api.request(method, url, **given)

    def new(self, **more: Any) -> dict[str, Any]:
        """The body of an initiate."""
        return {
            "filename": "storm.wav",
            "content_type": TYPE,
            "size_bytes": len(self.body),
            "transcribe": False,
            **more,
        }


async def by_form(phone: Phone) -> UUID:
    """The vet's way: a signed form, then complete."""
    ticket = (await phone.ask("POST", f"{API}/initiate", 200, json=phone.new())).json()
    files = {"file": ("storm.wav", phone.body, TYPE)}
    await phone.ask(
        "POST", ticket["upload_url"], 200, 201, 204, signed=False, data=ticket["upload_fields"], files=files
    )
    return await _complete(phone, ticket["recording_id"])


async def by_put(phone: Phone) -> UUID:
    """A presigned PUT, then complete; sometimes the client dies before it completes."""
    ticket = (await phone.ask("POST", f"{API}/initiate", 200, json=phone.new(method="put"))).json()
    headers = {"Content-Type": TYPE}
    await phone.ask("PUT", ticket["upload_url"], 200, signed=False, content=phone.body, headers=headers)
    return await _complete(phone, ticket["recording_id"])


async def by_parts(phone: Phone) -> UUID:
    """S3's multipart: parts in random order, some twice, then complete."""
    ticket = (await phone.ask("POST", f"{API}/multipart", 200, 201, json=phone.new())).json()
    base = f"{API}/multipart/{ticket['recording_id']}"
    size = ticket["part_size_bytes"]
    pieces = {n + 1: phone.body[at : at + size] for n, at in enumerate(range(0, len(phone.body), size))}
    numbers = list(pieces) + phone.dice.choices(list(pieces), k=1)
    phone.dice.shuffle(numbers)
    for number in numbers:
        asked = await phone.ask("POST", f"{base}/parts", 200, json={"part_numbers": [number]})
        url = asked.json()["parts"][0]["url"]
        await phone.ask("PUT", url, 200, signed=False, content=pieces[number])
    listed = (await phone.ask("GET", f"{base}/parts", 200)).json()
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in listed]
    await phone.ask("POST", f"{base}/complete", 200, json={"parts": parts})
    return UUID(ticket["recording_id"])


async def by_tus(phone: Phone) -> UUID:
    """tus: create, then go on from wherever the server is until it says that all is there."""
    headers = {"Tus-Resumable": "1.0.0"}
    deferred = phone.dice.random() < 0.3
    length = {"Upload-Length": str(len(phone.body))}
    metadata = {"Upload-Metadata": "filename c3Rvcm0ud2F2,filetype YXVkaW8vd2F2,transcribe ZmFsc2U="}
    create = headers | metadata | ({"Upload-Defer-Length": "1"} if deferred else length)
    made = await phone.ask("POST", TUS, 201, headers=create)
    url, recording_id = made.headers["Location"], UUID(made.headers["Reelkeep-Recording-Id"])

    async def offset() -> int:
        told = await phone.once("HEAD", url, headers=headers)
        _expect(told, 200, 204)
        return int(told.headers["Upload-Offset"])

    async def send(start: int, end: int) -> int:
        more = headers | {"Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
        if deferred and end == len(phone.body):
            more |= length
        sent = await phone.once("PATCH", url, headers=more, content=_pieces(phone, start, end))
        if sent.status_code == 409:
            raise Again(sent.text)
        _expect(sent, 204, 200)
        return int(sent.headers["Upload-Offset"])

    await _until_whole(phone, offset, send)
    return recording_id


async def by_resumable(phone: Phone) -> UUID:
    """Resumable Uploads for HTTP, interop version 6: careful creation, then appending."""
    version = {"Upload-Draft-Interop-Version": "6"}
    create = version | {"Upload-Complete": "?0", "Content-Type": TYPE, "Upload-Length": str(len(phone.body))}
    place = f"{RESUMABLE}?filename=storm.wav&transcribe=false"
    made = await phone.ask("POST", place, 201, headers=create, content=b"")
    url, recording_id = made.headers["Location"], UUID(made.headers["Reelkeep-Recording-Id"])

    async def offset() -> int:
        told = await phone.once("HEAD", url, headers=version)
        _expect(told, 200, 204)
        whole = told.headers["Upload-Complete"] == "?1"
        return len(phone.body) if whole else min(int(told.headers["Upload-Offset"]), len(phone.body) - 1)

    async def send(start: int, end: int) -> int:
        more = version | {
            "Upload-Offset": str(start),
            "Upload-Complete": "?1" if end == len(phone.body) else "?0",
            "Content-Type": "application/partial-upload",
        }
        sent = await phone.once("PATCH", url, headers=more, content=_pieces(phone, start, end))
        if sent.status_code == 409:
            raise Again(sent.text)
        _expect(sent, 200, 201, 204)
        return end

    await _until_whole(phone, offset, send)
    return recording_id


async def by_one_request(phone: Phone) -> UUID:
    """A raw body in one request; when no answer came, the whole again."""
    headers = {"Content-Type": TYPE}
    place = f"{API}?filename=storm.wav&transcribe=false"
    sent = await phone.ask(
        "POST", place, 201, headers=headers, content=lambda: _pieces(phone, 0, len(phone.body))
    )
    return UUID(sent.json()["id"])


WAYS: dict[str, Callable[[Phone], Awaitable[UUID]]] = {
    "form": by_form,
    "put": by_put,
    "parts": by_parts,
    "tus": by_tus,
    "resumable": by_resumable,
    "plain": by_one_request,
}


async def _complete(phone: Phone, recording_id: str) -> UUID:
    """Complete; what did not arrive after all is a fault, since its sending was answered."""
    await phone.ask("POST", f"{API}/complete/{recording_id}", 200)
    return UUID(recording_id)


async def _until_whole(
    phone: Phone, offset: Callable[[], Awaitable[int]], send: Callable[[int, int], Awaitable[int]]
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        at: int | None = 0
        while at != len(phone.body):
            try:
                if at is None:
                    at = await offset()
                    continue
                length = phone.dice.randrange(1, len(phone.body) + 1)
                at = await send(at, min(at + length, len(phone.body)))
            except Again:
                at = None


async def _pieces(phone: Phone, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes as a slow line gives them."""
    while start < end:
        piece = phone.body[start : min(start + phone.dice.randrange(1, 64 * 1024), end)]
        start += len(piece)
        yield piece
        if phone.dice.random() < 0.05:
            await asyncio.sleep(phone.dice.random() * 0.05)


def _expect(answer: httpx.Response, *statuses: int) -> None:
    if answer.status_code not in statuses:
        request = answer.request
        raise Stuck(f"{request.method} {request.url}: {answer.status_code} {answer.text[:300]}")
