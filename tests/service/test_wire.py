"""The S3 wire as clients meet it: a real server, real sockets, boto3 and curl."""

import asyncio
import base64
import hashlib
import json
import random
import re
import resource
import socket
import subprocess
import threading
import time
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config

from reelkeep.stores.protocol import TicketLimits
from tests.fixtures.wire import CREDENTIALS, Running, form_body, post, running_wire, said

KEY = "incoming/7f/a1"
MIB = 1024 * 1024


def limits(**changes: Any) -> TicketLimits:
    return TicketLimits(
        **{"key": KEY, "content_type": "audio/mp4", "expires_in_seconds": 60, "size_bytes_max": 64 * MIB}
        | changes
    )


def files(root: Path) -> list[Path]:
    """Every file that holds bytes or facts, or is about to."""
    return [path for path in root.rglob("*") if path.is_file() and path.parent.name != "locks"]


def put(wire: Running, body: bytes, **headers: str) -> httpx.Response:
    ticket = wire.store.ticket_put(limits())
    return httpx.put(ticket.url, content=body, headers={**ticket.fields, **headers})


def raw_exchange(wire: Running, sent: bytes, *, wait_seconds: float = 10) -> bytes:
    """What the server answers to bytes on a socket, until it closes."""
    with socket.create_connection(("127.0.0.1", wire.port), timeout=wait_seconds) as connection:
        connection.sendall(sent)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def boto(wire: Running) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=wire.service.endpoint_url,
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )


def test_urls_and_forms_that_boto3_signs_are_taken(wire: Running) -> None:
    client, where = boto(wire), {"Bucket": "recordings", "Key": KEY}
    url = client.generate_presigned_url("put_object", {**where, "ContentType": "audio/wav"})
    assert httpx.put(url, content=b"one", headers={"content-type": "audio/wav"}).status_code == 200
    answer = httpx.get(client.generate_presigned_url("get_object", where))
    assert (answer.content, answer.headers["content-type"]) == (b"one", "audio/wav")
    form = client.generate_presigned_post(**where, Conditions=[["content-length-range", 1, 10]])
    assert post(wire.service, form["url"], form["fields"], b"two").status_code == 204
    assert httpx.get(client.generate_presigned_url("get_object", where)).content == b"two"


def test_curl_sends_a_form_with_a_large_file_and_reads_it_back(wire: Running, tmp_path: Path) -> None:
    sound = tmp_path / "sound.m4a"
    sound.write_bytes(random.Random(3).randbytes(20 * MIB + 5))
    ticket = wire.store.ticket_post(limits())
    fields = [part for name, value in ticket.fields.items() for part in ("-F", f"{name}={value}")]
    command = ["curl", "-sS", "-w", "%{http_code}", *fields, "-F", f"file=@{sound}", ticket.url]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "204"
    got = tmp_path / "got"
    subprocess.run(["curl", "-sSf", "-o", got, wire.store.url_get(KEY, 60)], check=True)
    assert got.read_bytes() == sound.read_bytes()
    facts = asyncio.run(wire.store.head(KEY))
    assert facts.sha256 == hashlib.sha256(sound.read_bytes()).hexdigest()
    assert facts.etag == hashlib.md5(sound.read_bytes()).hexdigest()


def test_a_form_may_ask_for_201_and_is_told_what_it_wrote(wire: Running) -> None:
    signer = wire.service.signer()
    url, fields = signer.post_form(
        "recordings",
        KEY,
        expires_in_seconds=60,
        fields={"success_action_status": "201"},
        conditions=[{"success_action_status": "201"}],
    )
    answer = post(wire.service, url, fields, b"sound")
    assert answer.status_code == 201
    assert f'<Key>{KEY}</Key><ETag>"{hashlib.md5(b"sound").hexdigest()}"</ETag>' in answer.text
    assert answer.headers["location"] == f"{wire.service.endpoint_url}/recordings/{KEY}"


def test_a_field_after_the_file_is_ignored(wire: Running) -> None:
    ticket = wire.store.ticket_post(limits())
    body, headers = form_body(ticket.fields, b"sound", close=False)
    late, _ = form_body({"acl": "public-read"}, None)
    assert httpx.post(ticket.url, content=body + late, headers=headers).status_code == 204
    assert httpx.get(wire.store.url_get(KEY, 60)).content == b"sound"


