"""The CDN in front of a store, as the section `cdn` of the store says it; docs/delivery.md has examples."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, SecretStr, model_validator

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.settings import FullPath


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("must be a full address such as https://cdn.example.org")
    return url.rstrip("/")


def _request_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a full address such as https://cdn.example.org{path}")
    return url


Address = Annotated[str, AfterValidator(_address)]


class _CdnSpec(BaseModel):
    """What every CDN has."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Where clients meet it: scheme, host, and perhaps a folder.
    url: Address
    #: Its addresses carry the store's own signature too, and it hands that on: it has no access of its own.
    hands_on_signatures: bool = False


class CloudFrontSpec(_CdnSpec):
    """A CloudFront distribution that takes URLs signed with a key pair."""

    kind: Literal["cloudfront"]
    #: The id of the public key in the distribution's key group.
    key_pair_id: Annotated[str, Field(min_length=1)]
    #: The private key: RSA, PEM, no passphrase; read at the start.
    private_key_file: FullPath
    #: `canned` signs the whole address; `custom` the path, with any query.
    policy: Literal["canned", "custom"] = "canned"
    #: The distribution to invalidate in when bytes are erased; none leaves them until they are old.
    distribution_id: str | None = None
    #: For invalidations; none are the store's own, and without those the default chain.
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    #: None is Amazon's own.
    invalidation_endpoint_url: Address | None = None

    @model_validator(mode="after")
    def _credentials_whole(self) -> "CloudFrontSpec":
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key belong together")
        return self


class TokenSpec(_CdnSpec):
    """A CDN that checks a token in the address: Bunny, a Cloudflare Worker, nginx."""

    kind: Literal["token"]
    scheme: Literal["hmac-sha256", "nginx-secure-link"] = "hmac-sha256"
    secret: SecretStr | None = None
    #: A file whose first line is the secret; read at the start.
    secret_file: FullPath | None = None
    #: Where to ask that erased bytes are forgotten; may hold `{url}` or `{path}`.
    purge_url: Annotated[str, AfterValidator(_request_address)] | None = None
    purge_method: Literal["PURGE", "POST", "GET", "DELETE"] = "PURGE"
    purge_headers: dict[str, SecretStr] = Field(default_factory=dict)
    #: The list's name in the JSON that carries all addresses, where `purge_url` holds no placeholder.
    purge_json_field: str = "files"

    @model_validator(mode="after")
    def _one_secret(self) -> "TokenSpec":
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("needs secret or secret_file, one of them")
        if self.scheme == "nginx-secure-link" and not self.hands_on_signatures:
            raise ValueError(
                "nginx-secure-link does not cover the query: it needs hands_on_signatures = true, so that "
                "the store checks it"
            )
        return self


CdnSpec = Annotated[CloudFrontSpec | TokenSpec, Discriminator("kind")]


def first_line(path: Path, what: str) -> str:
    """A secret from the first line of a file."""
    return read_file(path, what).decode("utf-8", "replace").split("\n")[0].strip()


def read_file(path: Path, what: str) -> bytes:
    """A key's file; `SETTINGS_INVALID` says which cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise invalid(f"The {what} cannot be read from {path}: {error.strerror}.") from error


def invalid(message: str, **details: Any) -> ReelkeepError:
    """The error for a CDN that cannot be used as it is configured."""
    return ReelkeepError(message, ErrorCode.SETTINGS_INVALID, **details)
