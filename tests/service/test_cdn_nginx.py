"""nginx as a CDN in front of a real S3, with the configuration that docs/delivery.md shows."""

import asyncio
import json
import os
import re
import secrets
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from reelkeep.runtime import Runtime
from reelkeep.stores.cdn_token import secure_link
from reelkeep.wiring import open_runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.runtime import add_person, client_of, settings_for
from tests.service.test_delivery import address, copies_of, keep
from tests.service.test_wire_front import program, until_it_listens
from tests.tidy.checkout import ROOT

pytestmark = pytest.mark.s3

BODY_BYTES = 3_000_000


def documented(folder: Path, port: int, ceph: Ceph, secret: str) -> str:
    """The page's configuration, at this test's ports and without its certificate."""
    (shown,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "delivery.md").read_text(), re.DOTALL)
    host = urlsplit(ceph.endpoint_url).netloc
    for text, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "http://127.0.0.1:9000": ceph.endpoint_url,
        "s3.example.org": host,
        "/var/cache/nginx/reelkeep": f"{folder}/cache",
        "SECRET": secret,
    }.items():
        assert shown.count(text) == 1, text
        shown = shown.replace(text, here)
    shown, certificates = re.subn(r"\n *ssl_certificate.*;", "", shown)
    assert certificates == 2
    return shown


@asynccontextmanager
async def nginx(folder: Path, ceph: Ceph, secret: str) -> AsyncIterator[str]:
    """A running nginx; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder.mkdir()
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; user {Path('/proc/self').owner()}; worker_processes 1; pid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{ worker_connections 64; }}\n"
        f"http {{\naccess_log off;\n{paths}{documented(folder, port, ceph, secret)}}}\n"
    )
    process = subprocess.Popen([program(), "-e", folder / "error.log", "-c", config], cwd=folder)
    try:
        until_it_listens(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@asynccontextmanager
async def behind(
    tmp_path: Path, conninfo: str, ceph: Ceph, bucket: str, cdn: dict[str, object]
) -> AsyncIterator[Runtime]:
    """An installation whose one bucket has this CDN in front."""
    store = {
        "kind": "s3",
        "bucket": bucket,
        "region": "us-east-1",
        "endpoint_url": ceph.endpoint_url,
        "prefix": "kept/",
        "access_key_id": ceph.access_key,
        "secret_access_key": ceph.secret_key,
    }
    lines = ['primary = "s3-eu"', "[stores.s3-eu]", *(f"{n} = {json.dumps(v)}" for n, v in store.items())]
    lines += ["[stores.s3-eu.cdn]", *(f"{n} = {json.dumps(v)}" for n, v in cdn.items())]
    file = tmp_path / "stores.toml"
    file.write_text("\n".join(lines))
    async with open_runtime(settings_for(tmp_path / "data", conninfo, stores_file=file)) as opened:
        yield opened


async def test_nginx_checks_our_links_and_serves_a_private_bucket_from_its_cache(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    secret = secrets.token_hex(16)
    body = b"RIFF" + os.urandom(4) + b"WAVE" + os.urandom(BODY_BYTES)
    (tmp_path / "secret").write_text(f"{secret}\n")
    async with nginx(tmp_path / "nginx", ceph, secret) as url:
        cdn: dict[str, object] = {
            "kind": "token",
            "scheme": "nginx-secure-link",
            "url": url,
            "secret_file": str(tmp_path / "secret"),
            "hands_on_signatures": True,
        }
        async with behind(tmp_path, conninfo, ceph, ceph_bucket, cdn) as runtime:
            person = await add_person(runtime)
            async with client_of(runtime, person) as client:
                recording_id = await keep(client, body)
                link = (await address(client, recording_id))["download_url"]
                (copy,) = await copies_of(runtime, person)
                assert link.startswith(f"{url}/{ceph_bucket}/kept/{copy.key}?expires=")

                async with httpx.AsyncClient() as player:
                    first = await player.get(link)
                    assert (first.status_code, first.headers["x-cache"]) == (200, "MISS"), first.text[:500]
                    assert first.content == body
                    assert first.headers["content-type"] == "audio/wav"
                    assert first.headers["cache-control"] == "max-age=3600, s-maxage=31536000, immutable"
                    assert "Gr%C3%BC%C3%9Fe" in first.headers["content-disposition"]
                    part = await player.get(link, headers={"Range": "bytes=1500000-2500000"})
                    assert (part.status_code, part.headers["x-cache"]) == (206, "HIT")
                    assert part.content == body[1_500_000:2_500_001]
                    # A link with a signature of another second finds the same bytes.
                    await asyncio.sleep(1)
                    again = (await address(client, recording_id))["download_url"]
                    assert again != link
                    assert (await player.get(again)).headers["x-cache"] == "HIT"

                    await refused(player, link, secret)
                    await refused_names(player, link)


async def refused(player: httpx.AsyncClient, link: str, secret: str) -> None:
    """What was not signed, or has ended, is not served, though the bytes are cached."""
    bare = link.partition("?")[0]
    path = urlsplit(bare).path
    later = int((datetime.now(UTC) + timedelta(hours=9)).timestamp())
    earlier = int((datetime.now(UTC) - timedelta(seconds=1)).timestamp())
    rest = re.sub(r"^.*?expires=[0-9]+&md5=[^&]+", "", link)
    for query, status in {
        "": 403,
        re.sub(r"expires=[0-9]+", f"expires={later}", link.partition("?")[2]): 403,
        f"expires={later}&md5={secure_link('guessed', path, later)}{rest}": 403,
        f"expires={later}&md5={secure_link(secret, path + 'x', later)}{rest}": 403,
        f"expires={earlier}&md5={secure_link(secret, path, earlier)}{rest}": 410,
        f"expires={later}&md5={secure_link(secret, path, later)}{rest}": 200,
    }.items():
        assert (await player.get(f"{bare}?{query}")).status_code == status, query


async def refused_names(player: httpx.AsyncClient, link: str) -> None:
    """The name and the type are the store's to check: with others nothing is served, cached or not."""
    changed = await player.get(link.replace("audio%2Fwav", "text%2Fhtml"))
    assert changed.status_code == 403
