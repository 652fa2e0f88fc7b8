"""Multipart uploads by presigned requests alone, as a browser makes them, on our wire and on a real S3."""

import hashlib
import re
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest

from reelkeep.stores.protocol import PART_BYTES_MIN
from reelkeep.stores.tickets import SignedAccess
from tests.fixtures.wire import Running, Service, said

KEY = "incoming/7f/a1"
FIRST, LAST = b"1" * PART_BYTES_MIN, b"the last"
UPLOADS = [("uploads", "")]


@dataclass(frozen=True, slots=True)
class Client:
    """Someone who was given signed URLs and knows nothing else."""

    service: Service

    def url(self, method: str, query: Iterable[tuple[str, str]] = (), key: str = KEY) -> str:
        access = SignedAccess(self.service.signer(), self.service.bucket)
        return access.any(method, key, 600, query)

    def send(self, method: str, query: Iterable[tuple[str, str]] = (), **sent: Any) -> httpx.Response:
        key = sent.pop("key", KEY)
        return httpx.request(method, self.url(method, query, key), timeout=30, **sent)

    def begin(self, key: str = KEY, content_type: str = "audio/mp4") -> str:
        answer = self.send("POST", UPLOADS, key=key, headers={"content-type": content_type})
        assert answer.status_code == 200, answer.text
        return text(answer, "UploadId")

    def part(self, upload_id: str, number: int, body: bytes, **sent: Any) -> httpx.Response:
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        return self.send("PUT", query, content=body, **sent)

    def parts(self, upload_id: str, **query: str) -> httpx.Response:
        return self.send("GET", [("uploadId", upload_id), *query.items()])

    def complete(self, upload_id: str, parts: Iterable[tuple[int, str]], **sent: Any) -> httpx.Response:
        return self.send("POST", [("uploadId", upload_id)], content=naming(parts), **sent)

    def get(self, key: str = KEY) -> httpx.Response:
        return self.send("GET", key=key)


def naming(parts: Iterable[tuple[int, str]]) -> bytes:
    inner = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{escape(e)}</ETag></Part>" for n, e in parts)
    return f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()


