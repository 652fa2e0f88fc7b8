import pytest

from reelkeep.accounts.models import Role
from reelkeep.accounts.permissions import PERMISSIONS, Permission, permissions_of


def test_every_role_has_a_row_in_the_table() -> None:
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.parametrize("role", list(Role))
def test_everybody_may_read(role: Role) -> None:
    assert Permission.RECORDINGS_READ in permissions_of(role.value)


def test_a_viewer_may_only_read() -> None:
    assert permissions_of("viewer") == {Permission.RECORDINGS_READ}


def test_only_an_administrator_manages_members() -> None:
    assert [role for role in Role if Permission.MEMBERS_MANAGE in permissions_of(role)] == [Role.ADMIN]


def test_a_role_of_another_version_may_nothing() -> None:
    assert permissions_of("owner") == frozenset()
