"""Which disks the event loop may write to itself, and when it may not."""

from pathlib import Path

import pytest

from reelkeep.stores.disk_pace import REST_SECONDS_MAX, SLOW_SECONDS, DiskPace, file_system_of

MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:40 / /srv rw,relatime shared:1 - nfs4 server:/export rw
24 23 254:1 / /srv/own rw,relatime - xfs /dev/vdb rw
25 22 0:41 / /media/two\040words rw,relatime - fuse.sshfs host: rw
26 22 254:2 / /twice rw,relatime - ext4 /dev/vdc rw
27 22 0:42 / /twice rw,relatime - cifs //host/share rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS.lstrip())
    return path


@pytest.fixture
def now() -> list[float]:
    """The moment that the clock of these tests shows."""
    return [1000.0]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data", "ext4"),
        ("/srv/recordings", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvother", "ext4"),
        ("/srv/own/recordings", "xfs"),
        ("/media/two words/x", "fuse.sshfs"),
        ("/twice/x", "cifs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(
    mounts: Path, path: str, expected: str
) -> None:
    assert file_system_of(Path(path), mounts) == expected


@pytest.mark.parametrize(("path", "quick"), [("/data", True), ("/srv/x", False), ("/media/two words", False)])
def test_over_a_network_threads_write(mounts: Path, path: str, quick: bool) -> None:
    assert DiskPace(Path(path), mounts).quick() is quick


def test_where_the_machine_does_not_tell_threads_write(tmp_path: Path) -> None:
    assert not DiskPace(Path("/data"), tmp_path / "none").quick()


def test_after_a_slow_write_threads_write_for_a_while_and_longer_each_time(
    mounts: Path, now: list[float]
) -> None:
    pace = DiskPace(Path("/data"), mounts, lambda: now[0])
    pace.took(SLOW_SECONDS / 2)
    assert pace.quick()
    for rest in (1.0, 2.0, 4.0):
        pace.took(SLOW_SECONDS * 2)
        now[0] += rest - 0.01
        assert not pace.quick()
        now[0] += 0.02
        assert pace.quick()
    for _ in range(20):
        pace.took(SLOW_SECONDS * 2)
    now[0] += REST_SECONDS_MAX + 0.01
    assert pace.quick()


def test_a_long_calm_makes_the_next_rest_short_again(mounts: Path, now: list[float]) -> None:
    pace = DiskPace(Path("/data"), mounts, lambda: now[0])
    for _ in range(5):
        pace.took(SLOW_SECONDS * 2)
    now[0] += 3 * REST_SECONDS_MAX
    pace.took(SLOW_SECONDS / 2)
    pace.took(SLOW_SECONDS * 2)
    now[0] += 1.01
    assert pace.quick()