def text(answer: httpx.Response, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", answer.text)
    assert found, answer.text
    return found[1]


def all_of(answer: httpx.Response, name: str) -> list[str]:
    return re.findall(rf"<{name}>(.*?)</{name}>", answer.text)


@pytest.fixture
def client(service: Service) -> Client:
    return Client(service)


@pytest.fixture
def ours(wire: Running) -> Client:
    return Client(wire.service)


def test_parts_in_any_order_and_at_once_become_one_object(client: Client) -> None:
    upload_id = client.begin()
    bodies = {3: LAST, 1: FIRST, 2: b"2" * PART_BYTES_MIN}
    with ThreadPoolExecutor(3) as pool:
        answers = dict(
            zip(bodies, pool.map(lambda n: client.part(upload_id, n, bodies[n]), bodies), strict=True)
        )
    etags = {n: answer.headers["etag"] for n, answer in answers.items()}
    assert etags == {n: f'"{hashlib.md5(body).hexdigest()}"' for n, body in bodies.items()}
    listed = client.parts(upload_id)
    assert all_of(listed, "PartNumber") == ["1", "2", "3"]
    assert all_of(listed, "Size") == [str(len(bodies[n])) for n in (1, 2, 3)]
    assert text(listed, "IsTruncated") == "false"
    assert client.get().status_code == 404
    answer = client.complete(upload_id, sorted(etags.items()))
    assert answer.status_code == 200, answer.text
    joined = hashlib.md5(b"".join(hashlib.md5(bodies[n]).digest() for n in (1, 2, 3))).hexdigest()
    if client.service.kind == "wire":  # Ceph 16 leaves it empty
        assert text(answer, "ETag") == f'"{joined}-3"'
    got = client.get()
    assert got.content == bodies[1] + bodies[2] + bodies[3]
    assert (got.headers["content-type"], got.headers["etag"]) == ("audio/mp4", f'"{joined}-3"')
    gone = "NoSuchUpload" if client.service.kind == "wire" else "NoSuchKey"
    assert said(client.parts(upload_id)) == (404, gone)


def test_a_part_sent_again_takes_the_place_of_the_first(client: Client) -> None:
    upload_id = client.begin()
    client.part(upload_id, 1, b"wrong")
    right = client.part(upload_id, 1, b"right").headers["etag"]
    assert all_of(client.parts(upload_id), "Size") == ["5"]
    assert client.complete(upload_id, [(1, right)]).status_code == 200
    assert client.get().content == b"right"


def test_parts_may_be_listed_page_by_page(client: Client) -> None:
    upload_id = client.begin()
    for number in (1, 5, 9):
        client.part(upload_id, number, b"x")
    first = client.parts(upload_id, **{"max-parts": "2"})
    assert all_of(first, "PartNumber") == ["1", "5"]
    assert (text(first, "IsTruncated"), text(first, "NextPartNumberMarker")) == ("true", "5")
    second = client.parts(upload_id, **{"part-number-marker": "5"})
    assert (all_of(second, "PartNumber"), text(second, "IsTruncated")) == (["9"], "false")


def test_an_abort_removes_the_upload(client: Client) -> None:
    upload_id = client.begin()
    client.part(upload_id, 1, b"x")
    query = [("uploadId", upload_id)]
    assert client.send("DELETE", query).status_code == 204
    assert said(client.part(upload_id, 2, b"x")) == (404, "NoSuchUpload")
    answer = client.complete(upload_id, [(1, f'"{hashlib.md5(b"x").hexdigest()}"')])
    # Ceph 16 has an internal error over it.
    assert said(answer) == (
        (404, "NoSuchUpload") if client.service.kind == "wire" else (500, "InternalError")
    )
    assert client.get().status_code == 404


def test_a_part_under_5_mib_that_is_not_the_last_is_refused(client: Client) -> None:
    upload_id = client.begin()
    etags = [(n, client.part(upload_id, n, b"small").headers["etag"]) for n in (1, 2)]
    assert said(client.complete(upload_id, etags)) == (400, "EntityTooSmall")
    assert client.get().status_code == 404
    assert len(all_of(client.parts(upload_id), "PartNumber")) == 2


def test_parts_that_never_came_or_are_others_are_refused(client: Client) -> None:
    upload_id = client.begin()
    etag = client.part(upload_id, 1, b"x").headers["etag"]
    other = f'"{"0" * 32}"'
    assert said(client.complete(upload_id, [(1, other)])) == (400, "InvalidPart")
    assert said(client.complete(upload_id, [(2, etag)])) == (400, "InvalidPart")
    assert client.complete(upload_id, [(1, etag)]).status_code == 200


def test_parts_out_of_order_are_refused(client: Client) -> None:
    upload_id = client.begin()
    etags = {n: client.part(upload_id, n, body).headers["etag"] for n, body in ((1, FIRST), (2, LAST))}
    answer = client.complete(upload_id, [(2, etags[2]), (1, etags[1])])
    # Ceph sorts them and answers as if they had been in order.
    assert client.service.kind == "ceph" or said(answer) == (400, "InvalidPartOrder")


@pytest.mark.parametrize("body", [b"", b"not xml", b"<CompleteMultipartUpload/>", naming([])])
def test_a_body_that_names_no_parts_is_malformed(client: Client, body: bytes) -> None:
    upload_id = client.begin()
    answer = client.send("POST", [("uploadId", upload_id)], content=body)
    assert said(answer) == (400, "MalformedXML")


def test_a_url_of_one_upload_writes_nothing_else(client: Client) -> None:
    """A ticket's signature binds method, key and query: nothing of it can be exchanged."""
    upload_id, other = client.begin(), client.begin(key="incoming/7f/b2")
    query = [("partNumber", "1"), ("uploadId", upload_id)]
    url = client.url("PUT", query)
    for changed in (
        url.replace(KEY, "incoming/7f/b2"),
        url.replace(KEY, "recordings/7f/b2"),
        url.replace(upload_id, other),
        url.replace("partNumber=1", "partNumber=2"),
        url.replace(f"&uploadId={upload_id}", ""),
        f"{url}&acl",
    ):
        assert changed != url
        assert said(httpx.put(changed, content=b"x")) == (403, "SignatureDoesNotMatch")
    assert said(httpx.request("DELETE", url)) == (403, "SignatureDoesNotMatch")
    assert said(httpx.get(url)) == (403, "SignatureDoesNotMatch")
    # Rightly signed for another key, the upload is not known there.
    assert said(client.send("PUT", query, key="incoming/7f/b2", content=b"x")) == (404, "NoSuchUpload")
    assert all_of(client.parts(upload_id), "PartNumber") == []


def test_a_declared_md5_of_a_part_is_checked(client: Client) -> None:
    upload_id = client.begin()
    answer = client.part(upload_id, 1, b"x", headers={"content-md5": "A" * 22 + "=="})
    assert said(answer) == (400, "BadDigest")
    assert all_of(client.parts(upload_id), "PartNumber") == []


# What Amazon does and Ceph 16 does not, or the other way round: on ours alone.


def test_completing_again_answers_the_same(ours: Client) -> None:
    upload_id = ours.begin()
    etag = ours.part(upload_id, 1, b"x").headers["etag"]
    answers = [ours.complete(upload_id, [(1, etag)]) for _ in range(3)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert said(ours.complete(upload_id, [(1, f'"{"0" * 32}"')])) == (404, "NoSuchUpload")


def test_completing_only_where_nothing_is(ours: Client) -> None:
    upload_id, other = ours.begin(), ours.begin()
    etag = ours.part(upload_id, 1, b"x").headers["etag"]
    ours.part(other, 1, b"x")
    only = {"headers": {"if-none-match": "*"}}
    assert ours.complete(upload_id, [(1, etag)], **only).status_code == 200
    assert ours.complete(upload_id, [(1, etag)], **only).status_code == 200
    assert said(ours.complete(other, [(1, etag)], **only)) == (412, "PreconditionFailed")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("0", (400, "InvalidArgument")),
        ("10001", (400, "InvalidArgument")),
        ("-1", (400, "InvalidArgument")),
        ("x", (400, "InvalidArgument")),
        ("10000", (200, "")),
    ],
)
def test_part_numbers_are_1_to_10000(ours: Client, number: str, code: tuple[int, str]) -> None:
    query = [("partNumber", number), ("uploadId", ours.begin())]
    assert said(ours.send("PUT", query, content=b"x")) == code


