"""What tools ask beside bytes: lists of the first version, many deletions, metadata; as a real S3 answers."""

import asyncio
import base64
import hashlib
import io
import random
from typing import Any

import boto3
import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from reelkeep.stores.signer import Credentials
from tests.fixtures.wire import READ_ONLY, Running, Service, post, said

MIB = 1024 * 1024
IN_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


def boto(service: Service, credentials: Credentials | None = None, **config: Any) -> Any:
    credentials = credentials or service.credentials
    return boto3.client(
        "s3",
        endpoint_url=service.endpoint_url,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **config
        ),
    )


@pytest.fixture
def client(service: Service) -> Any:
    return boto(service, request_checksum_calculation="when_required")


def code_of(error: "pytest.ExceptionInfo[ClientError]") -> str:
    return str(error.value.response["Error"]["Code"])


def fill(client: Any, bucket: str) -> list[str]:
    keys = [f"{folder}/{n}" for folder in ("a", "b", "c") for n in range(3)] + ["top"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return keys


def test_a_list_of_the_first_version_goes_on_by_its_last_key(service: Service, client: Any) -> None:
    keys, found, marker = fill(client, service.bucket), [], ""
    while True:
        page = client.list_objects(Bucket=service.bucket, MaxKeys=4, Marker=marker)
        found += [(entry["Key"], entry["Size"]) for entry in page["Contents"]]
        if not page["IsTruncated"]:
            break
        marker = page["Contents"][-1]["Key"]
    assert found == [(key, len(key)) for key in sorted(keys)]
    assert page["Contents"][0]["ETag"] == f'"{hashlib.md5(b"c/2").hexdigest()}"'
    assert page["Contents"][0]["Owner"]["ID"]


def test_a_list_of_folders_goes_on_after_the_whole_of_the_last(service: Service, client: Any) -> None:
    fill(client, service.bucket)
    first = client.list_objects(Bucket=service.bucket, Delimiter="/", MaxKeys=2)
    assert [entry["Prefix"] for entry in first["CommonPrefixes"]] == ["a/", "b/"]
    assert first["NextMarker"] == "b/"
    rest = client.list_objects(Bucket=service.bucket, Delimiter="/", Marker=first["NextMarker"])
    assert [entry["Prefix"] for entry in rest["CommonPrefixes"]] == ["c/"]
    assert [entry["Key"] for entry in rest["Contents"]] == ["top"]
    inside = client.list_objects(Bucket=service.bucket, Prefix="b/", Marker="b/0")
    assert [entry["Key"] for entry in inside["Contents"]] == ["b/1", "b/2"]


def test_many_objects_are_deleted_by_one_request(service: Service, client: Any) -> None:
    fill(client, service.bucket)
    named = {"Objects": [{"Key": "a/0"}, {"Key": "top"}, {"Key": "never-was"}]}
    told = client.delete_objects(Bucket=service.bucket, Delete=named)
    assert sorted(entry["Key"] for entry in told["Deleted"]) == ["a/0", "never-was", "top"]
    quiet = {"Objects": [{"Key": "a/1"}], "Quiet": True}
    assert "Deleted" not in client.delete_objects(Bucket=service.bucket, Delete=quiet)
    left = [entry["Key"] for entry in client.list_objects(Bucket=service.bucket)["Contents"]]
    assert left == ["a/2", "b/0", "b/1", "b/2", "c/0", "c/1", "c/2"]


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete/>",
        b"not xml",
        b"<Delete><Object/></Delete>",
        b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
        b'<!DOCTYPE d [<!ENTITY e "top">]><Delete><Object><Key>&e;</Key></Object></Delete>',
    ],
)
def test_a_list_of_deletions_that_is_none_deletes_nothing(wire: Running, body: bytes) -> None:
    client = boto(wire.service)
    client.put_object(Bucket="recordings", Key="top", Body=b"")
    digest = hashlib.sha256(body).hexdigest()
    url, headers = wire.service.signer().sign_request(
        "POST", "recordings", "", query=[("delete", "")], payload_sha256=digest
    )
    assert said(httpx.post(url, content=body, headers=headers)) == (400, "MalformedXML")
    assert client.head_object(Bucket="recordings", Key="top")


def test_a_list_of_deletions_that_was_changed_on_its_way_deletes_nothing(wire: Running) -> None:
    client = boto(wire.service)
    client.put_object(Bucket="recordings", Key="top", Body=b"")
    body = b"<Delete><Object><Key>top</Key></Object></Delete>"
    for told in (
        {"content-md5": base64.b64encode(hashlib.md5(b"other").digest()).decode()},
        {"x-amz-checksum-crc32": "AAAAAA=="},
    ):
        url, headers = wire.service.signer().sign_request(
            "POST",
            "recordings",
            "",
            query=[("delete", "")],
            headers=told,
            payload_sha256="UNSIGNED-PAYLOAD",
        )
        assert said(httpx.post(url, content=body, headers=headers)) == (400, "BadDigest")
    assert client.head_object(Bucket="recordings", Key="top")


