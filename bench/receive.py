"""200 MB by every way in, against nginx and @tus/server in the same run."""

import base64
import hashlib
import http.client
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.figures import Report, median
from bench.installation import installation, make_administrator
from bench.machine import ROOT
from bench.processes import MB, processor_seconds
from bench.registry import Setup
from bench.sound import speech, write_wav
from bench.wire import BLOCK_BYTES, put, running_nginx

FILE_BYTES, ROUNDS = 200 * MB, 7
MEMORY_DISK = Path("/dev/shm")
CLIENTS = ROOT / "tests" / "clients"
TUS_SERVER = CLIENTS / "tus-server.mjs"
TUS = "/api/v1/uploads/tus"
API = "/api/v1/recordings/upload"
NGINX, OTHER, OURS, CHECKED, RAW, WIRE = (
    "nginx, WebDAV PUT, 128 KB buffer",
    "@tus/server with file-store",
    "Reelkeep, tus",
    "Reelkeep, tus with SHA-256",
    "Reelkeep, one plain request",
    "Reelkeep, presigned PUT (MD5 and SHA-256)",
)
COUNTED = (
    "200 MB over one loopback connection into memory-backed files (/dev/shm), so that the disk does not "
    "count; every way in turns, medians of seven rounds after one that does not count, each file removed "
    "again, so that all write into memory the machine has already (in a virtual machine, memory that was "
    "never used costs several times the copy). Counted is the request with the body, from its "
    "first byte to the answer; for Reelkeep that includes the seal: fsync, a look at the content, the "
    "commit. nginx and @tus/server do none of these. CPU is the server process's."
)


@dataclass(slots=True)
class Way:
    """One server's way to take the file."""

    name: str
    pid: int
    #: Makes ready what is not counted; what it returns sends the file.
    prepare: Callable[[Path], Callable[[], None]]
    rates: list[float] = field(default_factory=list)
    processors: list[float] = field(default_factory=list)

    def measure(self, file: Path, *, counts: bool) -> None:
        """Send the file once."""
        send = self.prepare(file)
        used, started = processor_seconds([self.pid]), time.perf_counter()
        send()
        if counts:
            self.rates.append(file.stat().st_size / MB / (time.perf_counter() - started))
            self.processors.append(processor_seconds([self.pid]) - used)


async def measure(setup: Setup) -> Report:
    """All ways, in turns."""
    report = Report("receive", "200 MB by every way in", COUNTED)
    size = 5 * MB if setup.quick else FILE_BYTES
    with ExitStack() as stack:
        shared = MEMORY_DISK if MEMORY_DISK.is_dir() else setup.scratch
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reelkeep-bench-", dir=shared)))
        file = write_wav(folder / "large.wav", speech(size / 32_000))
        ways = [*_others(stack, folder), *_ours(stack, folder, file)]
        for number in range(2 if setup.quick else ROUNDS + 1):
            setup.say(f"round {number}")
            for way in ways:
                way.measure(file, counts=number > 0)
                _remove_taken(folder, file)
    _tell(report, {way.name: way for way in ways})
    return report


def _remove_taken(folder: Path, file: Path) -> None:
    """Remove what a server has kept of the file, so that its memory is used again."""
    size = file.stat().st_size
    for found in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if found != file and found.is_file() and found.stat().st_size == size:
                found.unlink()


def _others(stack: ExitStack, folder: Path) -> Iterator[Way]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if side := stack.enter_context(running_nginx(nginx, folder / "nginx")):
        yield Way(NGINX, side.pid, lambda file: partial(put, side.get_url, file))
    if server := stack.enter_context(running_tus_server(folder / "tus")):
        pid, tus_url = server
        yield Way(OTHER, pid, lambda file: _tus(tus_url, file, {}))


def _ours(stack: ExitStack, folder: Path, file: Path) -> Iterator[Way]:
    place = stack.enter_context(installation(folder / "installation"))
    server = place.start_server("--no-worker")
    headers = {"Authorization": f"Bearer {make_administrator(server)}"}
    client = stack.enter_context(httpx.Client(base_url=server.url, headers=headers, timeout=120))
    digest = base64.b64encode(hashlib.file_digest(file.open("rb"), "sha256").digest()).decode()

    def wire(_file: Path) -> Callable[[], None]:
        wanted = {"filename": "large.wav", "content_type": "audio/wav", "method": "put"}
        ticket = client.post(f"{API}/initiate", json=wanted).raise_for_status().json()
        return lambda: put(ticket["upload_url"], file)

    def raw(_file: Path) -> Callable[[], None]:
        url = f"{server.url}{API}?filename=large.wav"
        return lambda: request("POST", url, file, {**headers, "Content-Type": "audio/wav"})

    pid = server.process.pid
    tus = f"{server.url}{TUS}"
    yield Way(OURS, pid, lambda given: _tus(tus, given, headers))
    yield Way(CHECKED, pid, lambda given: _tus(tus, given, headers, {"Upload-Checksum": f"sha256 {digest}"}))
    yield Way(RAW, pid, raw)
    yield Way(WIRE, pid, wire)


def _tus(
    url: str, file: Path, headers: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Callable[[], None]:
    """Create an upload; what is returned sends all of it in one PATCH."""
    create = {
        **headers,
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(file.stat().st_size),
        "Upload-Metadata": "filename bGFyZ2Uud2F2,filetype YXVkaW8vd2F2",
    }
    made = httpx.post(url, headers=create).raise_for_status()
    sent = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        **(more or {}),
    }
    return lambda: request("PATCH", str(made.url.join(made.headers["Location"])), file, sent)


def request(method: str, url: str, file: Path, headers: Mapping[str, str]) -> None:
    """Send a file as the body of a request and wait for its answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, blocksize=BLOCK_BYTES)
    with file.open("rb") as body:
        length = {"Content-Length": str(file.stat().st_size)}
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, body, {**headers, **length})
        answer = connection.getresponse()
        said = answer.read()
    connection.close()
    if answer.status not in (200, 201, 204):
        raise RuntimeError(f"{answer.status}: {said[:200]!r}")


@contextmanager
def running_tus_server(folder: Path) -> Iterator[tuple[int, str] | None]:
    """@tus/server on a free port: its process and address; None where it is not installed."""
    node = shutil.which("node")
    if node is None or not (CLIENTS / "node_modules" / "@tus" / "server").is_dir():
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([node, str(TUS_SERVER), str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def _tell(report: Report, ways: Mapping[str, Way]) -> None:
    for way in ways.values():
        report.add(f"{way.name}: speed", median(way.rates), "MB/s")
        report.add(f"{way.name}: CPU", median(way.processors), "s")
    pairs = (
        (OURS, NGINX, "speed", 0.7, None),
        (OURS, OTHER, "speed", 1.3, None),
        (OURS, OTHER, "CPU", None, 0.65),
        (CHECKED, OTHER, "CPU", None, 1.0),
    )
    for ours, other, what, least, most in pairs:
        if other not in ways:
            report.notes.append(f"{other} is not installed here, so nothing is compared with it.")
            continue
        samples = [way.rates if what == "speed" else way.processors for way in (ways[ours], ways[other])]
        ratio = median(samples[0]) / max(median(samples[1]), 0.01)
        name = f"{ours}: {what}, times that of {other}"
        if least is None:
            report.add(name, ratio, "", most)
        else:
            report.add_least(name, ratio, "", least)