def test_entities_and_endless_bodies_are_not_read(ours: Client) -> None:
    upload_id = ours.begin()
    bomb = b'<!DOCTYPE a [<!ENTITY e "eeee">]>' + naming([(1, "&e;")]).replace(b"&amp;", b"&")
    query = [("uploadId", upload_id)]
    assert said(ours.send("POST", query, content=bomb)) == (400, "MalformedXML")
    assert said(ours.send("POST", query, content=b" " * (5 << 20))) == (400, "MaxMessageLengthExceeded")


def test_a_part_that_is_cut_off_is_not_kept(ours: Client, wire: Running) -> None:
    upload_id = ours.begin()
    target = ours.url("PUT", [("partNumber", "1"), ("uploadId", upload_id)]).partition(f":{wire.port}")[2]
    with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as connection:
        connection.sendall(f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode())
        connection.sendall(b"x" * 99)
    assert ours.part(upload_id, 2, b"y").status_code == 200
    assert all_of(ours.parts(upload_id), "PartNumber") == ["2"]


def test_uploads_under_way_are_listed_page_by_page(ours: Client) -> None:
    ids = sorted([("b/1", ours.begin("b/1")), ("b/2", ours.begin("b/2")), ("b/2", ours.begin("b/2"))])
    ours.begin("a/1")
    signer, bucket = ours.service.signer(), ours.service.bucket
    listed: list[tuple[str, str]] = []
    markers: list[tuple[str, str]] = []
    while True:
        query = [("uploads", ""), ("prefix", "b/"), ("max-uploads", "1"), *markers]
        url = signer.presign("GET", bucket, None, expires_in_seconds=60, query=query)
        page = httpx.get(url)
        listed += zip(all_of(page, "Key"), all_of(page, "UploadId"), strict=True)
        if text(page, "IsTruncated") == "false":
            break
        markers = [
            ("key-marker", text(page, "NextKeyMarker")),
            ("upload-id-marker", text(page, "NextUploadIdMarker")),
        ]
    assert listed == ids


def test_pages_elsewhere_may_read_etags_and_abort(ours: Client) -> None:
    url = ours.url("DELETE", [("uploadId", "x")])
    asked = {"origin": "http://localhost:3000", "access-control-request-method": "DELETE"}
    allowed = httpx.options(url, headers=asked).headers["access-control-allow-methods"]
    assert {"GET", "PUT", "POST", "DELETE", "HEAD"} <= set(allowed.split(", "))
    answer = ours.part(ours.begin(), 1, b"x", headers={"origin": "http://localhost:3000"})
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert answer.headers["access-control-allow-origin"] == "*"
