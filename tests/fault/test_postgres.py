"""The embedded server under everything that kills, copies, races and spoils."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from reelkeep.db.database import Database
from reelkeep.db.postgres.binaries import find_binaries
from reelkeep.db.postgres.client import EmbeddedPostgres, acquire
from reelkeep.db.postgres.places import SOCKET, SOCKET_BYTES_MAX, Places
from reelkeep.errors import ErrorCode, ReelkeepError

SECONDS = 30
CLIENT = """
import sys
from pathlib import Path
from reelkeep.db.postgres.client import acquire
server = acquire(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data folder"


@contextmanager
def client_process(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server until its standard input is closed, or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def is_up(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return any(line == "ready\n" for line in iter(process.stdout.readline, ""))


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.02)


def cluster_of(data: Path) -> Path:
    places = Places(data)
    return places.cluster(places.majors()[0])


def postmaster_of(data: Path) -> int:
    return int((cluster_of(data) / "postmaster.pid").read_text().split()[0])


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def rows(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        return connection.execute("select count(*) from kept").fetchone()[0]


def keep_a_row(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.conninfo) as connection:
        connection.execute("create table if not exists kept()")
        connection.execute("insert into kept default values")


def has_stopped(data: Path) -> bool:
    return not (cluster_of(data) / "postmaster.pid").exists()


def test_it_listens_on_a_private_socket_and_on_no_port(data: Path) -> None:
    with acquire(data) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        assert connection.execute("select current_user").fetchone() == ("reelkeep",)
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
        assert cluster_of(data).stat().st_mode & 0o777 == 0o700
        assert connection.execute("show data_checksums").fetchone() == ("on",)
        assert connection.execute("select lower('ÄÉ'), 'a' < 'B'").fetchone() == ("äé", False)


def test_a_second_start_finds_the_data(data: Path) -> None:
    with acquire(data) as server:
        keep_a_row(server)
    assert server.wait_until_stopped()
    with acquire(data) as server:
        assert rows(server.conninfo) == 1


def test_processes_share_one_server_and_the_last_stops_it(data: Path) -> None:
    with client_process(data) as first, client_process(data) as second:
        assert is_up(first) and is_up(second)
        server = postmaster_of(data)
        first.kill()
        first.wait()
        with acquire(data) as third:
            keep_a_row(third)
            assert postmaster_of(data) == server
            second.kill()
            second.wait()
            assert rows(third.conninfo) == 1
    eventually(lambda: has_stopped(data))


def test_a_killed_last_client_stops_the_server(data: Path) -> None:
    with client_process(data) as client:
        assert is_up(client)
        client.kill()
    eventually(lambda: has_stopped(data))


def test_cold_starters_at_the_same_moment_get_one_server(data: Path) -> None:
    with client_process(data) as a, client_process(data) as b, client_process(data) as c:
        assert all(is_up(client) for client in (a, b, c))
        assert (Places(data).folder / "postgres.log").read_text().count("database system is ready") == 1


@pytest.mark.parametrize("victims", ["supervisor", "server", "both"])
async def test_a_living_client_gets_its_server_back(data: Path, victims: str) -> None:
    with acquire(data) as server:
        database = Database(server)
        async with database.owner() as session:
            await session.execute(text("create table kept()"))
        postmaster = postmaster_of(data)
        supervisor = parent_of(postmaster)
        chosen = {"supervisor": [supervisor], "server": [postmaster], "both": [supervisor, postmaster]}
        kill(*chosen[victims])
        eventually(lambda: is_gone(postmaster))
        await insert_as_told(database)
        assert postmaster_of(data) != postmaster
        assert rows(server.conninfo) == 1
        await database.close()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


async def insert_as_told(database: Database) -> None:
    """Try again as long as the database is said to be away, as every client is told to."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            async with database.owner() as session:
                await session.execute(text("insert into kept default values"))
        except ReelkeepError as away:
            assert away.code == ErrorCode.DATABASE_UNAVAILABLE and time.monotonic() < deadline
        else:
            return


def test_all_killed_at_once_loses_nothing_that_was_committed(data: Path) -> None:
    with client_process(data) as client:
        assert is_up(client)
        with acquire(data) as server:
            keep_a_row(server)
            postmaster = postmaster_of(data)
            kill(parent_of(postmaster), postmaster, client.pid)
    with acquire(data) as server:
        assert rows(server.conninfo) == 1


def stopped_cluster(data: Path) -> tuple[Path, Path]:
    with acquire(data) as server:
        keep_a_row(server)
        sockets = server.socket_folder
    assert server.wait_until_stopped()
    return cluster_of(data), sockets


def leave_stale_files(cluster: Path, sockets: Path, pid: int) -> None:
    owner = cluster.stat()
    sockets.mkdir(mode=0o700, parents=True)
    os.chown(sockets, owner.st_uid, owner.st_gid)
    lines = f"{pid}\n{cluster}\n1700000000\n5432\n{sockets}\n\n  5432001   1\nready   \n"
    for path in (cluster / "postmaster.pid", sockets / f"{SOCKET}.lock"):
        path.write_text(lines)
        os.chown(path, owner.st_uid, owner.st_gid)


def test_stale_files_that_name_a_living_process_are_no_obstacle(data: Path) -> None:
    leave_stale_files(*stopped_cluster(data), os.getpid())
    with acquire(data) as server:
        assert rows(server.conninfo) == 1


def test_stale_files_that_name_a_zombie_are_no_obstacle(data: Path) -> None:
    cluster, sockets = stopped_cluster(data)
    assert not sockets.exists()
    zombie = subprocess.Popen(["/bin/true"], cwd=cluster)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    leave_stale_files(cluster, sockets, zombie.pid)
    with acquire(data) as server:
        assert rows(server.conninfo) == 1
    zombie.wait()


def test_a_server_that_somebody_else_started_is_left_alone(data: Path) -> None:
    cluster, _ = stopped_cluster(data)
    owner = cluster.stat()
    with tempfile.TemporaryDirectory() as elsewhere:
        os.chown(elsewhere, owner.st_uid, owner.st_gid)
        folder = os.open(cluster, os.O_RDONLY)
        postgres = find_binaries().folder / "postgres"
        foreign = subprocess.Popen(
            [postgres, "-D", f"/proc/self/fd/{folder}", "-k", elsewhere, "-c", "listen_addresses="],
            pass_fds=[folder],
            user=owner.st_uid if os.geteuid() == 0 else None,
            cwd="/",
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually((Path(elsewhere) / SOCKET).exists)
            with pytest.raises(ReelkeepError, match=f"process {foreign.pid}"):
                acquire(data)
            assert foreign.poll() is None
        finally:
            foreign.send_signal(signal.SIGINT)
            foreign.wait()
            os.close(folder)


def test_a_copy_of_the_folder_never_leads_to_the_original(data: Path) -> None:
    copy = data.with_name("copy")
    with acquire(data) as original:
        keep_a_row(original)
        subprocess.run(["cp", "-a", data, copy], check=True)
        with acquire(copy) as copied:
            assert copied.socket_folder != original.socket_folder
            keep_a_row(copied)
            assert rows(original.conninfo) == 1


def test_a_half_made_cluster_is_made_again(data: Path) -> None:
    half = data / "pg" / f"new-{find_binaries().major}"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with acquire(data) as server:
        keep_a_row(server)


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    with acquire(tmp_path / ("long" * 40)) as server:
        assert len(os.fsencode(server.socket_folder / SOCKET)) <= SOCKET_BYTES_MAX
        keep_a_row(server)


def test_the_environment_of_other_postgres_tools_is_ignored(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "6000", "PGDATA": "/nowhere", "PGHOST": "x", "PGUSER": "y"}.items():
        monkeypatch.setenv(name, value)
    with acquire(data) as server:
        keep_a_row(server)


def test_damaged_data_are_told_with_the_servers_last_words(data: Path) -> None:
    cluster, _ = stopped_cluster(data)
    (cluster / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(ReelkeepError) as told:
        acquire(data)
    assert told.value.code == ErrorCode.DATABASE_UNAVAILABLE
    assert "did not start" in told.value.message and "FATAL" in told.value.message


def test_a_failed_start_leaves_nobody_behind(data: Path) -> None:
    cluster, _ = stopped_cluster(data)
    control = cluster / "global" / "pg_control"
    kept = control.read_bytes()
    control.write_bytes(b"\0" * 8192)
    with pytest.raises(ReelkeepError):
        acquire(data)
    control.write_bytes(kept)
    with acquire(data) as server:
        assert rows(server.conninfo) == 1


def test_data_of_another_version_need_that_versions_binaries(data: Path) -> None:
    cluster, _ = stopped_cluster(data)
    older = cluster.rename(cluster.with_name("14"))
    (older / "PG_VERSION").write_text("14\n")
    with pytest.raises(ReelkeepError, match="version 14"):
        acquire(data)


def test_a_full_server_still_counts_as_running(data: Path) -> None:
    with acquire(data) as server:
        connections: list[psycopg.Connection] = []
        with pytest.raises(psycopg.OperationalError):
            while True:
                connections.append(psycopg.connect(server.conninfo))
        server.ensure()
        assert len(connections) > 10


def test_a_closed_use_can_be_closed_again(data: Path) -> None:
    server = acquire(data)
    server.close()
    server.close()
    assert server.wait_until_stopped()


class TestAsRoot:
    """What only root can meet; an ordinary user's run does not collect it."""

    __test__ = os.geteuid() == 0

    def test_a_dedicated_user_runs_it_and_closed_parents_stay_closed(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        with acquire(home / "data") as server:
            keep_a_row(server)
            owner = cluster_of(home / "data").stat().st_uid
            assert owner != 0
            assert Path(f"/proc/{postmaster_of(home / 'data')}").stat().st_uid == owner
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "data").stat().st_mode & 0o777 == 0o711

    def test_an_ordinary_owner_of_the_folder_runs_it(self, data: Path) -> None:
        data.mkdir()
        os.chown(data, 65534, 65534)
        with acquire(data) as server:
            keep_a_row(server)
            assert {path.stat().st_uid for path in (data / "pg", cluster_of(data))} == {65534}
            assert {path.stat().st_uid for path in (data / "pg").glob("*.lock")} == {65534}

    def test_data_whose_user_has_another_number_now_are_handed_over(self, data: Path) -> None:
        cluster, _ = stopped_cluster(data)
        subprocess.run(["chown", "-R", "64999:64999", cluster], check=True)
        with acquire(data) as server:
            assert rows(server.conninfo) == 1

    def test_another_user_cannot_reach_the_socket(self, data: Path) -> None:
        with acquire(data) as server:
            address = str(server.socket_folder / SOCKET)
            child = os.fork()
            if child == 0:
                os.setuid(65534)
                try:
                    socket.socket(socket.AF_UNIX).connect(address)
                except PermissionError:
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0

    def test_a_full_disk_is_told(self, tmp_path: Path) -> None:
        small = tmp_path / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", small], check=True)
        try:
            with pytest.raises(ReelkeepError, match="disk is full"):
                acquire(small / "data")
            assert Places(small / "data").majors() == []
        finally:
            subprocess.run(["umount", small], check=True)

    def test_binaries_in_a_closed_folder_are_copied(self, tmp_path: Path, monkeypatch) -> None:
        from reelkeep.db.postgres import binaries
        from reelkeep.db.postgres.users import server_user

        wheel = find_binaries().folder.parents[1]
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        shutil.copytree(wheel, closed / wheel.name, ignore=shutil.ignore_patterns("pginstall", "*.a"))
        libraries = wheel.with_name(f"{wheel.name}.libs")
        shutil.copytree(libraries, closed / libraries.name)
        found = find_binaries(closed / wheel.name / "pginstall18" / "bin")
        with tempfile.TemporaryDirectory() as parent:
            Path(parent).chmod(0o755)
            target = Path(parent) / "reelkeep"
            monkeypatch.setattr(binaries, "COPIES", target)
            before = os.umask(0o077)
            reachable = binaries.binaries_for(server_user(tmp_path), found)
            os.umask(before)
            assert reachable.folder.is_relative_to(target)
            assert reachable.version == found.version
            assert binaries.binaries_for(server_user(tmp_path), reachable) == reachable

    def test_a_user_that_cannot_be_made_is_told(self, data: Path) -> None:
        with pytest.raises(ReelkeepError, match="useradd --system"):
            acquire(data, system_user="not a name")


class TestAsOrdinaryUser:
    """What root does not meet."""

    __test__ = os.geteuid() != 0

    def test_the_socket_lies_with_the_data(self, data: Path) -> None:
        with acquire(data) as server:
            assert server.socket_folder == data.resolve() / "pg" / "run" / "socket"

    def test_a_temporary_folder_that_is_not_ours_alone_is_refused(self, tmp_path: Path, monkeypatch) -> None:
        temporary = Path(tempfile.mkdtemp(dir="/tmp"))
        trap = temporary / f"reelkeep-{os.geteuid()}"
        trap.mkdir()
        trap.chmod(0o777)
        monkeypatch.setenv("TMPDIR", str(temporary))
        with pytest.raises(ReelkeepError, match="not a private folder"):
            acquire(tmp_path / ("long" * 40))
        shutil.rmtree(temporary)

    def test_a_folder_of_somebody_else_is_told(self) -> None:
        with pytest.raises(ReelkeepError, match="cannot be used"):
            acquire(Path("/proc/reelkeep"))