@pytest.mark.parametrize(
    "file", [b"\r\n", b"\r\n--", b"\r\n----reelkeep-test-boundar", b"\r" * 70_000, b"--\r\n\r\n" * 9000]
)
def test_bytes_that_look_like_a_boundary_are_kept(wire: Running, file: bytes) -> None:
    ticket = wire.store.ticket_post(limits())
    assert post(wire.service, ticket.url, ticket.fields, file).status_code == 204
    assert httpx.get(wire.store.url_get(KEY, 60)).content == file


def test_a_form_that_is_cut_off_is_refused_and_leaves_nothing(wire: Running) -> None:
    ticket = wire.store.ticket_post(limits())
    body, headers = form_body(ticket.fields, b"sound" * 100_000, close=False)
    assert said(httpx.post(ticket.url, content=body, headers=headers)) == (400, "MalformedPOSTRequest")
    assert files(wire.store._config.root) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", (400, "MalformedPOSTRequest")),
        (b"not a form", (400, "MalformedPOSTRequest")),
        (
            b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n\xff\r\n--b--\r\n',
            (400, "MalformedPOSTRequest"),
        ),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", (400, "MalformedPOSTRequest")),
    ],
)
def test_a_body_that_is_no_form_is_refused(wire: Running, body: bytes, code: tuple[int, str]) -> None:
    url = f"{wire.service.endpoint_url}/recordings"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert said(httpx.post(url, content=body, headers=headers)) == code


def test_a_post_that_is_not_multipart_is_refused(wire: Running) -> None:
    answer = httpx.post(f"{wire.service.endpoint_url}/recordings", data={"key": "a"})
    assert said(answer) == (412, "PreconditionFailed")


def test_fields_over_20_kb_are_refused(wire: Running) -> None:
    ticket = wire.store.ticket_post(limits())
    fields = {"x-ignore-much": "x" * 20_480, **ticket.fields}
    assert said(post(wire.service, ticket.url, fields, b"x")) == (400, "MaxPostPreDataLengthExceededError")


def test_a_field_given_twice_is_refused(wire: Running) -> None:
    ticket = wire.store.ticket_post(limits())
    again, headers = form_body({"Key": "blobs/other"}, None, close=False)
    body, _ = form_body(ticket.fields, b"x")
    assert said(httpx.post(ticket.url, content=again + body, headers=headers))[1] == "MalformedPOSTRequest"


def heard_until(connection: socket.socket, end: bytes) -> bytes:
    """What comes in up to `end`; head and body may come in pieces."""
    heard = b""
    while end not in heard and (piece := connection.recv(65536)):
        heard += piece
    return heard


