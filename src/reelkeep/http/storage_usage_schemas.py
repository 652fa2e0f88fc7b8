"""The shapes of answers about what lies in stores and what it costs."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer

#: An amount in the installation's currency, as text: no binary fraction gets between it and a bill.
Money = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:.4f}", return_type=str)]


class StoredOut(BaseModel):
    """What lies in one class of one store."""

    store: str
    storage_class: str = Field(description="Empty where the store has none, or its own was taken.")
    bytes: int
    copies: int
    cost_per_month: Money | None = Field(description="Null where the store has no price table.")


class HoldingOut(BaseModel):
    """What lies in all stores, each copy counted."""

    stores: list[StoredOut]
    bytes_stored: int = Field(description="Of all copies, those of renditions too.")
    copies: int
    currency: str | None = Field(description="Null where no store has a price table.")
    cost_per_month: Money | None = Field(
        description="Of storing what is there now, in the stores that have prices; without requests."
    )
    stores_without_prices: list[str] = Field(description="Their bytes are not in the cost.")


class StorageUsageOut(HoldingOut):
    """What one organization keeps, what of its quota that is, and what it costs."""

    bytes_used: int = Field(description="What counts against the quota: each blob once, however many copies.")
    bytes_reserved: int = Field(description="Held by uploads that are open.")
    quota_bytes: int | None


class UnsettledOut(BaseModel):
    """Copies in one store that are not simply there."""

    store: str
    state: str = Field(description="making, missing, damaged or deleting.")
    copies: int


class MoveOut(BaseModel):
    """A store that is being left for another."""

    source: str
    target: str | None = Field(description="Null: for wherever the rules want its copies.")
    state: str = Field(description="running, paused or done.")


class FoundBadOut(BaseModel):
    """Copies that were found missing or damaged lately; most were made good from another one at once."""

    since: datetime
    copies: int
    last_at: datetime | None


class CopyStatesOut(BaseModel):
    """How the organization's copies are."""

    unsettled: list[UnsettledOut]
    all_counted: bool = Field(description="False: there are more than these, which are ten thousand.")
    verified_last: datetime | None = Field(description="When one was last read back and found right.")
    verified_longest_ago: datetime | None = Field(
        description="Of those that ever were, the one whose turn was longest ago."
    )
    has_unverified: bool = Field(description="There are some that never were.")
    found_bad: FoundBadOut
    reading_days: int | None = Field(
        description="Days in which every copy is read back once, as set; null: none is read by itself."
    )
    moves: list[MoveOut]


class AskedOut(BaseModel):
    """What one store was asked for since the first of the month."""

    store: str
    action: str = Field(description="write, list, read or delete.")
    counted: str = Field(description="`seen` by us, or `expected` of clients that were given a signed URL.")
    requests: int
    bytes_in: int
    bytes_out: int
    cost: Money | None


class MonthOut(BaseModel):
    """Requests and transfer of this month, in UTC."""

    first_day: date
    days_gone: int
    asked: list[AskedOut]
    cost: Money = Field(description="So far.")
    cost_expected: Money = Field(description="Of the whole month, if it goes on like this.")


class OrganizationHoldingOut(HoldingOut):
    """What one organization of the installation keeps."""

    organization_id: UUID
    name: str


class InstallationUsageOut(HoldingOut):
    """What the whole installation keeps, was asked for, and pays."""

    month: MonthOut
    organizations: list[OrganizationHoldingOut]
