"""A TCP proxy that does to connections what networks do: ends, resets and stalls them at random points."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

PIECE_BYTES = 16 * 1024
#: RST instead of FIN on close.
LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Weather:
    """How likely a connection is to suffer, and what was done to all of them."""

    chance: float = 0.2
    #: A fault strikes after so many bytes of either direction, evenly spread.
    bytes_max: int = 600_000
    stall_seconds_max: float = 3.0
    done: Counter[str] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=random.Random)

    def fate(self) -> tuple[str, int] | None:
        """What befalls one connection, and after how many bytes; None for a quiet one."""
        if self.dice.random() >= self.chance:
            return None
        return self.dice.choice(("fin", "rst", "stall")), self.dice.randrange(self.bytes_max)


class Proxy:
    """Listens on one port and hands each connection to one of several servers that answers."""

    def __init__(self, ports: Sequence[int], weather: Weather) -> None:
        self._ports, self._weather = ports, weather
        self._server: asyncio.Server | None = None
        self._turn = 0
        self.port = 0

    async def start(self, listener: socket.socket) -> None:
        """Take connections from this listening socket."""
        self._server = await asyncio.start_server(self._serve, sock=listener)
        self.port = listener.getsockname()[1]

    async def stop(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away = await self._connect()
        if away is None:
            writer.close()
            return
        fate = _Fate(self._weather, (writer, away[1]))
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(_carry(reader, away[1], fate), _carry(away[0], writer, fate))
        for side in (writer, away[1]):
            side.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self._ports:
            self._turn += 1
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._ports[self._turn % len(self._ports)])
        return None


class _Fate:
    """Counts the bytes of one connection and strikes when its time has come."""

    def __init__(self, weather: Weather, sides: Sequence[asyncio.StreamWriter]) -> None:
        self._weather, self._sides = weather, sides
        self._kind, self._bytes_left = weather.fate() or ("", 0)

    async def passed(self, size_bytes: int) -> None:
        if not self._kind:
            return
        self._bytes_left -= size_bytes
        if self._bytes_left > 0:
            return
        kind, self._kind = self._kind, ""
        self._weather.done[kind] += 1
        if kind == "stall":
            await asyncio.sleep(self._weather.dice.random() * self._weather.stall_seconds_max)
            return
        for side in self._sides:
            if kind == "rst" and (raw := side.get_extra_info("socket")):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            side.transport.abort() if kind == "rst" else side.close()
        raise ConnectionResetError(kind)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: _Fate) -> None:
    while piece := await reader.read(PIECE_BYTES):
        await fate.passed(len(piece))
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
