"""`reelkeep storage list`, `provision` and `probe`, against a real S3 service and folders."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reelkeep.cli.checks.bucket_documents import least_policy, policy_statements
from reelkeep.stores_config import S3Spec
from tests.fixtures.ceph import Ceph
from tests.fixtures.versions import forbid, keep_versions, versions_in
from tests.service.cli.conftest import CommandLine, clean_environment

PAGE = "https://recordings.example.org"


@pytest.fixture
def line(tmp_path: Path) -> Any:
    """A command line whose stores are described by a file."""
    made = CommandLine(tmp_path / "data", clean_environment() | {"REELKEEP_PUBLIC_URL": PAGE})
    made.environment["REELKEEP_STORES_FILE"] = str(tmp_path / "stores.toml")
    yield made
    made.end()


def describe(tmp_path: Path, ceph: Ceph, bucket: str, *more: str) -> None:
    lines = [
        'primary = "kept"',
        "[stores.kept]",
        'kind = "s3"',
        'service = "ceph"',
        f'bucket = "{bucket}"',
        f'endpoint_url = "{ceph.endpoint_url}"',
        f'access_key_id = "{ceph.access_key}"',
        f'secret_access_key = "{ceph.secret_key}"',
        'prefix = "sound"',
        *more,
        "[stores.disk2]",
        'kind = "local"',
        f'path = "{tmp_path / "disk2"}"',
    ]
    (tmp_path / "stores.toml").write_text("\n".join(lines))


def states(document: Any) -> dict[str, str]:
    return {check["name"]: check["state"] for check in document["checks"]}


def test_a_list_shows_every_store_and_no_secret(line: CommandLine, tmp_path: Path, ceph: Ceph) -> None:
    describe(tmp_path, ceph, "sound")
    ran = line.ok("storage", "list", "--json")
    items = {item["name"]: item for item in ran.json["items"]}
    assert list(items) == ["local", "kept", "disk2"]
    assert (items["kept"]["role"], items["kept"]["service"]) == ("primary", "s3 ceph")
    assert items["disk2"]["where"] == str(tmp_path / "disk2")
    assert ceph.secret_key not in ran.out
    assert "sound/sound/ at" in line.ok("storage", "list").out


@pytest.mark.s3
def test_a_bucket_is_checked_then_made_then_as_it_should_be(
    line: CommandLine, tmp_path: Path, ceph: Ceph
) -> None:
    bucket = f"made-{secrets.token_hex(6)}"
    describe(tmp_path, ceph, bucket)
    client = ceph.client()
    ran = line("storage", "provision", "kept", "--check", "--json")
    assert (ran.code, states(ran.json)) == (1, {"bucket": "failed"})
    with pytest.raises(ClientError):
        client.head_bucket(Bucket=bucket)

    made = line.ok("storage", "provision", "kept", "--json").json
    assert made["ok"]
    found = states(made)
    assert {name: found[name] for name in ("bucket", "versioning", "lifecycle", "cors")} == dict.fromkeys(
        ("bucket", "versioning", "lifecycle", "cors"), "ok"
    )
    assert found["plain HTTP"] == "warning"
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = client.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert rule["AllowedOrigins"] == [PAGE]
    rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    days = [
        rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        for rule in rules
        if "AbortIncompleteMultipartUpload" in rule
    ]
    assert days == [30]

    before = json.dumps([rules, rule])
    again = line.ok("storage", "provision", "kept", "--check", "--json").json
    assert states(again) == found
    line.ok("storage", "provision", "kept")
    after = [
        client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
        client.get_bucket_cors(Bucket=bucket)["CORSRules"][0],
    ]
    assert json.dumps(after) == before


@pytest.mark.s3
def test_what_others_have_set_stays_and_ours_is_replaced(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    describe(tmp_path, ceph, ceph_bucket)
    client = ceph.client()
    theirs = {"ID": "theirs", "AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"]}
    client.put_bucket_cors(Bucket=ceph_bucket, CORSConfiguration={"CORSRules": [theirs]})
    line.ok("storage", "provision", "kept")
    line.ok("storage", "provision", "kept", "--origin", "https://b.example")
    rules = {rule["ID"]: rule for rule in client.get_bucket_cors(Bucket=ceph_bucket)["CORSRules"]}
    assert set(rules) == {"theirs", "reelkeep"}
    assert sorted(rules["reelkeep"]["AllowedOrigins"]) == ["https://b.example", PAGE]


@pytest.mark.s3
def test_bytes_under_another_encryption_than_configured_are_refused(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    describe(tmp_path, ceph, ceph_bucket, 'encryption = "aws:kms"', 'kms_key_id = "reelkeep-test"')
    ran = line.ok("storage", "provision", "kept", "--json")
    assert states(ran.json)["policy"] == "ok"
    assert states(ran.json)["unencrypted"] == "warning", "only Amazon S3 refuses what has no header"
    client = ceph.client()
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket=ceph_bucket, Key="sound/a", Body=b"x", ServerSideEncryption="AES256")
    asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "reelkeep-test"}
    client.put_object(Bucket=ceph_bucket, Key="sound/a", Body=b"kept", **asked)
    begun = client.create_multipart_upload(Bucket=ceph_bucket, Key="sound/b", **asked)
    client.upload_part(
        Bucket=ceph_bucket, Key="sound/b", UploadId=begun["UploadId"], PartNumber=1, Body=b"kept"
    )


@pytest.mark.s3
def test_a_policy_that_lets_the_public_in_is_told_and_not_removed(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    describe(tmp_path, ceph, ceph_bucket, 'lacks = ["public_access"]')
    statement = {
        "Sid": "Theirs",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{ceph_bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client = ceph.client()
    client.put_bucket_policy(Bucket=ceph_bucket, Policy=policy)
    ran = line("storage", "provision", "kept", "--json")
    assert (ran.code, states(ran.json)["public"], ran.json["error_code"]) == (1, "failed", "STORE_REFUSED")
    kept = json.loads(client.get_bucket_policy(Bucket=ceph_bucket)["Policy"])["Statement"]
    assert [item["Sid"] for item in kept] == ["Theirs"]


@pytest.mark.s3
def test_a_bucket_whose_acl_is_public_is_made_private(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    describe(tmp_path, ceph, ceph_bucket, 'lacks = ["public_access"]')
    client = ceph.client()
    client.put_bucket_acl(Bucket=ceph_bucket, ACL="public-read")
    ran = line("storage", "provision", "kept", "--check", "--json")
    assert states(ran.json)["acl"] == "failed"
    line.ok("storage", "provision", "kept")
    grants = client.get_bucket_acl(Bucket=ceph_bucket)["Grants"]
    assert not [grant for grant in grants if "URI" in grant["Grantee"]]


@pytest.mark.s3
def test_wrong_credentials_and_an_absent_service_are_told(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    describe(tmp_path, ceph, ceph_bucket)
    text = (tmp_path / "stores.toml").read_text()
    (tmp_path / "stores.toml").write_text(text.replace(ceph.secret_key, "wrong"))
    ran = line("storage", "provision", "kept", "--json")
    assert (ran.code, states(ran.json)) == (1, {"bucket": "failed"})
    (tmp_path / "stores.toml").write_text(text.replace(ceph.endpoint_url, "http://127.0.0.1:9"))
    ran = line("storage", "provision", "kept", "--json")
    assert (ran.code, states(ran.json)) == (1, {"bucket": "failed"})
    ran = line("storage", "provision", "nowhere", "--json")
    assert (ran.code, ran.json["error_code"]) == (3, "STORE_UNKNOWN")


def test_a_folder_is_made_and_checked(line: CommandLine, tmp_path: Path, ceph: Ceph) -> None:
    describe(tmp_path, ceph, "sound")
    assert line("storage", "provision", "disk2", "--check").code == 1
    line.ok("storage", "provision", "disk2")
    assert (tmp_path / "disk2").stat().st_mode & 0o777 == 0o700
    line.ok("storage", "provision", "disk2", "--check")
    (tmp_path / "disk2").chmod(0o755)
    ran = line.ok("storage", "provision", "disk2", "--json")
    assert states(ran.json) == {"folder": "warning"}


def spec(**changes: Any) -> S3Spec:
    return S3Spec.model_validate(
        {"name": "s3", "bucket": "sound", "region": "eu-central-1", "prefix": "kept", **changes}
    )


def test_the_least_policy_lists_no_other_bucket_and_reaches_below_the_prefix_only() -> None:
    text = json.dumps(least_policy(spec()))
    assert "ListAllMyBuckets" not in text
    assert "s3:*" not in text
    assert "arn:aws:s3:::sound/kept/*" in text
    assert "kms:" not in text
    key = "arn:aws:kms:eu-central-1:1:key/2"
    with_kms = least_policy(spec(encryption="aws:kms", kms_key_id=key))
    assert with_kms["Statement"][-1]["Resource"] == key
    assert "arn:aws-cn:s3:::sound" in json.dumps(least_policy(spec(region="cn-north-1")))


def test_the_least_policy_has_the_rights_to_older_versions_where_there_are_any() -> None:
    rights = ("s3:GetObjectVersion", "s3:DeleteObjectVersion", "s3:ListBucketVersions")
    rights += ("s3:GetBucketVersioning",)
    assert all(right in json.dumps(least_policy(spec())) for right in rights)
    cloudflare = json.dumps(least_policy(spec(service="r2", endpoint_url="https://r2.invalid")))
    assert not any(right in cloudflare for right in rights)


@pytest.mark.s3
def test_a_probe_tells_what_happens_to_older_versions(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    def told() -> dict[str, str]:
        checks = line("storage", "probe", "kept", "--json").json["checks"]  # without CORS it fails
        found: dict[str, str] = next(check for check in checks if check["name"] == "versions")
        return found

    describe(tmp_path, ceph, ceph_bucket)
    assert "none are kept" in told()["message"]
    keep_versions(ceph, ceph_bucket)
    forbid(ceph, ceph_bucket, "s3:DeleteObjectVersion")
    assert told()["state"] == "warning"
    assert "erased can be had back until" in told()["message"]
    forbid(ceph, ceph_bucket)
    assert told()["state"] == "ok"


def test_a_policy_at_amazon_refuses_plain_http_and_unencrypted_bytes_and_allows_nobody() -> None:
    statements = policy_statements(spec())
    assert {statement["Effect"] for statement in statements} == {"Deny"}
    assert [statement["Sid"] for statement in statements] == [
        "ReelkeepDeniesPlainHttp",
        "ReelkeepDeniesUnencrypted",
        "ReelkeepDeniesOtherEncryption",
    ]


def test_a_policy_is_printed_without_asking_the_service(
    line: CommandLine, tmp_path: Path, ceph: Ceph
) -> None:
    describe(tmp_path, ceph, "not-there")
    document = json.loads(line.ok("storage", "provision", "kept", "--policy-only").out)
    assert document["Statement"][1]["Resource"] == "arn:aws:s3:::not-there/sound/*"


@pytest.mark.s3
def test_a_probe_tries_everything_and_leaves_nothing(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    classes = 'storage_classes = ["STANDARD", "STANDARD_IA", "GLACIER"]'
    describe(tmp_path, ceph, ceph_bucket, classes, 'cold_classes = ["GLACIER"]')
    line.ok("storage", "provision", "kept")
    ran = line.ok("storage", "probe", "kept", "--json")
    found = states(ran.json)
    wanted = ("store kept", "browser's path", "CORS", "copy", "list", "range", "parts", "unfinished parts")
    wanted += (
        "storage classes",
        "versions",
        "preflight",
        "presigned PUT",
        "form's limit",
        "private",
        "conditional writes",
    )
    assert {name: found.get(name) for name in wanted} == dict.fromkeys(wanted, "ok")
    client = ceph.client()
    assert client.list_objects_v2(Bucket=ceph_bucket)["KeyCount"] == 0
    assert versions_in(ceph, ceph_bucket) == []
    assert "Uploads" not in client.list_multipart_uploads(Bucket=ceph_bucket)


@pytest.mark.s3
def test_a_probe_tells_what_is_configured_wrongly(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    describe(tmp_path, ceph, ceph_bucket, "checksums = true", "conditional_writes = false")
    ran = line("storage", "probe", "kept", "--json")
    checks = {check["name"]: check for check in ran.json["checks"]}
    assert checks["presigned PUT"]["fix"] == "Say checksums = false for this store."
    assert checks["conditional writes"]["fix"] == "Say conditional_writes = true for this store."
    assert (ran.code, checks["preflight"]["state"]) == (1, "failed"), "the bucket has no CORS rule"


def test_a_probe_of_a_folder_works_without_a_server(line: CommandLine, tmp_path: Path, ceph: Ceph) -> None:
    describe(tmp_path, ceph, "sound")
    ran = line.ok("storage", "probe", "disk2", "--json")
    found = states(ran.json)
    assert (found["store disk2"], found["copy"], found["parts"]) == ("ok", "ok", "ok")
    assert found["browser's path"] == "warning"


@pytest.mark.s3
def test_a_setting_with_which_the_service_refuses_our_writes_is_taken_back(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    """Ceph 16 refuses every write to a bucket whose public access is blocked."""
    describe(tmp_path, ceph, ceph_bucket, 'lacks = ["encryption"]')
    ran = line.ok("storage", "provision", "kept", "--json")
    assert states(ran.json)["public_access"] == "warning"
    ceph.client().put_object(Bucket=ceph_bucket, Key="sound/a", Body=b"still taken")
