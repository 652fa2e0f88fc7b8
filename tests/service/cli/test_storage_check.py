"""`reelkeep storage check --repair` over a bucket that keeps versions: what it says, and how it ends."""

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.ceph import Ceph
from tests.fixtures.versions import keep_versions
from tests.service.cli.conftest import CommandLine
from tests.service.cli.test_storage_provision import describe
from tests.service.cli.test_storage_provision import line as line  # noqa: PLC0414 - the fixture

pytestmark = pytest.mark.s3


def empty(ceph: Ceph, bucket: str) -> int:
    """Somebody deletes everything that was sealed; how many objects."""
    client = ceph.client()
    keys = [
        one["Key"] for one in client.list_objects_v2(Bucket=bucket, Prefix="sound/recordings/")["Contents"]
    ]
    for key in keys:
        client.delete_object(Bucket=bucket, Key=key)
    return len(keys)


def kept(document: Any) -> Any:
    """What the check says of the bucket."""
    return next(store for store in document["stores"] if store["store"] == "kept")


def test_a_bucket_that_was_emptied_comes_back_from_its_versions_and_without_them_is_told(
    line: CommandLine, tmp_path: Path, ceph: Ceph, ceph_bucket: str, spoken: Path
) -> None:
    describe(tmp_path, ceph, ceph_bucket)
    keep_versions(ceph, ceph_bucket)
    line.ok("add", spoken, "--wait")
    lost = empty(ceph, ceph_bucket)
    found = line("storage", "check", "kept", "--json")
    assert (found.code, kept(found.json)["missing"], kept(found.json)["brought_back"]) == (1, lost, 0)
    told = line.ok("storage", "check", "kept", "--repair").notes
    assert f"kept: {lost} copies were brought back from older versions." in told
    assert "brought_back: recordings/" in told
    assert kept(line.ok("storage", "check", "--verify", "--json").json)["clean"]

    gone = empty(ceph, ceph_bucket)
    for version in ceph.client().list_object_versions(Bucket=ceph_bucket)["Versions"]:
        ceph.client().delete_object(Bucket=ceph_bucket, Key=version["Key"], VersionId=version["VersionId"])
    keep_versions(ceph, ceph_bucket, "Suspended")
    ended = line("storage", "check", "kept", "--repair", "--json")
    assert (ended.code, kept(ended.json)["not_repaired"]) == (1, {"no_versioning": gone})
    told = line("storage", "check", "kept", "--repair").notes
    assert "the store keeps no older versions" in told
    assert "reelkeep storage provision kept" in told