def test_sealed_bytes_are_refused_one_by_one_and_the_others_deleted(wire: Running) -> None:
    client, sealed = boto(wire.service), "recordings/o/r/b"
    client.put_object(Bucket="recordings", Key="tools/x", Body=b"sound")
    wire.store._folder.copy("tools/x", sealed)
    named = [{"Key": sealed}, {"Key": "tools/x"}, {"Key": "backups/b"}, {"Key": "ümlaut"}]
    told = client.delete_objects(Bucket="recordings", Delete={"Objects": named, "Quiet": True})
    assert "Deleted" not in told
    assert {entry["Key"]: entry["Code"] for entry in told["Errors"]} == {
        sealed: "AccessDenied",
        "backups/b": "AccessDenied",
        "ümlaut": "InvalidArgument",
    }
    assert client.get_object(Bucket="recordings", Key=sealed)["Body"].read() == b"sound"
    with pytest.raises(ClientError) as gone:
        client.head_object(Bucket="recordings", Key="tools/x")
    assert code_of(gone) == "404"


def test_a_deletion_that_is_bound_to_a_version_is_refused(wire: Running) -> None:
    client = boto(wire.service)
    client.put_object(Bucket="recordings", Key="a", Body=b"sound")
    named = {"Objects": [{"Key": "a", "VersionId": "1"}]}
    (error,) = client.delete_objects(Bucket="recordings", Delete=named)["Errors"]
    assert (error["Key"], error["Code"]) == ("a", "NotImplemented")
    assert client.head_object(Bucket="recordings", Key="a")


def test_a_reading_key_deletes_nothing_and_makes_no_bucket(wire: Running) -> None:
    boto(wire.service).put_object(Bucket="recordings", Key="a", Body=b"sound")
    reading = boto(wire.service, READ_ONLY.credentials)
    for call in (
        lambda: reading.delete_objects(Bucket="recordings", Delete={"Objects": [{"Key": "a"}]}),
        lambda: reading.create_bucket(Bucket="recordings"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == "AccessDenied"
    assert reading.list_objects(Bucket="recordings")["Contents"]


def test_metadata_are_kept_and_told_with_the_bytes(service: Service, client: Any) -> None:
    told = {"mtime": "1795703956.43", "device": "recorder 7"}
    for key, body in (("small", b"sound"), ("large", bytes(11 * MIB))):
        client.upload_fileobj(
            io.BytesIO(body), service.bucket, key, ExtraArgs={"Metadata": told}, Config=IN_PARTS
        )
        where = {"Bucket": service.bucket, "Key": key}
        assert client.head_object(**where)["Metadata"] == told
        assert client.get_object(**where, Range="bytes=0-1")["Metadata"] == told
    client.put_object(Bucket=service.bucket, Key="small", Body=b"other")
    assert client.head_object(Bucket=service.bucket, Key="small")["Metadata"] == {}


def test_a_copy_has_its_sources_metadata_or_others(service: Service, client: Any) -> None:
    where = {"Bucket": service.bucket, "Key": "from"}
    client.put_object(**where, Body=b"sound", ContentType="audio/flac", Metadata={"a": "1"})
    client.copy_object(Bucket=service.bucket, Key="to", CopySource=where, Metadata={"b": "2"})
    head = client.head_object(Bucket=service.bucket, Key="to")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "audio/flac")
    client.copy_object(
        **where, CopySource=where, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="audio/wav"
    )
    got = client.get_object(**where)
    assert (got["Metadata"], got["ContentType"], got["Body"].read()) == ({"b": "2"}, "audio/wav", b"sound")


def test_a_large_object_is_copied_in_parts(service: Service, client: Any) -> None:
    body = random.Random(7).randbytes(12 * MIB + 1)
    source = {"Bucket": service.bucket, "Key": "from"}
    client.put_object(**source, Body=body, ContentType="audio/flac")
    client.copy(source, service.bucket, "to", Config=IN_PARTS)
    got = client.get_object(Bucket=service.bucket, Key="to")
    assert got["ETag"].endswith('-3"')
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(body).digest()


def test_a_part_is_a_range_of_an_object_that_is_still_the_one_meant(service: Service, client: Any) -> None:
    body = random.Random(8).randbytes(6 * MIB)
    source = {"Bucket": service.bucket, "Key": "from"}
    etag = client.put_object(**source, Body=body)["ETag"]
    where = {"Bucket": service.bucket, "Key": "to"}
    upload_id = client.create_multipart_upload(**where)["UploadId"]

    def copy(number: int, **given: Any) -> Any:
        given = {"CopySource": source, **where, "UploadId": upload_id, "PartNumber": number, **given}
        return client.upload_part_copy(**given)["CopyPartResult"]

    first = copy(1, CopySourceRange=f"bytes=3-{5 * MIB + 2}", CopySourceIfMatch=etag)
    assert first["ETag"].strip('"') == hashlib.md5(body[3 : 5 * MIB + 3]).hexdigest()
    second = copy(2, CopySourceRange=f"bytes={5 * MIB + 3}-{6 * MIB - 1}")
    parts = [{"PartNumber": n, "ETag": part["ETag"]} for n, part in enumerate((first, second), 1)]
    with pytest.raises(ClientError) as missing:
        copy(3, CopySource={**source, "Key": "none"})
    assert code_of(missing) == "NoSuchKey"
    with pytest.raises(ClientError):
        copy(3, CopySourceRange=f"bytes=0-{6 * MIB}")
    client.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload={"Parts": parts})
    assert client.get_object(**where)["Body"].read() == body[3:]


