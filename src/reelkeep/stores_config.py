"""The configured stores: what the settings say, and what a file of stores (TOML) adds to it.

Two stores need no file: `local` in the data folder, and `s3` when the settings name a bucket. The file named
by `REELKEEP_STORES_FILE` describes any number of others; docs/storage.md has a whole example. A value such as
`"${R2_SECRET}"` is taken from the environment, so that the file may lie in version control.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from reelkeep.cdn_config import CdnSpec
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.settings import Bytes, Count, FullPath, Settings
from reelkeep.stores_prices import PriceTable
from reelkeep.stores_services import SERVICES, BucketStep, Service, ServiceName

LOCAL, S3 = "local", "s3"
Encryption = Literal["none", "AES256", "aws:kms"]
#: A store's name is a bucket's name on the local wire too.
STORE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FROM_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class StoreSpec(BaseModel):
    """What every configured store has; `LocalSpec` and `S3Spec` are the kinds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Unique in an installation; copies point at it, so it never changes.
    name: str
    kind: Literal["local", "s3"]
    #: Every process of this installation sees the same bytes.
    shared: bool = False
    #: Classes that copies may be put into here; empty where the store has none.
    storage_classes: tuple[str, ...] = ()
    #: The store's own encryption of what lies in it.
    encryption: Encryption = "none"
    #: Key of the store's own key service, with `aws:kms`; none is its default key.
    kms_key_id: str | None = None
    #: We encrypt what lies in it; needs REELKEEP_ENCRYPTION_KEY_FILE.
    encrypted: bool = False
    #: What every key begins with; empty, or ends with a slash.
    prefix: str = ""
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    #: A file whose first line is the secret; read at the start.
    secret_access_key_file: FullPath | None = None
    #: The older credentials, while keys are rotated.
    previous_access_key_id: str | None = None
    previous_secret_access_key: SecretStr | None = None
    previous_secret_access_key_file: FullPath | None = None
    #: Requests that one process may have under way here when it moves copies.
    requests_at_once_max: Count = 16
    #: Bytes in a second that one process may move here; none is no limit.
    bytes_per_second_max: Bytes | None = None
    #: The CDN that lies in front of the store; download URLs are then the CDN's.
    cdn: CdnSpec | None = None
    #: What storage, requests and transfer cost; read by who counts cost.
    prices: PriceTable | None = None
    #: The preset or template of its keys; read by who builds keys.
    keys: str | dict[str, Any] | None = None

    @property
    def credentials(self) -> tuple[str, SecretStr] | None:
        """The access key and its secret, or None for those of the surroundings."""
        return _pair(self.access_key_id, self.secret_access_key, self.secret_access_key_file)

    @property
    def previous_credentials(self) -> tuple[str, SecretStr] | None:
        """The older access key and its secret, while keys are rotated."""
        return _pair(
            self.previous_access_key_id,
            self.previous_secret_access_key,
            self.previous_secret_access_key_file,
        )

    @field_validator("prefix")
    @classmethod
    def _slash_at_the_end(cls, prefix: str) -> str:
        inner = prefix.strip("/")
        return f"{inner}/" if inner else ""

    @model_validator(mode="after")
    def _credentials_whole(self) -> "StoreSpec":
        for lead in ("", "previous_"):
            key = getattr(self, f"{lead}access_key_id")
            secrets = [
                getattr(self, f"{lead}secret_access_key"),
                getattr(self, f"{lead}secret_access_key_file"),
            ]
            if sum(secret is not None for secret in secrets) != (key is not None):
                raise ValueError(
                    f"{lead}access_key_id needs {lead}secret_access_key or {lead}secret_access_key_file, "
                    "one of them, and the other way round"
                )
        if self.previous_access_key_id and not self.access_key_id:
            raise ValueError("previous_access_key_id needs access_key_id, the one that takes its place")
        if self.encrypted and self.cdn is not None:
            raise ValueError("a CDN would hand out encrypted bytes: leave out cdn or encrypted")
        if self.kms_key_id and self.encryption != "aws:kms":
            raise ValueError('kms_key_id needs encryption = "aws:kms"')
        return self


class LocalSpec(StoreSpec):
    """A folder, served on the local S3 wire under the store's own name."""

    kind: Literal["local"] = "local"
    path: FullPath

    @model_validator(mode="after")
    def _only_what_folders_can(self) -> "LocalSpec":
        if self.encryption != "none" or self.storage_classes or self.prefix:
            raise ValueError("a local store has no encryption, storage_classes or prefix of its own")
        if self.cdn is not None and not self.cdn.hands_on_signatures:
            raise ValueError(
                "a CDN has no access of its own to a local store: set hands_on_signatures = true in its cdn"
            )
        return self


