"""Many uploads at once: what each costs in memory, what others feel, and whether all get through."""

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench.connection import Answer, Connection
from bench.figures import Report, median, percentile
from bench.installation import Server, installation, make_administrator
from bench.processes import MB, memory_of
from bench.registry import Setup
from bench.sender import Senders, senders
from bench.sound import speech, write_wav

TRICKLING, TRICKLE_BYTES, TRICKLE_SECONDS = 1_000, 64 * 1024, 20.0
FAST, FAST_BYTES = 4, 200 * MB
MANY, MANY_BYTES, MANY_ROUNDS = 50, 20 * MB, 5
PING_EVERY_SECONDS = 0.01
KILOBYTE = 1_000
LIVE = "/api/health/live"
PATCH = {
    "Tus-Resumable": "1.0.0",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
}
TUS, API = "/api/v1/uploads/tus", "/api/v1/recordings/upload"
COUNTED = (
    "Memory: 1,000 tus uploads in one server process, each sending 64 KiB in small pieces over 20 seconds; "
    "the server's PSS while all are open, less what it was before, by 1,000. Other requests: the p99 of "
    "`GET /api/health/live` asked every 10 ms while four clients send 200 MB each by tus as fast as they "
    "can. Fifty: 50 clients at once ask for a ticket and send 20 MB each by presigned PUT; a client's "
    "speed is its 20 MB by the time from its connection to the answer; five times one after the other, the "
    "slowest client of all, and the median of the five p99 of tickets. A process of its own sends the bytes, "
    "so that what is measured is not the sender's own waiting; all share the machine."
)


async def measure(setup: Setup) -> Report:
    """All three against one server each."""
    report = Report("crowd", "Many uploads at once", COUNTED)
    with installation(setup.scratch / "installation", REELKEEP_UPLOADS_OPEN_MAX="5000") as place:
        server = place.start_server("--no-worker")
        token = make_administrator(server)
        await _trickle(report, server, token, 50 if setup.quick else TRICKLING)
        file = write_wav(setup.scratch / "fast.wav", speech(FAST_BYTES / 32_000 + 1))
        async with senders(file, FAST_BYTES) as sending:
            await _others_under_load(report, server, token, sending)
        async with senders(file, MANY_BYTES) as sending:
            await _fifty(report, server, token, sending, 1 if setup.quick else MANY_ROUNDS)
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


async def _others_under_load(report: Report, server: Server, token: str, sending: Senders) -> None:
    async with _client(server, token) as client:
        urls = [await _create(client, FAST_BYTES) for _ in range(FAST)]
    waits: list[float] = []
    other = Connection(server.url)
    await other.request("GET", LIVE)
    sent = asyncio.gather(*(sending.send("PATCH", url, PATCH) for url in urls))
    due = time.perf_counter()
    while not sent.done():
        due += PING_EVERY_SECONDS
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked = time.perf_counter()
        answer = await other.request("GET", LIVE)
        waits.append((time.perf_counter() - asked) * 1000)
        if answer.status != 200:
            raise RuntimeError(str(answer))
    other.close()
    rate = FAST * FAST_BYTES / MB / max(await sent)
    told = f"p50 {percentile(waits, 50):.1f} ms, of {len(waits)}; the four together {rate:.0f} MB/s"
    report.add("another request under 4 fast uploads, p99", percentile(waits, 99), "ms", 30, told)


async def _fifty(report: Report, server: Server, token: str, sending: Senders, rounds: int) -> None:
    rates: list[float] = []
    p99 = [percentile(await _fifty_once(server, token, sending, rates), 99) for _ in range(rounds)]
    report.add_least("of 50 uploads at once, arrived", len(rates) / rounds, "", MANY)
    report.add_least("slowest of 50 uploads at once", min(rates), "MB/s", 1.0)
    told = "of each time: " + ", ".join(f"{wait:.0f}" for wait in p99)
    report.add("ticket for each of 50 at once, p99", median(p99), "ms", 500, told)


async def _fifty_once(server: Server, token: str, sending: Senders, rates: list[float]) -> list[float]:
    tickets: list[float] = []

    async def one() -> None:
        connection = Connection(server.url, token)
        asked = time.perf_counter()
        wanted = {"filename": "a.wav", "content_type": "audio/wav", "method": "put", "size_bytes": MANY_BYTES}
        ticket = _good(await connection.post_json(f"{API}/initiate", wanted))
        tickets.append((time.perf_counter() - asked) * 1000)
        seconds = await sending.send("PUT", ticket["upload_url"], {"Content-Type": "audio/wav"})
        rates.append(MANY_BYTES / MB / seconds)
        _good(await connection.request("POST", f"{API}/complete/{ticket['recording_id']}"))
        connection.close()

    await asyncio.gather(*(one() for _ in range(MANY)))
    return tickets


def _good(answer: Answer) -> Any:
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"{answer.status}: {answer.body[:200]!r}")
    return answer.json()


def _client(server: Server, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=server.url, headers=headers, timeout=300, limits=limits)
