"""The same commands where the bytes are in a bucket and the rows in a database of somebody else's."""

import os
import pwd
from pathlib import Path

import pytest

from reelkeep.db.postgres.client import EmbeddedPostgres, acquire
from tests.fixtures.ceph import Ceph
from tests.fixtures.database import administer, conninfo_as
from tests.fixtures.runtime import url_of
from tests.service.cli.conftest import CommandLine

ORIGIN = "http://127.0.0.1:9"


def on_s3(ceph: Ceph, bucket: str) -> dict[str, str]:
    """The settings for a bucket of the gateway."""
    return {
        "REELKEEP_STORE": "s3",
        "REELKEEP_S3_BUCKET": bucket,
        "REELKEEP_S3_ENDPOINT_URL": ceph.endpoint_url,
        "REELKEEP_S3_ACCESS_KEY_ID": ceph.access_key,
        "REELKEEP_S3_SECRET_ACCESS_KEY": ceph.secret_key,
        "REELKEEP_PUBLIC_URL": ORIGIN,
    }


@pytest.mark.s3
def test_add_show_export_and_doctor_on_a_bucket(
    reelkeep: CommandLine, ceph: Ceph, ceph_bucket: str, spoken: Path, tmp_path: Path
) -> None:
    reelkeep.environment |= on_s3(ceph, ceph_bucket)
    recording = reelkeep.ok("add", spoken, "--wait", "--json").json
    assert (recording["status"], recording["s3_bucket"]) == ("transcribed", ceph_bucket)
    kept = ceph.client().head_object(Bucket=ceph_bucket, Key=recording["s3_key"])
    assert kept["ContentLength"] == spoken.stat().st_size
    target = tmp_path / "original.wav"
    reelkeep.ok("recordings", "export", recording["id"], "--format", "original", "-o", target)
    assert target.read_bytes() == spoken.read_bytes()


@pytest.mark.s3
def test_doctor_sends_and_reads_at_the_bucket_and_tells_of_a_missing_cors_rule(
    reelkeep: CommandLine, ceph: Ceph, ceph_bucket: str
) -> None:
    reelkeep.environment |= on_s3(ceph, ceph_bucket)
    reelkeep.ok("db", "migrate")
    before = {check["name"]: check for check in reelkeep.ok("doctor", "--json").json["checks"]}
    assert before["browser's path"]["state"] == before["store s3"]["state"] == "ok"
    assert before["store's clock"]["state"] == "ok"
    assert before["CORS"]["state"] == "warning"
    rule = {
        "AllowedOrigins": [ORIGIN],
        "AllowedMethods": ["GET", "POST", "PUT", "HEAD"],
        "AllowedHeaders": ["*"],
    }
    ceph.client().put_bucket_cors(Bucket=ceph_bucket, CORSConfiguration={"CORSRules": [rule]})
    after = {check["name"]: check for check in reelkeep.ok("doctor", "--json").json["checks"]}
    assert after["CORS"]["state"] == "ok"
    assert ceph.client().list_objects_v2(Bucket=ceph_bucket)["KeyCount"] == 0
    wrong = reelkeep("doctor", "--json", REELKEEP_S3_SECRET_ACCESS_KEY="not the secret")
    assert wrong.code == 1
    assert "store s3" in wrong.json["details"]["failed"]
    assert "not the secret" not in wrong.out + wrong.notes


def test_add_on_somebody_elses_database(reelkeep: CommandLine, empty_conninfo: str, spoken: Path) -> None:
    reelkeep.environment["DATABASE_URL"] = url_of(empty_conninfo)
    assert reelkeep.ok("add", spoken, "--wait", "--json").json["status"] == "transcribed"
    assert not (reelkeep.data / "pg").exists()
    assert reelkeep.ok("doctor", "--json").json["ok"] is True


def test_migrate_states_the_rights_that_are_missing(reelkeep: CommandLine, tmp_path: Path) -> None:
    with acquire(tmp_path / "elsewhere") as server:
        let_in(server, "modest")
        theirs = url_of(conninfo_as(server.conninfo_of("postgres"), user="modest"))
        refused = reelkeep("db", "migrate", "--json", DATABASE_URL=theirs)
    assert refused.code == 2
    assert "GRANT CREATE, USAGE ON SCHEMA public TO modest;" in refused.json["message"]


def let_in(server: EmbeddedPostgres, login: str) -> None:
    """Make a role that may log in and nothing else."""
    rules = server.socket_folder.parent / "pg_ident.conf"
    me = pwd.getpwuid(os.geteuid()).pw_name
    rules.write_text(rules.read_text() + f'reelkeep "{me}" {login}\n')
    administer(server, "select pg_reload_conf()")
    administer(server, f"create role {login} login")
