"""Tools that speak S3, pointed at the wire with an access key: boto3 and curl."""

import io
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from reelkeep.stores.signer import Credentials
from tests.fixtures.wire import CREDENTIALS, READ_ONLY, Running, said

BUCKET = "recordings"
MIB = 1024 * 1024
IN_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)


def boto(wire: Running, credentials: Credentials = CREDENTIALS, **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=wire.service.endpoint_url,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **config
        ),
    )


#: As the documents advise, and as boto3 is without advice: it then sends a CRC32 of every body.
@pytest.fixture(params=["when_required", "when_supported"])
def client(wire: Running, request: pytest.FixtureRequest) -> Any:
    return boto(wire, request_checksum_calculation=request.param, response_checksum_validation=request.param)


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_an_object_is_put_read_in_ranges_and_deleted(client: Any) -> None:
    where = {"Bucket": BUCKET, "Key": "incoming/a"}
    made = client.put_object(**where, Body=b"sound", ContentType="audio/wav")
    got = client.get_object(**where)
    assert (got["Body"].read(), got["ContentType"], got["ETag"]) == (b"sound", "audio/wav", made["ETag"])
    assert client.get_object(**where, Range="bytes=1-3")["Body"].read() == b"oun"
    assert client.head_object(**where)["ContentLength"] == 5
    assert refused(client.get_object, **where, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(client.get_object, **where, IfNoneMatch=made["ETag"]) == (304, "304")
    client.delete_object(**where)
    client.delete_object(**where)
    assert refused(client.get_object, **where) == (404, "NoSuchKey")


def test_a_large_file_goes_in_parts_and_comes_back(client: Any) -> None:
    body = os.urandom(17 * MIB + 3)
    extra = {"ContentType": "video/mp4"}
    client.upload_fileobj(io.BytesIO(body), BUCKET, "big", ExtraArgs=extra, Config=IN_PARTS)
    head = client.head_object(Bucket=BUCKET, Key="big")
    assert (head["ContentType"], head["ContentLength"]) == ("video/mp4", len(body))
    assert head["ETag"].endswith('-4"')
    got = io.BytesIO()
    client.download_fileobj(BUCKET, "big", got, Config=IN_PARTS)
    assert got.getvalue() == body


def test_multipart_uploads_are_listed_and_aborted(client: Any) -> None:
    where = {"Bucket": BUCKET, "Key": "m"}
    upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
    client.upload_part(**upload, PartNumber=3, Body=b"three")
    assert [part["Size"] for part in client.list_parts(**upload)["Parts"]] == [5]
    (listed,) = client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert (listed["Key"], listed["UploadId"]) == ("m", upload["UploadId"])
    parts = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "0" * 32}]}}
    assert refused(client.complete_multipart_upload, **upload, **parts) == (400, "InvalidPart")
    client.abort_multipart_upload(**upload)
    assert refused(client.list_parts, **upload) == (404, "NoSuchUpload")
    assert refused(client.abort_multipart_upload, **upload) == (404, "NoSuchUpload")
    assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)


def test_a_bucket_is_listed_by_folders_and_by_pages(client: Any) -> None:
    keys = [f"{folder}/{n}" for folder in ("a", "b", "c") for n in range(3)] + ["top"]
    for key in keys:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x" * len(key))
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 4})
    listed = [(entry["Key"], entry["Size"]) for page in pages for entry in page["Contents"]]
    assert listed == [(key, len(key)) for key in sorted(keys)]
    top = client.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    assert [entry["Prefix"] for entry in top["CommonPrefixes"]] == ["a/", "b/", "c/"]
    assert [entry["Key"] for entry in top["Contents"]] == ["top"]
    inner = client.list_objects_v2(Bucket=BUCKET, Prefix="b/", StartAfter="b/0")
    assert [entry["Key"] for entry in inner["Contents"]] == ["b/1", "b/2"]
    assert client.list_objects_v2(Bucket=BUCKET, MaxKeys=0)["KeyCount"] == 0
    assert refused(client.list_objects_v2, Bucket=BUCKET, ContinuationToken="ü")[0] == 400


def test_what_tools_ask_first_is_answered(client: Any) -> None:
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == [BUCKET]
    assert client.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert client.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    assert refused(client.head_bucket, Bucket="another") == (404, "404")