class S3Spec(StoreSpec):
    """A bucket at Amazon S3 or at a service that speaks like it."""

    kind: Literal["s3"] = "s3"
    shared: Literal[True] = True
    bucket: Annotated[str, Field(min_length=1)]
    #: Whose quirks are known; what a service cannot do is data, and may be said anew here.
    service: ServiceName = "other"
    region: Annotated[str, Field(min_length=1)]
    #: None: Amazon's own for the region.
    endpoint_url: str | None = None
    #: The same service as clients reach it, when that is another address.
    public_endpoint_url: str | None = None
    path_style: bool
    #: A profile of AWS's shared files (`~/.aws`), instead of an access key.
    profile: str | None = None
    #: Takes a form by POST policy; otherwise clients get a presigned PUT.
    post_policy: bool
    #: Compares what comes with `x-amz-checksum-sha256`.
    checksums: bool
    #: Takes `If-None-Match: *` with a PUT.
    conditional_writes: bool
    #: Brings copies back from the cold classes below when it is asked.
    restores: bool
    #: Classes that have to be asked back before they can be read.
    cold_classes: tuple[str, ...]
    #: What `reelkeep storage provision` cannot give a bucket there.
    lacks: tuple[BucketStep, ...]

    @property
    def encrypts_at_rest(self) -> bool:
        """Whether what makes an object asks for encryption."""
        return self.encryption != "none"

    @field_validator("endpoint_url", "public_endpoint_url")
    @classmethod
    def _full_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ValueError("must be a full address such as https://s3.example.org:9000")
        return url.rstrip("/")

    @model_validator(mode="before")
    @classmethod
    def _with_the_services_own(cls, given: Any) -> Any:
        """Fill what is not said by what is known of the service."""
        if not isinstance(given, dict):
            return given
        named = given.get("service") or ("other" if given.get("endpoint_url") else "aws")
        service = SERVICES.get(named)
        return given if service is None else {**_defaults(service), **given, "service": named}

    @model_validator(mode="after")
    def _reachable(self) -> "S3Spec":
        if self.service != "aws" and not self.endpoint_url:
            raise ValueError(f"endpoint_url is needed for service {self.service!r}")
        if self.profile and self.access_key_id:
            raise ValueError("set access_key_id or profile, not both")
        return self


@dataclass(frozen=True, slots=True)
class StoresConfig:
    """Every configured store, which one takes new bytes, and which one when that fails."""

    specs: Mapping[str, StoreSpec]
    primary_name: str
    fallback_name: str | None = None


def configured_stores(settings: Settings) -> StoresConfig:
    """What the settings and the file of stores say together.

    Raises `ReelkeepError` (`SETTINGS_INVALID`) with one line for each wrong value; secrets are never shown.
    """
    document = _read(settings.stores_file) if settings.stores_file else {}
    specs: dict[str, StoreSpec] = {LOCAL: LocalSpec(name=LOCAL, path=_local_path(settings))}
    if settings.s3_bucket:
        specs[S3] = spec_of_settings(settings)
    if settings.stores_file:
        described = _specs(settings, document)
        clash = described.get(S3)
        if settings.s3_bucket and clash is not None and getattr(clash, "bucket", None) != settings.s3_bucket:
            raise _invalid(
                settings.stores_file,
                {"stores.s3": "is described by REELKEEP_S3_BUCKET too; keep one of the two"},
            )
        specs |= described
    primary = settings.store
    if "store" not in settings.model_fields_set:
        primary = str(document.get("primary") or primary)
    fallback = settings.fallback_store or document.get("fallback")
    _check_names(settings, specs, {"primary": primary, "fallback": fallback})
    _check_currencies(settings, specs)
    return StoresConfig(MappingProxyType(specs), primary, fallback)


def spec_of_settings(settings: Settings) -> S3Spec:
    """The store `s3` that the settings describe by themselves."""
    given = {
        "name": S3,
        "bucket": settings.s3_bucket,
        "region": settings.s3_region,
        "endpoint_url": settings.s3_endpoint_url,
        "path_style": settings.s3_uses_path_style,
        "prefix": settings.s3_prefix,
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": settings.s3_secret_access_key,
        "encryption": "AES256" if settings.s3_asks_encryption else "none",
    }
    return S3Spec.model_validate(given)


def _local_path(settings: Settings) -> Path:
    return settings.local_path or settings.data / "stores" / LOCAL