def test_a_copy_of_what_is_another_object_by_now_is_refused(wire: Running) -> None:
    client, bucket = boto(wire.service, request_checksum_calculation="when_required"), wire.service.bucket
    source = {"Bucket": bucket, "Key": "from"}
    etag = client.put_object(**source, Body=b"older")["ETag"]
    client.put_object(**source, Body=b"newer")
    where = {"Bucket": bucket, "Key": "to"}
    upload_id = client.create_multipart_upload(**where)["UploadId"]
    given = {**where, "CopySource": source, "CopySourceIfMatch": etag}
    for call, more in (
        (client.copy_object, {}),
        (client.upload_part_copy, {"UploadId": upload_id, "PartNumber": 1}),
    ):
        with pytest.raises(ClientError) as refused:
            call(**given, **more)
        assert code_of(refused) == "PreconditionFailed"
    assert "Parts" not in client.list_parts(**where, UploadId=upload_id)
    # What a URL was not signed for is not done by it.
    url = client.generate_presigned_url("upload_part", {**where, "UploadId": upload_id, "PartNumber": 1})
    answer = httpx.put(url, headers={"x-amz-copy-source": f"/{bucket}/from"})
    assert answer.status_code == 403
    assert "Parts" not in client.list_parts(**where, UploadId=upload_id)


def test_a_form_may_carry_metadata_that_its_policy_allows(service: Service, client: Any) -> None:
    fields = {"x-amz-meta-device": "7"}
    where = {"Bucket": service.bucket, "Key": "formed"}
    form = client.generate_presigned_post(**where, Fields=fields, Conditions=[fields])
    assert post(service, form["url"], form["fields"], b"sound").status_code == 204
    assert client.head_object(**where)["Metadata"] == {"device": "7"}
    bare = client.generate_presigned_post(**where)
    assert said(post(service, bare["url"], {**fields, **bare["fields"]}, b"x")) == (403, "AccessDenied")


def test_metadata_over_2_kb_are_refused(wire: Running) -> None:
    client, where = boto(wire.service), {"Bucket": "recordings", "Key": "a"}
    client.put_object(**where, Body=b"", Metadata={"a": "x" * 2047})
    with pytest.raises(ClientError) as error:
        client.put_object(**where, Body=b"", Metadata={"a": "x" * 2048})
    assert code_of(error) == "MetadataTooLarge"


def test_metadata_that_a_url_does_not_sign_are_refused(wire: Running) -> None:
    url = boto(wire.service).generate_presigned_url("put_object", {"Bucket": "recordings", "Key": "a"})
    answer = httpx.put(url, content=b"x", headers={"x-amz-meta-a": "1"})
    assert said(answer) == (403, "AccessDenied")


def test_how_reelkeep_describes_objects_is_told_and_written_by_nobody_else(wire: Running) -> None:
    client = boto(wire.service)
    client.put_object(Bucket="recordings", Key="a", Body=b"sound", Metadata={"device": "7"})
    for call in (
        lambda **told: client.put_object(Bucket="recordings", Key="b", Body=b"", **told),
        lambda **told: client.create_multipart_upload(Bucket="recordings", Key="b", **told),
    ):
        with pytest.raises(ClientError) as error:
            call(Metadata={"reelkeep-kind": "original"})
        assert code_of(error) == "AccessDenied"

    asyncio.run(wire.store.copy_described("a", "recordings/a", {"kind": "original"}))
    assert client.head_object(Bucket="recordings", Key="recordings/a")["Metadata"] == {
        "reelkeep-kind": "original"
    }


def test_a_bucket_that_is_there_may_be_made_again_and_keeps_no_versions(
    client: Any, service: Service
) -> None:
    client.put_object(Bucket=service.bucket, Key="a", Body=b"sound")
    client.create_bucket(Bucket=service.bucket)
    assert client.get_object(Bucket=service.bucket, Key="a")["Body"].read() == b"sound"
    assert "Status" not in client.get_bucket_versioning(Bucket=service.bucket)