def test_a_write_may_be_bound_to_what_is_there(client: Any) -> None:
    where = {"Bucket": BUCKET, "Key": "once"}
    first = client.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(client.put_object, **where, Body=b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    second = client.put_object(**where, Body=b"2", IfMatch=first)["ETag"]
    assert refused(client.put_object, **where, Body=b"3", IfMatch=first) == (412, "PreconditionFailed")
    assert client.get_object(**where, IfMatch=second)["Body"].read() == b"2"
    missing = {"Bucket": BUCKET, "Key": "none", "Body": b"", "IfMatch": first}
    assert refused(client.put_object, **missing) == (404, "NoSuchKey")


def test_an_object_is_copied_inside_the_bucket(client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="from", Body=b"sound", ContentType="audio/flac")
    client.copy_object(Bucket=BUCKET, Key="to", CopySource={"Bucket": BUCKET, "Key": "from"})
    got = client.get_object(Bucket=BUCKET, Key="to")
    assert (got["Body"].read(), got["ContentType"]) == (b"sound", "audio/flac")
    elsewhere = {"Bucket": "another", "Key": "from"}
    assert refused(client.copy_object, Bucket=BUCKET, Key="to", CopySource=elsewhere)[0] == 501


def test_sealed_bytes_are_read_and_never_changed(wire: Running, client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="incoming/x", Body=b"sound")
    sealed = {"Bucket": BUCKET, "Key": "recordings/o/r/b"}
    with wire.store._folder.locked("unrelated"):
        wire.store._folder.copy("incoming/x", sealed["Key"])
    assert client.get_object(**sealed)["Body"].read() == b"sound"
    denied = (403, "AccessDenied")
    assert refused(client.put_object, **sealed, Body=b"other") == denied
    assert refused(client.delete_object, **sealed) == denied
    assert refused(client.create_multipart_upload, **sealed) == denied
    source = {"Bucket": BUCKET, "Key": "incoming/x"}
    assert refused(client.copy_object, **sealed, CopySource=source) == denied
    form = client.generate_presigned_post(**sealed)
    files = {"file": b"other"}
    assert said(httpx.post(form["url"], data=form["fields"], files=files)) == denied
    assert said(httpx.put(client.generate_presigned_url("put_object", sealed), content=b"x")) == denied
    assert client.get_object(**sealed)["Body"].read() == b"sound"


def test_a_reading_key_reads_and_lists_and_nothing_else(wire: Running, client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="a", Body=b"sound")
    reading = boto(wire, READ_ONLY.credentials)
    assert reading.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"sound"
    assert reading.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 1
    where = {"Bucket": BUCKET, "Key": "a"}
    for call in (
        reading.put_object,
        reading.delete_object,
        reading.create_multipart_upload,
        lambda **where: reading.copy_object(**where, CopySource={"Bucket": BUCKET, "Key": "a"}),
    ):
        assert refused(call, **where) == (403, "AccessDenied")
    form = reading.generate_presigned_post(**where)
    answer = httpx.post(form["url"], data=form["fields"], files={"file": b"other"})
    assert said(answer) == (403, "AccessDenied")


def test_a_wrong_secret_and_an_unknown_key_are_refused(wire: Running) -> None:
    wrong = boto(wire, Credentials(CREDENTIALS.access_key, "guessed"))
    assert refused(wrong.put_object, Bucket=BUCKET, Key="a", Body=b"") == (403, "SignatureDoesNotMatch")
    unknown = boto(wire, Credentials("unknown", "guessed"))
    assert refused(unknown.list_objects_v2, Bucket=BUCKET) == (403, "InvalidAccessKeyId")
    assert refused(boto(wire, Credentials("unknown", "x")).list_buckets) == (403, "InvalidAccessKeyId")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_wrong_by_more_than_15_minutes_is_told(
    wire: Running, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    right = botocore.auth.get_current_datetime
    monkeypatch.setitem(
        vars(botocore.auth),
        "get_current_datetime",
        lambda *a, **k: right(*a, **k) + timedelta(minutes=minutes),
    )
    client = boto(wire)
    client.meta.events.unregister("needs-retry.s3")
    assert refused(client.list_objects_v2, Bucket=BUCKET) == (403, "RequestTimeTooSkewed")


def test_a_body_other_than_the_signed_one_is_refused(wire: Running) -> None:
    for key, body in (("a", b"other"), ("a", b"")):
        url, headers = wire.service.signer().sign_request("PUT", BUCKET, key, payload_sha256="0" * 64)
        assert said(httpx.put(url, content=body, headers=headers)) == (400, "XAmzContentSHA256Mismatch")
    query = [("uploadId", "x")]
    url, headers = wire.service.signer().sign_request("POST", BUCKET, "a", query=query)
    naming = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    assert said(httpx.post(url, content=naming, headers=headers)) == (400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize(
    "extra",
    [
        {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
        {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-trailer": "x-amz-checksum-crc32",
        },
        {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="},
    ],
)
def test_chunked_signatures_are_refused_with_how_to_switch_them_off(
    wire: Running, extra: dict[str, str]
) -> None:
    payload = extra.pop("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    url, headers = wire.service.signer().sign_request(
        "PUT", BUCKET, "a", headers=extra, payload_sha256=payload
    )
    answer = httpx.put(url, content=b"5;chunk-signature=0\r\nsound\r\n0\r\n\r\n", headers=headers)
    assert said(answer) == (501, "NotImplemented")
    assert 'request_checksum_calculation="when_required"' in answer.text.replace("&quot;", '"')


def test_url_and_header_may_not_both_be_signed(wire: Running) -> None:
    url = wire.store.url_get("a", 60)
    _, headers = wire.service.signer().sign_request("GET", BUCKET, "a")
    assert said(httpx.get(url, headers=headers)) == (400, "InvalidArgument")
    # What is for somebody else does not matter.
    assert said(httpx.get(url, headers={"authorization": "Bearer x"})) == (404, "NoSuchKey")


def test_what_is_not_spoken_is_refused_by_name(client: Any) -> None:
    where = {"Bucket": BUCKET, "Key": "a"}
    client.put_object(**where, Body=b"x", StorageClass="STANDARD", ACL="private")
    for call in (
        lambda: client.put_object(**where, Body=b"x", ACL="public-read"),
        lambda: client.put_object(**where, Body=b"x", ServerSideEncryption="AES256"),
        lambda: client.put_object_tagging(**where, Tagging={"TagSet": []}),
        lambda: client.get_object(**where, VersionId="1"),
        lambda: client.get_bucket_policy(Bucket=BUCKET),
        lambda: client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}),
    ):
        assert refused(call) in [(501, "NotImplemented"), (405, "MethodNotAllowed")]
    assert client.get_object(**where)["Body"].read() == b"x"


def curl(credentials: Credentials, *arguments: str | Path) -> str:
    sign = [
        "--aws-sigv4",
        "aws:amz:us-east-1:s3",
        "--user",
        f"{credentials.access_key}:{credentials.secret_key}",
    ]
    unsigned = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    command = ["curl", "-sS", "-w", "%{http_code}", *sign, *unsigned, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_curl_signs_for_itself(wire: Running, tmp_path: Path) -> None:
    sound, got = tmp_path / "sound", tmp_path / "got"
    sound.write_bytes(os.urandom(3 * MIB))
    url = f"{wire.service.endpoint_url}/{BUCKET}"
    assert curl(CREDENTIALS, "-T", sound, f"{url}/incoming/c") == "200"
    assert curl(CREDENTIALS, "-o", got, f"{url}/incoming/c") == "200"
    assert got.read_bytes() == sound.read_bytes()
    for listing in (f"{url}/?list-type=2&prefix=incoming", f"{url}?list-type=2&prefix=incoming"):
        assert "<Key>incoming/c</Key>" in curl(CREDENTIALS, listing)
    assert f"<Name>{BUCKET}</Name>" in curl(CREDENTIALS, f"{wire.service.endpoint_url}/")
    assert curl(CREDENTIALS, "-X", "DELETE", f"{url}/incoming/c") == "204"
    assert curl(READ_ONLY.credentials, "-T", sound, f"{url}/incoming/c").endswith("403")


def test_curl_sends_parts_by_signed_urls(wire: Running, tmp_path: Path) -> None:
    """As a script does that was handed URLs, with no tool for S3 at all."""
    body = os.urandom(5 * MIB + 11)
    store, key = wire.store, "incoming/s"

    def send(*arguments: str | Path) -> str:
        command = ["curl", "-sS", "-f", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    begun = send("-X", "POST", store.url_for("POST", key, 60, [("uploads", "")]))
    upload_id = begun.partition("<UploadId>")[2].partition("<")[0]
    named = ""
    for number, piece in enumerate((body[: 5 * MIB], body[5 * MIB :]), 1):
        part = tmp_path / str(number)
        part.write_bytes(piece)
        url = store.url_for("PUT", key, 60, [("partNumber", str(number)), ("uploadId", upload_id)])
        etag = send("-T", part, "-w", "%header{etag}", url)
        named += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
    naming = f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>"
    send("-d", naming, store.url_for("POST", key, 60, [("uploadId", upload_id)]))
    assert httpx.get(store.url_get(key, 60)).content == body
