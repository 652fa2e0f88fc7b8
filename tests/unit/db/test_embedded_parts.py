"""The small parts of the embedded server: log, advice, binaries, places, connection strings."""

import os
from pathlib import Path

import pytest

from reelkeep.db.database import Database, conninfo_of
from reelkeep.db.postgres.binaries import find_binaries
from reelkeep.db.postgres.failures import explain, tail_of
from reelkeep.db.postgres.logfile import keep_log
from reelkeep.db.postgres.places import Places, recorded_socket_folder
from reelkeep.errors import ErrorCode, ReelkeepError


def write_through(log: Path, data: bytes, bytes_max: int) -> None:
    source, sink = os.pipe()
    os.write(sink, data)
    os.close(sink)
    with os.fdopen(source, "rb", buffering=0) as said:
        keep_log(said, log, bytes_max)


def test_the_log_is_bounded_and_keeps_the_latest(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    for line in (b"one\n", b"two\n", b"three\n"):
        write_through(log, line, bytes_max=8)
    assert log.read_bytes() == b"three\n"
    assert log.with_name("postgres.log.1").read_bytes() == b"one\ntwo\n"


def test_a_log_that_cannot_be_written_does_not_hold_the_server_up(tmp_path: Path) -> None:
    write_through(tmp_path / "nowhere" / "postgres.log", b"x" * 60_000, bytes_max=10)


def test_a_failure_says_what_to_do_and_what_the_server_said(tmp_path: Path) -> None:
    told = explain("Postgres did not start.", tmp_path, "FATAL: could not write: No space left on device")
    assert "disk is full" in told and str(tmp_path) in told and "FATAL" in told


def test_an_unknown_failure_names_the_log(tmp_path: Path) -> None:
    assert "postgres.log" in explain("It failed.", tmp_path, "FATAL: something new")
    assert tail_of(tmp_path / "none") == ""


def test_the_wheels_binaries_are_found() -> None:
    found = find_binaries()
    assert found.major == 18
    assert (found.folder / "initdb").exists()


def test_a_folder_without_postgres_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReelkeepError, match=str(tmp_path)) as told:
        find_binaries(tmp_path)
    assert told.value.code == ErrorCode.SETTINGS_INVALID


def test_a_record_of_another_folder_is_not_believed(tmp_path: Path) -> None:
    places = Places(tmp_path)
    cluster = places.cluster(18)
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("18\n")
    found = cluster.stat()
    places.place.write_text(f"{found.st_dev}:{found.st_ino}\n/run/x/socket\n")
    assert recorded_socket_folder(places) == Path("/run/x/socket")
    places.place.write_text(f"{found.st_dev}:{found.st_ino + 1}\n/run/x/socket\n")
    assert recorded_socket_folder(places) is None


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:secret@db.example:5433/reelkeep?sslmode=require",
        "postgresql://me:secret@db.example:5433/reelkeep?sslmode=require",
        "postgresql+psycopg://me:secret@db.example:5433/reelkeep?sslmode=require",
        "host=db.example port=5433 user=me password=secret dbname=reelkeep sslmode=require",
    ],
)
def test_every_way_to_write_a_database_url_is_understood(url: str) -> None:
    words = set(Database(url, application_name="a worker").conninfo.split(" "))
    assert {"host=db.example", "port=5433", "user=me", "dbname=reelkeep", "sslmode=require"} <= words
    assert "connect_timeout=10" in words


def test_what_the_url_says_wins_over_our_defaults() -> None:
    assert "connect_timeout=3" in Database("postgresql://h/d?connect_timeout=3").conninfo


def test_a_database_url_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(ReelkeepError) as told:
        conninfo_of("postgresql://me:secret word@host:port:5/x")
    assert told.value.code == ErrorCode.SETTINGS_INVALID
    assert "secret" not in told.value.message
