"""Many clients on two servers through a bad network, servers killed in between; then the audit.

`REELKEEP_SOAK_SECONDS=3600 make test ARGS=tests/fault/test_soak.py` runs it for an hour.
"""

import asyncio
import os
import random
import signal
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
import numpy as np
import pytest

from reelkeep.settings import load_settings
from reelkeep.wiring import open_runtime
from tests.fixtures.media import wav
from tests.fixtures.server import Server, start_server
from tests.soak.audit import audit
from tests.soak.clients import WAYS, Phone, Stuck
from tests.soak.proxy import Proxy, Weather

SECONDS = float(os.environ.get("REELKEEP_SOAK_SECONDS", "90"))
CLIENTS = 24
KILL_EVERY_SECONDS = 8.0
#: The share of connections that something happens to.
FAULTY = 0.2
SEED = int(os.environ.get("REELKEEP_SOAK_SEED", str(random.randrange(1_000_000))))


@dataclass(slots=True)
class Storm:
    """What goes on, and what was acknowledged in it."""

    servers: list[Server]
    weather: Weather
    dice: random.Random
    ends_at: float
    ways: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[UUID, str] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    kills: int = 0


def recording(dice: random.Random) -> bytes:
    """A WAV of noise: most are short, some need several parts."""
    size = dice.choice((20_000, 100_000, 400_000, 1_500_000, 6_000_000)) * (0.5 + dice.random())
    return wav(np.random.default_rng(dice.randrange(2**32)).uniform(-0.1, 0.1, (1, int(size) // 2)))


async def send_until_the_end(storm: Storm, api: httpx.AsyncClient, number: int) -> None:
    """One client after the other sends one recording after the other."""
    dice = random.Random(SEED * 1000 + number)
    while time.monotonic() < storm.ends_at:
        way = dice.choice(list(WAYS))
        phone = Phone(api, recording(dice), dice)
        try:
            if dice.random() < 0.05:
                await begin_and_vanish(way, phone)
                continue
            storm.acknowledged[await WAYS[way](phone)] = phone.sha256
            storm.ways[way] += 1
        except (Stuck, TimeoutError, httpx.HTTPError, LookupError, TypeError, ValueError) as error:
            storm.stuck.append(f"{way}: {error!r}")


async def begin_and_vanish(way: str, phone: Phone) -> None:
    """A client that is never heard of again."""
    sending = asyncio.ensure_future(WAYS[way](phone))
    await asyncio.wait([sending], timeout=phone.dice.random())
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def kill_now_and_then(storm: Storm, start: list[int], data: Path, environment: dict[str, str]) -> None:
    """kill -9 of one server after the other, and its start again."""
    while time.monotonic() < storm.ends_at:
        await asyncio.sleep(KILL_EVERY_SECONDS * (0.5 + storm.dice.random()))
        victim = storm.dice.randrange(len(storm.servers))
        storm.servers[victim].process.send_signal(signal.SIGKILL)
        storm.servers[victim].process.wait()
        storm.kills += 1
        storm.servers[victim] = await asyncio.to_thread(
            start_server, data, "--no-worker", "--port", str(start[victim]), **environment
        )


@pytest.mark.timeout(SECONDS + 400)
async def test_what_was_acknowledged_in_a_storm_is_there_and_nothing_else(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    data, dice = tmp_path / "data", random.Random(SEED)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environment = {"REELKEEP_PUBLIC_URL": url, "REELKEEP_ENGINE": "fake", "REELKEEP_LOG_LEVEL": "WARNING"}
    ports = [free_port(), free_port()]
    servers = [start_server(data, "--no-worker", "--port", str(port), **environment) for port in ports]
    storm = Storm(servers, Weather(chance=0, dice=dice), dice, time.monotonic() + SECONDS)
    proxy = Proxy(ports, storm.weather)
    try:
        await proxy.start(listener)
        await asyncio.to_thread(servers[-1].make_administrator)  # a newer link ends the older
        token, storm.weather.chance = servers[-1].token, FAULTY
        limits = httpx.Limits(max_keepalive_connections=CLIENTS)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=15, limits=limits) as api,
            asyncio.TaskGroup() as group,
        ):
            for number in range(CLIENTS):
                group.create_task(send_until_the_end(storm, api, number))
            group.create_task(kill_now_and_then(storm, ports, data, environment))
        storm.weather.chance = 0
        organization_id = await organization_of(url, token)
    finally:
        for server in storm.servers:
            server.stop()
        await proxy.stop()
    settings = load_settings(data=data, engine="fake", log_level="ERROR", public_url=url)
    async with open_runtime(settings) as runtime:
        findings = await audit(runtime, organization_id, storm.acknowledged)
    told = f"{dict(storm.ways)}, faults {dict(storm.weather.done)}, kills {storm.kills}, seed {SEED}"
    print(f"{findings.recordings} recordings, {findings.bytes_read:,} bytes; {told}")
    assert storm.stuck == [], told
    assert findings.wrong == [], told
    assert set(storm.ways) == set(WAYS), told
    assert storm.kills >= 1


async def organization_of(url: str, token: str) -> UUID:
    """The administrator's organization."""
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as api:
        for _ in range(50):
            try:
                told = (await api.get("/api/v1/auth/me")).json()
                return UUID(told["organization"]["id"])
            except (httpx.TransportError, KeyError, ValueError):
                await asyncio.sleep(0.2)
    raise AssertionError("nobody says which organization this is")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
