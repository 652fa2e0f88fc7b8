"""What each role may do: one table, asked by everything that needs to know."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from reelkeep.accounts.models import Role


class Permission(StrEnum):
    """One thing that a member may be allowed to do in an organization."""

    RECORDINGS_READ = "recordings.read"
    RECORDINGS_WRITE = "recordings.write"
    RECORDINGS_DELETE = "recordings.delete"
    #: To forbid removing a recording, and to allow it again.
    RECORDINGS_HOLD = "recordings.hold"
    MEMBERS_MANAGE = "members.manage"
    LIMITS_MANAGE = "limits.manage"
    #: To decide for the whole organization, as that its computers are shared.
    POLICIES_MANAGE = "policies.manage"
    STORAGE_READ = "storage.read"


_READ = frozenset({Permission.RECORDINGS_READ})
_WORK = _READ | {Permission.RECORDINGS_WRITE, Permission.RECORDINGS_DELETE}
_MANAGE = _WORK | {Permission.RECORDINGS_HOLD}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ADMIN: _MANAGE
        | {
            Permission.MEMBERS_MANAGE,
            Permission.LIMITS_MANAGE,
            Permission.POLICIES_MANAGE,
            Permission.STORAGE_READ,
        },
        Role.MANAGER: _MANAGE,
        Role.MEMBER: _WORK,
        Role.VIEWER: _READ,
    }
)


def permissions_of(role: str) -> frozenset[Permission]:
    """What a role may do; a role that this version does not know may do nothing."""
    return PERMISSIONS[Role(role)] if role in PERMISSIONS else frozenset()
