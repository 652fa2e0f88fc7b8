"""`reelkeep storage keys`, and a tool that uses what it prints against the running server."""

import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from reelkeep.stores.signer import Credentials
from tests.fixtures.rclone import Rclone
from tests.fixtures.server import Server
from tests.service.cli.conftest import CommandLine, clean_environment

REQUIRED = Config(request_checksum_calculation="when_required", retries={"max_attempts": 1})


@pytest.fixture
def operator(server: Server) -> Any:
    """The command line of the running server's installation."""
    line = CommandLine(server.data, {**clean_environment(), "REELKEEP_PUBLIC_URL": server.url})
    yield line
    line.end()


def test_a_printed_key_is_all_that_boto3_needs(operator: CommandLine) -> None:
    key = operator.ok("storage", "keys", "create", "local", "--note", "nightly copy", "--json").json
    assert sorted(key) == ["access_key", "bucket", "endpoint_url", "secret_key"]
    client = boto3.client(
        "s3",
        endpoint_url=key["endpoint_url"],
        aws_access_key_id=key["access_key"],
        aws_secret_access_key=key["secret_key"],
        region_name="us-east-1",
        config=REQUIRED,
    )
    client.put_object(Bucket=key["bucket"], Key="tools/a", Body=b"sound")
    assert client.get_object(Bucket=key["bucket"], Key="tools/a")["Body"].read() == b"sound"
    client.delete_object(Bucket=key["bucket"], Key="tools/a")
    listed = operator.ok("storage", "keys", "list", "--json")
    (shown,) = [item for item in listed.json["items"] if item["access_key"] == key["access_key"]]
    assert (shown["note"], shown["read_only"], shown["revoked_at"]) == ("nightly copy", False, None)
    assert key["secret_key"] not in listed.out
    operator.ok("storage", "keys", "revoke", key["access_key"])
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_objects_v2(Bucket=key["bucket"])
    assert "revoked" in operator.ok("storage", "keys", "list").out


def test_a_printed_key_is_all_that_rclone_needs(operator: CommandLine, tmp_path: Path) -> None:
    key = operator.ok("storage", "keys", "create", "local", "--json").json
    rclone = Rclone(key["endpoint_url"], Credentials(key["access_key"], key["secret_key"]))
    folder, there = tmp_path / "interviews", f"keep:{key['bucket']}/tools/interviews"
    folder.mkdir()
    (folder / "one.wav").write_bytes(os.urandom(70_000))
    rclone("copy", folder, there)
    assert rclone("lsf", there) == "one.wav\n"
    assert "0 differences found" in rclone.run("check", folder, there).stderr
    rclone("delete", there)
    assert rclone("lsf", "-R", f"keep:{key['bucket']}/tools") == ""


def test_what_people_see_has_the_same_four_names(operator: CommandLine) -> None:
    ran = operator.ok("storage", "keys", "create", "local", "--read-only")
    names = [line.split()[0] for line in ran.out.splitlines()]
    assert names == ["access_key", "secret_key", "endpoint_url", "bucket"]
    assert "shown this once" in ran.notes


def test_wrong_names_are_told_with_what_to_do(operator: CommandLine) -> None:
    ran = operator("storage", "keys", "create", "nowhere", "--json")
    assert (ran.code, ran.json["error_code"]) == (3, "STORE_UNKNOWN")
    ran = operator("storage", "keys", "revoke", "RKNOBODY", "--json")
    assert (ran.code, ran.json["error_code"]) == (3, "ACCESS_KEY_NOT_FOUND")
