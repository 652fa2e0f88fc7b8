"""User metadata: what `x-amz-meta-…` says of an object, kept beside its bytes and told with them."""

import re
from collections.abc import Iterable

from reelkeep.http.wire.checks import METADATA
from reelkeep.http.wire.exchange import Exchange
from reelkeep.stores.metadata import OURS
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal

#: Names and values together; Amazon S3's own limit.
METADATA_BYTES_MAX = 2048

#: What a header's name may be made of (RFC 9110, section 5.6.2), in lower case.
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


def metadata_of(exchange: Exchange) -> dict[str, str]:
    """What the headers of a request say, or the query where a signer moved them."""
    return read_metadata([*exchange.query, *exchange.headers.items()])


def read_metadata(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What named fields say of an object, by names without their prefix."""
    told = {
        name.lower().removeprefix(METADATA): value.strip()
        for name, value in pairs
        if name.lower().startswith(METADATA)
    }
    size = sum(len(name) + len(value) for name, value in told.items())
    if size > METADATA_BYTES_MAX:
        raise S3Refusal(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            Size=str(size),
            MaxSizeAllowed=str(METADATA_BYTES_MAX),
        )
    for name, value in told.items():
        _check(name, value)
    return told


def headers_of(facts: ObjectFacts) -> dict[str, str]:
    """The headers that tell of an object's metadata."""
    return {METADATA + name: value for name, value in facts.metadata.items()}


def _check(name: str, value: str) -> None:
    if name.startswith(OURS):
        raise S3Refusal("AccessDenied", f"{METADATA}{OURS}… is how Reelkeep itself describes objects.")
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise S3Refusal(
            "InvalidArgument",
            "Metadata are of printable ASCII; encode what is not, as in base64.",
            ArgumentName=METADATA + name,
        )