def _check_names(settings: Settings, specs: Mapping[str, StoreSpec], named: dict[str, Any]) -> None:
    known = ", ".join(sorted(specs))
    wrong = {
        what: f"names the store {name!r}, which is not configured; known: {known}"
        for what, name in named.items()
        if name is not None and name not in specs
    }
    if named["fallback"] is not None and named["fallback"] == named["primary"]:
        wrong["fallback"] = "is the primary store itself; name another, or none"
    if wrong:
        variables = {"primary": "REELKEEP_STORE", "fallback": "REELKEEP_FALLBACK_STORE"}
        named_by_file = settings.stores_file is not None
        raise _invalid(
            settings.stores_file or Path("the settings"),
            {
                f"{what} ({variables[what]})" if named_by_file else variables[what]: why
                for what, why in wrong.items()
            },
        )


def _check_currencies(settings: Settings, specs: Mapping[str, StoreSpec]) -> None:
    """Sums over stores are told, so all prices are in one currency."""
    named = {name: spec.prices.currency for name, spec in specs.items() if spec.prices}
    first = next(iter(named.values()), None)
    others = {
        f"stores.{name}.prices.currency": f"is {currency} and another store's is {first}; use one for all"
        for name, currency in named.items()
        if currency != first
    }
    if others:
        raise _invalid(settings.stores_file or Path("the settings"), others)


def _pair(key: str | None, secret: SecretStr | None, file: Path | None) -> tuple[str, SecretStr] | None:
    if key is None:
        return None
    if secret is not None:
        return key, secret
    assert file is not None
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ReelkeepError(
            f"The secret of the access key {key} cannot be read from {file}: {error}.",
            ErrorCode.SETTINGS_INVALID,
        ) from error
    return key, SecretStr(lines[0].strip())


def _defaults(service: Service) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "path_style": service.path_style,
        "encryption": service.encryption,
        "post_policy": service.post_policy,
        "checksums": service.checksums,
        "conditional_writes": service.conditional_writes,
        "restores": service.restores,
        "cold_classes": service.cold_classes,
        "storage_classes": service.storage_classes,
        "lacks": service.lacks,
    }
    return defaults | ({"region": service.region} if service.region else {})


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise _invalid(path, {"REELKEEP_STORES_FILE": f"cannot be read: {error.strerror}"}) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(path, {"REELKEEP_STORES_FILE": f"is not TOML: {error}"}) from None


def _specs(settings: Settings, document: dict[str, Any]) -> dict[str, StoreSpec]:
    path = settings.stores_file
    assert path is not None
    problems = {
        str(name): "is not known here; the file has primary, fallback and stores"
        for name in document.keys() - {"primary", "fallback", "stores"}
    }
    stores = document.get("stores", {})
    if not isinstance(stores, dict):
        raise _invalid(path, {"stores": "must be sections such as [stores.s3-eu]"})
    specs: dict[str, StoreSpec] = {}
    for name, section in stores.items():
        place = f"stores.{name}"
        if not STORE_NAME.fullmatch(name):
            problems[place] = "is no name for a store: use a-z, 0-9 and inner -, at most 63 characters"
        elif not isinstance(section, dict):
            problems[place] = f"must be a section, as [stores.{name}]"
        else:
            specs |= _spec(settings, name, place, section, problems)
    if problems:
        raise _invalid(path, problems)
    return specs


def _spec(
    settings: Settings, name: str, place: str, section: dict[str, Any], problems: dict[str, str]
) -> dict[str, StoreSpec]:
    kind = section.get("kind", LOCAL if name == LOCAL else None)
    models: dict[Any, type[LocalSpec] | type[S3Spec]] = {"local": LocalSpec, "s3": S3Spec}
    if kind not in models:
        problems[f"{place}.kind"] = 'must be "local" or "s3"'
        return {}
    given = {**_filled(section, place, problems), "name": name, "kind": kind}
    if name == LOCAL:
        given.setdefault("path", _local_path(settings))
    try:
        return {name: models[kind].model_validate(given)}
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            where = ".".join(str(part) for part in (place, *detail["loc"]))
            problems.setdefault(where, detail["msg"].removeprefix("Value error, "))
        return {}


def _filled(value: Any, place: str, problems: dict[str, str]) -> Any:
    """The value with every `${NAME}` in it taken from the environment."""
    if isinstance(value, dict):
        return {name: _filled(inner, f"{place}.{name}", problems) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, place, problems) for inner in value]
    found = _FROM_ENVIRONMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    taken = os.environ.get(found[1])
    if not taken:
        problems[place] = f"names the environment variable {found[1]}, which is not set"
        return ""
    return taken


def _invalid(path: Path, problems: dict[str, str]) -> ReelkeepError:
    lines = "".join(f"\n  {name}: {problem}" for name, problem in problems.items())
    return ReelkeepError(
        f"Reelkeep cannot start with the stores of {path}:{lines}\nStores are described in docs/storage.md.",
        ErrorCode.SETTINGS_INVALID,
        settings=problems,
    )
