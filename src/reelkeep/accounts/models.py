"""Organizations, users, memberships and what proves who a caller is. Directory tables, all of them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.clock import new_id
from reelkeep.db.base import Base


class Role(StrEnum):
    """What a member is in an organization; `permissions.py` says what each may do."""

    ADMIN = "admin"
    MANAGER = "manager"
    MEMBER = "member"
    VIEWER = "viewer"


class LinkPurpose(StrEnum):
    """What a one-time link is good for."""

    FIRST_ADMINISTRATOR = "first_administrator"
    SET_PASSWORD = "set_password"


class Organization(Base):
    """A tenant: a clinic, a practice, a school, a company."""

    __tablename__ = "organization"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    shared_computers: Mapped[bool] = mapped_column(
        default=False,
        server_default="false",
        comment="its people record at computers that others use too: browsers encrypt what they keep",
    )


class User(Base):
    """A person who signs in; what they may do depends on their memberships."""

    __tablename__ = "app_user"
    __table_args__ = (Index("uq_app_user_email", text("lower(email)"), unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    name: Mapped[str | None]
    password_hash: Mapped[str | None] = mapped_column(comment="argon2id; empty until a password is set")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]


class Membership(Base):
    """A user in an organization, with a role."""

    __tablename__ = "membership"

    organization_id: Mapped[UUID] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiToken(Base):
    """A secret with which a program acts as a user in one organization; only its hash is kept."""

    __tablename__ = "api_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, comment="SHA-256 of the token")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignIn(Base):
    """A browser that signed in, and the organization it uses; the cookie's secret is kept as a hash."""

    __tablename__ = "sign_in"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, comment="SHA-256 of the cookie")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class OneTimeLink(Base):
    """A link that works once: to become the first administrator, or to set a password."""

    __tablename__ = "one_time_link"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    purpose: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    secret_hash: Mapped[bytes] = mapped_column(
        LargeBinary, unique=True, comment="SHA-256 of the link's token"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