def test_a_too_long_form_is_refused_before_its_file_is_sent(wire: Running) -> None:
    ticket = wire.store.ticket_post(limits(size_bytes_max=1000))
    body, headers = form_body(ticket.fields, b"", close=False)
    head = (
        f"POST {urlsplit(ticket.url).path} HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: {headers['content-type']}\r\nContent-Length: {3 * 1024**3}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        assert b"<Code>EntityTooLarge</Code>" in heard_until(connection, b"</Error>")


def test_a_client_that_asks_whether_to_continue_gets_the_refusal_alone(wire: Running) -> None:
    path = urlsplit(wire.store.ticket_put(limits()).url).path
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n\r\n"
    answer = raw_exchange(wire, head.encode())
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"100 Continue" not in answer
    assert b"<Code>AccessDenied</Code>" in answer


def test_a_client_that_asks_whether_to_continue_is_told_to_when_its_signature_is_right(
    wire: Running, tmp_path: Path
) -> None:
    sound = tmp_path / "sound"
    sound.write_bytes(b"x" * MIB)
    ticket = wire.store.ticket_put(limits())
    headers = ["-H", "Expect: 100-continue", "-H", "Content-Type: audio/mp4"]
    command = ["curl", "-sv", "-T", sound, *headers, ticket.url]
    talk = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert talk.index("100 Continue") < talk.index("200 OK")


def test_a_refused_client_in_the_midst_of_sending_reads_why(wire: Running) -> None:
    url = wire.store.ticket_put(limits()).url.replace(KEY, "other")
    answer = httpx.put(url, content=bytes(8 * MIB), headers={"content-type": "audio/mp4"})
    assert said(answer) == (403, "SignatureDoesNotMatch")
    assert answer.headers["connection"] == "close"


def test_a_put_over_five_gigabytes_is_refused_by_its_length(wire: Running) -> None:
    target = wire.store.ticket_put(limits()).url.partition(f":{wire.port}")[2]
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Type: audio/mp4\r\nContent-Length: {6 * 1024**3}\r\n"
    answer = raw_exchange(wire, f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert b"<Code>EntityTooLarge</Code>" in answer


def test_a_body_without_length_is_refused(wire: Running) -> None:
    ticket = wire.store.ticket_put(limits())
    answer = httpx.put(ticket.url, content=iter([b"a", b"b"]), headers=ticket.fields)
    assert said(answer) == (411, "MissingContentLength")


def test_a_client_that_leaves_in_mid_body_leaves_nothing(wire: Running) -> None:
    target = wire.store.ticket_put(limits()).url.partition(f":{wire.port}")[2]
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Type: audio/mp4\r\nContent-Length: 2000000\r\n\r\n"
    root = wire.store._config.root
    with socket.create_connection(("127.0.0.1", wire.port)) as connection:
        connection.sendall(head.encode() + bytes(1_500_000))
        eventually(lambda: len(files(root)) == 1)
    eventually(lambda: files(root) == [])


def test_a_client_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    with running_wire(tmp_path, idle_seconds=0.3) as wire:
        target = wire.store.ticket_put(limits()).url.partition(f":{wire.port}")[2]
        head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Type: audio/mp4\r\nContent-Length: 99\r\n\r\n"
        with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as connection:
            connection.sendall(head.encode() + b"some")
            assert b"<Code>RequestTimeout</Code>" in heard_until(connection, b"</Error>")


def eventually(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SOUND = b"sound" * 1000


@pytest.mark.parametrize(
    ("name", "right", "wrong", "code"),
    [
        ("content-md5", hashlib.md5(SOUND).digest(), bytes(16), "BadDigest"),
        ("content-md5", hashlib.md5(SOUND).digest(), b"short", "InvalidDigest"),
    ],
)
def test_a_declared_digest_is_checked(
    wire: Running, name: str, right: bytes, wrong: bytes, code: str
) -> None:
    answer = put(wire, SOUND, **{name: base64.b64encode(wrong).decode()})
    assert said(answer) == (400, code)
    assert files(wire.store._config.root) == []
    assert put(wire, SOUND, **{name: base64.b64encode(right).decode()}).status_code == 200


@pytest.mark.parametrize(
    ("name", "right", "wrong", "code"),
    [
        ("x-amz-checksum-sha256", hashlib.sha256(SOUND).digest(), bytes(32), "BadDigest"),
        ("x-amz-checksum-crc32", zlib.crc32(SOUND).to_bytes(4, "big"), bytes(4), "BadDigest"),
        ("x-amz-checksum-crc32", zlib.crc32(SOUND).to_bytes(4, "big"), b"x", "InvalidRequest"),
    ],
)
def test_a_signed_checksum_is_checked(
    wire: Running, name: str, right: bytes, wrong: bytes, code: str
) -> None:
    for digest, expected in ((wrong, (400, code)), (right, (200, ""))):
        headers = {name: base64.b64encode(digest).decode()}
        url = wire.service.signer().presign("PUT", "recordings", KEY, expires_in_seconds=60, headers=headers)
        assert said(httpx.put(url, content=SOUND, headers=headers)) == expected


def test_a_signed_payload_digest_is_checked(wire: Running) -> None:
    for digest, expected in (
        ("0" * 64, (400, "XAmzContentSHA256Mismatch")),
        (hashlib.sha256(SOUND).hexdigest(), (200, "")),
    ):
        headers = {"x-amz-content-sha256": digest}
        url = wire.service.signer().presign("PUT", "recordings", KEY, expires_in_seconds=60, headers=headers)
        assert said(httpx.put(url, content=SOUND, headers=headers)) == expected


def test_a_ticket_for_a_digest_takes_no_other_bytes(wire: Running) -> None:
    wanted = limits(sha256=hashlib.sha256(SOUND).hexdigest())
    form, url = wire.store.ticket_post(wanted), wire.store.ticket_put(wanted)
    assert said(post(wire.service, form.url, form.fields, b"other")) == (400, "BadDigest")
    assert said(httpx.put(url.url, content=b"other", headers=url.fields)) == (400, "BadDigest")
    assert said(httpx.put(url.url, content=SOUND, headers={"content-type": "audio/mp4"}))[0] == 403
    assert post(wire.service, form.url, form.fields, SOUND).status_code == 204
    assert httpx.put(url.url, content=SOUND, headers=url.fields).status_code == 200


def test_an_unsigned_x_amz_header_is_refused(wire: Running) -> None:
    answer = put(wire, SOUND, **{"x-amz-acl": "public-read"})
    assert said(answer) == (403, "AccessDenied")
    assert "<HeadersNotSigned>x-amz-acl</HeadersNotSigned>" in answer.text


@pytest.mark.parametrize(
    "query",
    [[("uploads", "")], [("partNumber", "1")], [("tagging", "")], [("acl", "")], [("versionId", "1")]],
)
def test_what_is_not_spoken_is_refused_not_ignored(wire: Running, query: list[tuple[str, str]]) -> None:
    url = wire.service.signer().presign("PUT", "recordings", KEY, expires_in_seconds=60, query=query)
    assert said(httpx.put(url, content=SOUND)) == (501, "NotImplemented")
    assert files(wire.store._config.root) == []


def test_encryption_at_rest_is_not_pretended(wire: Running) -> None:
    headers = {"x-amz-server-side-encryption": "AES256"}
    url = wire.service.signer().presign("PUT", "recordings", KEY, expires_in_seconds=60, headers=headers)
    assert said(httpx.put(url, content=SOUND, headers=headers)) == (501, "NotImplemented")
    assert "x-amz-server-side-encryption" not in wire.store.ticket_post(limits()).fields


def test_the_host_header_plays_no_part(wire: Running) -> None:
    put(wire, SOUND)
    answer = httpx.get(wire.store.url_get(KEY, 60), headers={"host": "elsewhere.example"})
    assert answer.content == SOUND


def test_urls_signed_for_another_address_are_refused(wire: Running) -> None:
    url = wire.store.url_get(KEY, 60).replace("127.0.0.1", "localhost")
    moved = wire.service.signer().presign("GET", "recordings", KEY, expires_in_seconds=60)
    assert url != moved
    assert said(httpx.get(url)) == (404, "NoSuchKey")  # the same signature: only the public address counts
    other = type(wire.service)("wire", "http://elsewhere.example/s3", CREDENTIALS, "recordings")
    signed = other.signer().presign("GET", "recordings", KEY, expires_in_seconds=60)
    answer = httpx.get(signed.replace("http://elsewhere.example", f"http://127.0.0.1:{wire.port}"))
    assert said(answer) == (403, "SignatureDoesNotMatch")


def test_a_path_before_the_wire_is_part_of_what_is_signed(tmp_path: Path) -> None:
    with running_wire(tmp_path, prefix="/reelkeep") as wire:
        ticket = wire.store.ticket_put(limits())
        assert ticket.url.startswith(f"http://127.0.0.1:{wire.port}/reelkeep/s3/recordings/{KEY}?")
        inner = ticket.url.replace("/reelkeep/s3/", "/s3/")  # what a proxy that strips the path sends on
        assert httpx.put(inner, content=SOUND, headers=ticket.fields).status_code == 200


def test_a_head_tells_what_a_get_would_without_the_body(wire: Running) -> None:
    put(wire, SOUND)
    answer = httpx.head(wire.service.signer().presign("HEAD", "recordings", KEY, expires_in_seconds=60))
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(SOUND)))
    assert answer.headers["etag"] == f'"{hashlib.md5(SOUND).hexdigest()}"'
    missing = wire.service.signer().presign("HEAD", "recordings", "none", expires_in_seconds=60)
    assert httpx.head(missing).status_code == 404


def test_answers_let_any_page_read_and_never_run(wire: Running) -> None:
    put(wire, b"<script>alert(1)</script>")
    for url in (wire.store.url_get(KEY, 60, content_type="text/html"), wire.store.url_get("none", 60)):
        headers = httpx.get(url, headers={"origin": "http://localhost:3000"}).headers
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
        assert "ETag" in headers["access-control-expose-headers"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_a_preflight_is_answered_without_a_signature(wire: Running) -> None:
    for path in ("recordings", f"recordings/{KEY}"):
        answer = httpx.options(
            f"{wire.service.endpoint_url}/{path}",
            headers={
                "origin": "http://localhost:3000",
                "access-control-request-method": "PUT",
                "access-control-request-headers": "content-type,x-amz-checksum-sha256",
            },
        )
        assert answer.status_code == 200
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "content-type,x-amz-checksum-sha256"


def test_other_methods_are_refused_and_the_right_ones_named(wire: Running) -> None:
    url = f"{wire.service.endpoint_url}/recordings"
    answer = httpx.patch(f"{url}/{KEY}")
    assert said(answer) == (405, "MethodNotAllowed")
    assert answer.headers["allow"] == "GET, HEAD, PUT, POST, DELETE, OPTIONS"
    assert httpx.delete(url).headers["allow"] == "GET, HEAD, PUT, POST, OPTIONS"
    assert httpx.put(wire.service.endpoint_url).headers["allow"] == "GET, OPTIONS"


@pytest.mark.parametrize("key", ["a%20b", "..%2F..%2Fetc", "a//b", "%00", "%FF"])
def test_an_odd_key_is_refused_even_with_a_right_signature(wire: Running, key: str) -> None:
    url = f"{wire.service.endpoint_url}/recordings/{key}"
    assert httpx.get(url).status_code in (400, 403)
    signed = wire.service.signer().presign("PUT", "recordings", "a b", expires_in_seconds=60)
    assert said(httpx.put(signed, content=b"x")) == (400, "InvalidArgument")


def test_a_line_break_does_not_get_into_the_answer(wire: Running) -> None:
    put(wire, SOUND)
    query = [("response-content-disposition", "attachment\r\nset-cookie: a=b")]
    url = wire.service.signer().presign("GET", "recordings", KEY, expires_in_seconds=60, query=query)
    assert said(httpx.get(url)) == (400, "InvalidArgument")


def test_errors_are_xml_whatever_the_request_says(wire: Running) -> None:
    answer = httpx.get(f"{wire.service.endpoint_url}/<&>/%01")
    assert said(answer) == (404, "NoSuchBucket")
    assert re.search(r"<BucketName>&lt;&amp;&gt;</BucketName>", answer.text)


def test_of_two_posts_of_one_ticket_the_facts_are_of_the_bytes_kept(wire: Running) -> None:
    ticket = wire.store.ticket_post(limits())
    bodies = [bytes([n]) * (2 * MIB + n) for n in range(6)]
    senders = [
        threading.Thread(target=post, args=(wire.service, ticket.url, ticket.fields, body)) for body in bodies
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    answer = httpx.get(wire.store.url_get(KEY, 60))
    assert answer.content in bodies
    assert answer.headers["etag"] == f'"{hashlib.md5(answer.content).hexdigest()}"'
    assert len(files(wire.store._config.root)) == 2


def test_a_large_upload_and_download_take_little_memory(wire: Running, tmp_path: Path) -> None:
    size = 200 * MIB
    sound = tmp_path / "sound"
    with sound.open("wb") as file:
        file.truncate(size)
    ticket = wire.store.ticket_post(limits(size_bytes_max=size))
    fields = [part for name, value in ticket.fields.items() for part in ("-F", f"{name}={value}")]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    subprocess.run(["curl", "-sSf", *fields, "-F", f"file=@{sound}", ticket.url], check=True)
    subprocess.run(["curl", "-sSf", "-o", "/dev/null", wire.store.url_get(KEY, 60)], check=True)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 32 * 1024, json.dumps({"grown_kib": grown_kib})
    assert asyncio.run(wire.store.head(KEY)).size_bytes == size
