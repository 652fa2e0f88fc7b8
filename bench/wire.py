"""A large file in and out of a local store over its S3 wire, against nginx on the same disk."""

import http.client
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import create_server
from urllib.parse import urlsplit

import httpx

from bench import processing
from bench.figures import Report, median
from bench.installation import Server, installation, make_administrator
from bench.processes import MB, processor_seconds
from bench.registry import Setup
from bench.sound import speech, write_wav

FILE_BYTES, ROUNDS = 200 * MB, 5
#: Reading is over in a tenth of a second.
READS_EACH_ROUND = 5
BLOCK_BYTES = 1 << 20
DOWNLOAD_LEAST = 0.9
NGINX_SECONDS_MAX = 10.0
COUNTED = (
    "200 MB over one loopback connection, read or written by the same client, in turns, medians of five "
    "rounds with five downloads each. In: a presigned PUT, which Reelkeep hashes (MD5 and SHA-256) and "
    "fsyncs before it answers; nginx's WebDAV PUT does neither. Out: a presigned GET of a sealed recording; "
    "nginx serves it with sendfile. CPU is the server's. "
    "The whole comparison of ways to upload is not made here."
)
CONFIGURATION = """
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; client_max_body_size 0; client_body_buffer_size 128k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/t1; fastcgi_temp_path {folder}/t2;
  uwsgi_temp_path {folder}/t3; scgi_temp_path {folder}/t4;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; location / {{ dav_methods PUT; }} }}
}}
"""


@dataclass(slots=True)
class Side:
    """A server that takes and gives the file."""

    name: str
    pid: int
    #: A new address for each file put.
    put_url: Callable[[], str]
    get_url: str
    #: Megabytes a second and processor seconds of each transfer.
    taken: dict[str, list[tuple[float, float]]]


async def measure(setup: Setup) -> Report:
    """Both directions, ours and nginx in turns."""
    report = Report("wire", "A large file in and out of a local store", COUNTED)
    size = 5 * MB if setup.quick else FILE_BYTES
    file = write_wav(setup.scratch / "large.wav", speech(size / 32_000))
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    with installation(setup.scratch / "installation") as place:
        server = place.start_server("--no-worker")
        headers = {"Authorization": f"Bearer {make_administrator(server)}"}
        with (
            httpx.Client(base_url=server.url, headers=headers, timeout=120) as client,
            running_nginx(nginx, setup.scratch / "nginx") as other,
        ):
            sides = [_our_side(server, client, file), *([other] if other else [])]
            for number in range(1 if setup.quick else ROUNDS):
                setup.say(f"round {number + 1}")
                for side in sides:
                    _transfer(side, file)
    for side in sides:
        _tell(report, side)
    if len(sides) > 1:
        ours, theirs = (median([rate for rate, _ in side.taken["out"]]) for side in sides)
        report.add_least("Reelkeep out, times that of nginx", ours / theirs, "", DOWNLOAD_LEAST)
    if nginx is None:
        report.notes.append("nginx is not installed here, so nothing is compared.")
    return report


def _our_side(server: Server, client: httpx.Client, file: Path) -> Side:
    recording_id = processing.upload(client, file, "audio/wav")
    answer = client.get(f"{processing.API}/{recording_id}/download-url").raise_for_status()
    wanted = {"filename": file.name, "content_type": "audio/wav", "method": "put"}

    def put_url() -> str:
        ticket = client.post(f"{processing.API}/upload/initiate", json=wanted).raise_for_status()
        return str(ticket.json()["upload_url"])

    return Side("Reelkeep", server.process.pid, put_url, answer.json()["download_url"], {"in": [], "out": []})


def _transfer(side: Side, file: Path) -> None:
    put_url = side.put_url()
    reading = [("out", partial(get, side.get_url))] * READS_EACH_ROUND
    for direction, move in (("in", partial(put, put_url, file)), *reading):
        processor, started = processor_seconds([side.pid]), time.perf_counter()
        move()
        seconds = time.perf_counter() - started
        used = processor_seconds([side.pid]) - processor
        side.taken[direction].append((file.stat().st_size / MB / seconds, used))


def _tell(report: Report, side: Side) -> None:
    for direction, taken in side.taken.items():
        used = median([seconds for _, seconds in taken])
        report.add(
            f"{side.name} {direction}", median([rate for rate, _ in taken]), "MB/s", note=f"CPU {used:.2f} s"
        )


def put(url: str, file: Path) -> None:
    """Send a file."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, blocksize=BLOCK_BYTES)
    with file.open("rb") as body:
        headers = {"Content-Type": "audio/wav", "Content-Length": str(file.stat().st_size)}
        connection.request("PUT", f"{parts.path}?{parts.query}", body, headers)
        answer = connection.getresponse()
        said = answer.read()
    connection.close()
    if answer.status not in (200, 201, 204):
        raise RuntimeError(f"{answer.status}: {said[:200]!r}")


def get(url: str) -> None:
    """Read a file and keep nothing of it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.read(200)!r}")
    buffer = bytearray(BLOCK_BYTES)
    while answer.readinto(buffer):
        pass
    connection.close()


@contextmanager
def running_nginx(program: str | None, folder: Path) -> Iterator[Side | None]:
    """It with an empty folder; None where there is no nginx."""
    if program is None:
        yield None
        return
    (folder / "files").mkdir(parents=True)
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "nginx.conf"
    settings.write_text(CONFIGURATION.format(folder=folder, port=port))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(settings)])
    try:
        url = f"http://127.0.0.1:{port}/large.wav"
        _wait_for(url)
        yield Side("nginx", process.pid, lambda: url, url, {"in": [], "out": []})
    finally:
        process.terminate()
        process.wait(NGINX_SECONDS_MAX)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + NGINX_SECONDS_MAX
    while True:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
