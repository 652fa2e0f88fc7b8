"""What a store costs, as its operator wrote it down: a price table in the file of stores.

There are no built-in prices: services change theirs, and contracts differ. docs/storage-cost.md has tables to
copy, with the day they were looked up.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

#: Stands for every class that has no price of its own, and for a store without classes.
ANY_CLASS = ""


def _by_class(given: Any) -> Any:
    """One value is that of every class."""
    return given if isinstance(given, dict) else {ANY_CLASS: given}


def _exact(given: Any) -> Any:
    """TOML's 0.023 is meant as it is written, not as the nearest binary fraction."""
    return Decimal(repr(given)) if isinstance(given, float) else given


Price = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, allow_inf_nan=False)]
#: One price, or a table of prices by storage class.
Prices = Annotated[dict[str, Price], BeforeValidator(_by_class)]
Days = Annotated[dict[str, Annotated[int, Field(ge=0)]], BeforeValidator(_by_class)]


class RequestPrices(BaseModel):
    """Of a thousand requests, by what they do."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Putting, copying, beginning and completing parts.
    write: Prices = {}
    list: Prices = {}
    read: Prices = {}
    delete: Prices = {}


class PriceTable(BaseModel):
    """The prices of one store; what is left out costs nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Three letters; the same for every store of an installation, so that sums mean something.
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    #: What the service calls a GB: 1,000,000,000 bytes, or 1,073,741,824 (Amazon).
    bytes_per_gb: Annotated[int, Field(ge=1)] = 1_000_000_000
    #: A GB for a month.
    storage: Prices = {}
    #: A thousand requests.
    requests: RequestPrices = RequestPrices()
    #: A GB that leaves the store for the internet.
    out: Price = Decimal(0)
    #: A GB read from a class that charges for reading.
    retrieval: Prices = {}
    #: Bytes removed earlier are charged up to so many days.
    minimum_days: Days = {}


def price_of(prices: dict[str, Decimal], storage_class: str) -> Decimal:
    """The price of a class: its own, else that of every class, else nothing.

    A copy that was put without naming a class lies in the store's own, which services call STANDARD.
    """
    fallback = prices.get("STANDARD", Decimal(0)) if storage_class == ANY_CLASS else Decimal(0)
    return prices.get(storage_class, prices.get(ANY_CLASS, fallback))
