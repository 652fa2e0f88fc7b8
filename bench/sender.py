"""Sends the bytes of uploads from a process of its own, so that whoever measures beside it is not held up.

python -m bench.sender FILE SIZE_BYTES    one JSON object a line in, one a line out when it was answered
"""

import asyncio
import http.client
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.machine import ROOT


class Senders:
    """The process, as its parent uses it: every `send` is a client with a connection of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[float]] = {}
        self._number = 0

    async def send(self, method: str, url: str, headers: Mapping[str, str]) -> float:
        """Send the file's bytes; seconds from the connection to the answer. Raises unless it is a 2xx."""
        self._number += 1
        told: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = told
        asked = {"number": self._number, "method": method, "url": url, "headers": dict(headers)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return await told

    async def listen(self) -> None:
        """Hear what was answered, until the process ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answered = json.loads(line)
            told = self._waiting.pop(answered["number"])
            if 200 <= answered["status"] < 300:
                told.set_result(answered["seconds"])
            else:
                told.set_exception(RuntimeError(f"{answered['status']}: {answered['said']}"))


@asynccontextmanager
async def senders(file: Path, size_bytes: int) -> AsyncIterator[Senders]:
    """A process that sends the first bytes of a file, as often as it is asked to, all at once."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.sender",
        str(file),
        str(size_bytes),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    made = Senders(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        listening.cancel()
        process.kill()
        await process.wait()


def main() -> None:
    """Send what is asked for on standard input, each in a thread."""
    body = Path(sys.argv[1]).read_bytes()[: int(sys.argv[2])]
    telling = threading.Lock()
    for line in sys.stdin:
        threading.Thread(target=_send, args=(json.loads(line), body, telling), daemon=True).start()


def _send(asked: Mapping[str, Any], body: bytes, telling: threading.Lock) -> None:
    parts = urlsplit(asked["url"])
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    began = time.perf_counter()
    try:
        connection = http.client.HTTPConnection(parts.netloc, timeout=300)
        connection.request(asked["method"], target, body, asked["headers"])
        answer = connection.getresponse()
        status, said = answer.status, answer.read()[:200].decode(errors="replace")
    except OSError as error:
        status, said = 0, repr(error)
    told = {"number": asked["number"], "status": status, "said": said}
    with telling:
        print(json.dumps({**told, "seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
