"""Where an S3 bucket is, how it is used, and with whose credentials."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from reelkeep.errors import StoreRefused
from reelkeep.stores.buffering import BufferBudget
from reelkeep.stores.credentials import Overlapping
from reelkeep.stores.patience import Patience
from reelkeep.stores.s3_copy import COPY_WHOLE_BYTES_MAX
from reelkeep.stores.s3_encryption import AES256, Encryption
from reelkeep.stores.signer import Credentials, Endpoint


@dataclass(frozen=True, slots=True)
class S3StoreConfig:
    """Where an S3 bucket is and how it is used."""

    name: str
    bucket: str
    region: str = "us-east-1"
    #: None: Amazon's own for the region.
    endpoint_url: str | None = None
    #: The same service as clients reach it, when that is another address.
    public_endpoint_url: str | None = None
    #: `https://bucket.host/key` instead of `https://host/bucket/key`. None: at Amazon only.
    virtual_host: bool | None = None
    #: What every key begins with in the bucket; empty, or ends with a slash.
    prefix: str = ""
    #: None: the default chain of boto3 (environment, shared files, roles).
    credentials: Credentials | Callable[[], Credentials] | None = field(default=None, repr=False)
    #: The older ones, while keys are rotated; used where the service refuses `credentials`.
    previous_credentials: Credentials | None = field(default=None, repr=False)
    #: What the service is asked to encrypt with; None where it does so by itself, or refuses the header.
    encryption: Encryption | None = AES256
    #: Whether the service takes forms by POST policy, and compares `x-amz-checksum-sha256`.
    post_policy: bool = True
    checksums: bool = True
    connect_timeout_seconds: float = 5.0
    #: How long the service may be silent within a request.
    idle_timeout_seconds: float = 60.0
    copy_timeout_seconds: float = 900.0
    retries_max: int = 3
    retry_timeout_seconds: float = 60.0
    #: Objects above this are copied in parts.
    copy_whole_bytes_max: int = COPY_WHOLE_BYTES_MAX
    copy_part_bytes: int = 1024**3
    #: Entries that one answer to a listing of parts or of uploads in parts may have.
    page_entries_max: int = 1000
    #: Where bytes that come through this process wait until they fill a part; as many files without a
    #: name as uploads are under way, each of up to two parts.
    scratch: Path = field(default_factory=lambda: Path(gettempdir()))
    #: How often a request for them is tried, since the client cannot send its bytes again at once.
    patience: Patience = field(default_factory=Patience)
    #: The memory for them, shared with other stores of this process.
    buffers: BufferBudget = field(default_factory=BufferBudget, repr=False)

    def endpoint(self, *, public: bool = False) -> Endpoint:
        """The service's address, for this process or for clients."""
        url = (self.public_endpoint_url if public else None) or self.endpoint_url
        virtual_host = url is None if self.virtual_host is None else self.virtual_host
        return Endpoint.from_url(url or f"https://s3.{self.region}.amazonaws.com", virtual_host=virtual_host)

    @property
    def encryption_headers(self) -> dict[str, str]:
        """What a request that makes an object carries."""
        return self.encryption.headers if self.encryption else {}

    def overlapping_credentials(self) -> Overlapping:
        """The credentials to use, in the order in which they are tried."""
        given = (self.credentials or default_credentials(), self.previous_credentials)
        return Overlapping(*(_finder(credentials) for credentials in given if credentials is not None))


def _finder(credentials: Credentials | Callable[[], Credentials]) -> Callable[[], Credentials]:
    return (lambda: credentials) if isinstance(credentials, Credentials) else credentials


def default_credentials(profile: str | None = None) -> Callable[[], Credentials]:
    """The default chain of boto3: environment, shared files, container and instance roles; or one profile.

    The chain is searched at the first call, which may ask the network; its credentials renew themselves.
    """
    found: list[Any] = []

    def current() -> Credentials:
        if not found:
            import boto3  # noqa: PLC0415 - half a second that only this chain needs

            found.append(_search(boto3, profile))
        if found[0] is None:
            found.clear()
            raise StoreRefused(
                "No credentials for S3 were found. Set the access and secret key in the settings, "
                "or give this machine a role."
            )
        frozen = found[0].get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current


def _search(boto3: Any, profile: str | None) -> Any:
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as boto3

    try:
        return boto3.Session(profile_name=profile).get_credentials()
    except BotoCoreError as error:
        raise StoreRefused(f"No credentials for S3 were found: {error}.") from error
