"""Many uploads at once: what each costs in memory, what others feel, and whether all get through."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import httpx

from bench.figures import Report, percentile
from bench.installation import Server, installation, make_administrator
from bench.processes import MB, memory_of
from bench.registry import Setup
from bench.sound import speech, write_wav

TRICKLING, TRICKLE_BYTES, TRICKLE_SECONDS = 1_000, 64 * 1024, 20.0
FAST, FAST_BYTES = 4, 200 * MB
MANY, MANY_BYTES = 50, 20 * MB
PING_EVERY_SECONDS = 0.01
KILOBYTE = 1_000
TUS, API = "/api/v1/uploads/tus", "/api/v1/recordings/upload"
COUNTED = (
    "Memory: 1,000 tus uploads in one server process, each sending 64 KiB in small pieces over 20 seconds; "
    "the server's PSS while all are open, less what it was before, by 1,000. Other requests: the p99 of "
    "`GET /api/health/live` asked every 10 ms while four clients send 200 MB each by tus as fast as they "
    "can. Fifty: 50 clients at once ask for a ticket and send 20 MB each by presigned PUT; a client's "
    "speed is its 20 MB by the time from its first byte to the answer. Client and server share the machine."
)


async def measure(setup: Setup) -> Report:
    """All three against one server each."""
    report = Report("crowd", "Many uploads at once", COUNTED)
    with installation(setup.scratch / "installation", REELKEEP_UPLOADS_OPEN_MAX="5000") as place:
        server = place.start_server("--no-worker")
        token = make_administrator(server)
        await _trickle(report, server, token, 50 if setup.quick else TRICKLING)
        size = 10 * MB if setup.quick else FAST_BYTES
        fast = write_wav(setup.scratch / "fast.wav", speech(size / 32_000)).read_bytes()
        await _others_under_load(report, server, token, fast)
        many = fast[: 1 * MB if setup.quick else MANY_BYTES]
        await _fifty(report, server, token, many)
    return report


async def _create(client: httpx.AsyncClient, length: int) -> str:
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(length),
        "Upload-Metadata": "filename YS53YXY=,filetype YXVkaW8vd2F2",
    }
    made = (await client.post(TUS, headers=headers)).raise_for_status()
    return str(made.headers["Location"])


async def _trickle(report: Report, server: Server, token: str, count: int) -> None:
    async with _client(server, token) as client:
        urls = [await _create(client, 10 * MB) for _ in range(count)]
    await asyncio.sleep(2)
    before = memory_of(server.process.pid).counted
    streams = await asyncio.gather(*(_open_patch(url, 10 * MB) for url in urls))
    peak, started = 0, time.perf_counter()
    for _ in range(TRICKLE_BYTES // KILOBYTE):
        for _, writer in streams:
            writer.write(bytes(KILOBYTE))
        await asyncio.sleep(TRICKLE_SECONDS * KILOBYTE / TRICKLE_BYTES)
        peak = max(peak, memory_of(server.process.pid).counted)
    seconds = time.perf_counter() - started
    each = (peak - before) / count / KILOBYTE
    report.add(f"memory of each of {count:,} trickling uploads", each, "KB", 80, f"over {seconds:.0f} s")
    for _, writer in streams:
        writer.close()


async def _open_patch(url: str, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"PATCH {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode())
    return reader, writer


async def _others_under_load(report: Report, server: Server, token: str, body: bytes) -> None:
    waits: list[float] = []
    async with _client(server, token) as client:
        urls = [await _create(client, len(body)) for _ in range(FAST)]
        sending = asyncio.gather(*(_send_fast(url, body) for url in urls))
        due = time.perf_counter()
        while not sending.done():
            due += PING_EVERY_SECONDS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = time.perf_counter()
            (await client.get("/api/health/live")).raise_for_status()
            waits.append((time.perf_counter() - asked) * 1000)
        seconds = await sending
    rate = FAST * len(body) / MB / max(seconds)
    told = f"p50 {percentile(waits, 50):.1f} ms, of {len(waits)}; the four together {rate:.0f} MB/s"
    report.add("another request under 4 fast uploads, p99", percentile(waits, 99), "ms", 30, told)


async def _send_fast(url: str, body: bytes) -> float:
    started = time.perf_counter()
    reader, writer = await _open_patch(url, len(body))
    for start in range(0, len(body), MB):
        writer.write(body[start : start + MB])
        await writer.drain()
    answer = await reader.readline()
    writer.close()
    if b" 204 " not in answer:
        raise RuntimeError(answer.decode())
    return time.perf_counter() - started


async def _fifty(report: Report, server: Server, token: str, body: bytes) -> None:
    tickets: list[float] = []
    rates: list[float] = []

    async def one(client: httpx.AsyncClient) -> None:
        asked = time.perf_counter()
        wanted = {"filename": "a.wav", "content_type": "audio/wav", "method": "put", "size_bytes": len(body)}
        ticket = (await client.post(f"{API}/initiate", json=wanted)).raise_for_status().json()
        tickets.append((time.perf_counter() - asked) * 1000)
        headers = {"Content-Type": "audio/wav", "Content-Length": str(len(body)), "Authorization": ""}
        began = time.perf_counter()
        sent = await client.put(ticket["upload_url"], headers=headers, content=_pieces(body))
        sent.raise_for_status()
        rates.append(len(body) / MB / (time.perf_counter() - began))
        (await client.post(f"{API}/complete/{ticket['recording_id']}")).raise_for_status()

    async with _client(server, token) as client:
        await asyncio.gather(*(one(client) for _ in range(MANY)))
    _tell_fifty(report, tickets, rates)


def _tell_fifty(report: Report, tickets: Sequence[float], rates: Sequence[float]) -> None:
    report.add_least("of 50 uploads at once, arrived", len(rates), "", MANY)
    report.add_least("slowest of 50 uploads at once", min(rates), "MB/s", 1.0)
    report.add("ticket for each of 50 at once, p99", percentile(tickets, 99), "ms", 500)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 256 * 1024):
        yield body[start : start + 256 * 1024]


def _client(server: Server, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=server.url, headers=headers, timeout=300, limits=limits)
