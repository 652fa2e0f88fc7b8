# tidy: long, because every setting stands in one place, each with its meaning
"""Every setting, where it is defined: its name, unit, default and meaning.

Values come from, first wins: flags (arguments of `load_settings`), the environment, a `.env` file in the
working directory (or the file named by `REELKEEP_ENV_FILE`), the default. An empty value means unset.
`.env.example` and `docs/settings.md` are made from this file (`settings_document.py`) by `make docs`.
"""

import ipaddress
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import LogFormat
from reelkeep.settings_aliases import AliasRefused, AliasSource

PREFIX = "REELKEEP_"
ENV_FILE_VARIABLE = "REELKEEP_ENV_FILE"
#: What one POST form to S3 may carry; AWS's own limit.
POST_BYTES_MAX = 5 * 1024**3
#: What S3 keeps as one object.
OBJECT_BYTES_MAX = 5 * 1024**4


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


def _split_options(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    pairs = [item.partition("=") for item in value.split(",") if item.strip()]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise ValueError("must be options such as beam_size=1,temperature=0")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _full_path(path: Path) -> Path:
    return path.expanduser().absolute()


def _read_bytes(value: object) -> object:
    return int(TypeAdapter(ByteSize).validate_python(value)) if isinstance(value, str) else value


#: Comma-separated in the environment.
Names = Annotated[list[str], NoDecode, BeforeValidator(_split)]
#: `name=value` pairs, comma-separated, or a JSON object, in the environment.
Options = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_options)]
#: Made absolute against the working directory; `~` is the home folder.
FullPath = Annotated[Path, AfterValidator(_full_path)]
#: A number of bytes, or a number with a unit: 500MB, 5GiB.
Bytes = Annotated[int, BeforeValidator(_read_bytes), Field(ge=1)]
Seconds = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """What an operator may set; made once by `load_settings` and passed on inside the runtime."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=True,
    )

    data: FullPath = Field(Path("data"), description="Folder that holds everything Reelkeep keeps locally.")
    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` is every IPv4 address.")
    port: int = Field(8000, ge=0, le=65_535, description="TCP port to listen on; `0` takes a free one.")
    public_url: str | None = Field(
        None,
        description="Address that clients see, for example `https://recordings.example.org`; upload and "
        "download links are signed for it. Without it: `http://HOST:PORT`.",
    )
    trusted_proxies: Names = Field(
        ["127.0.0.1"],
        description="Addresses or networks of reverse proxies whose `X-Forwarded-*` headers are believed; "
        "comma-separated.",
    )
    cors_origins: Names = Field(
        [],
        description="Origins of other web pages that may call the API from a browser, for example "
        "`https://app.example.org`; comma-separated.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key that signs tokens and links, at least 32 characters. Without it: one is made and "
        "kept in the data folder. Several machines need the same one.",
    )

    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="A Postgres 15 or newer, as `postgresql://user:password@host:5432/name`. Without it: "
        "Reelkeep runs its own Postgres in the data folder.",
    )
    database_pool_size: Count = Field(10, description="Most database connections that one process keeps.")
    postgres_bin: FullPath | None = Field(
        None,
        description="Folder with `postgres` and `initdb` for the own Postgres. Without it: the ones that "
        "were installed with Reelkeep.",
    )
    postgres_user: str = Field(
        "reelkeep-pg",
        min_length=1,
        description="Operating-system user that the own Postgres runs as when Reelkeep is started by root; "
        "made when missing.",
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least important line that is written."
    )
    log_format: LogFormat = Field("console", description="`console` for people, `json` for machines.")
    log_file: FullPath | None = Field(
        None, description="File that log lines are added to. Without it: standard error."
    )

    sign_in_days: Count = Field(14, description="Days a browser stays signed in.")
    access_token_minutes: Count = Field(720, description="Minutes a bearer token from a sign-in is good for.")

    upload_size_bytes_max: Bytes = Field(
        POST_BYTES_MAX,
        le=OBJECT_BYTES_MAX,
        description="Largest upload, in bytes (or with a unit, as `500MB`). One form or PUT takes at most "
        "5 GiB of it, S3's own limit; larger files come in parts or by a resumable upload.",
    )
    upload_expires_in_seconds: Seconds = Field(
        3600, le=604_800, description="Seconds an upload ticket is good for."
    )
    upload_content_types: Names = Field(
        ["audio/*", "video/*"], description="Content types that are taken; comma-separated, `*` allowed."
    )
    upload_resumable_expires_in_seconds: Seconds = Field(
        604_800,
        description="Seconds that an upload in several goes may pause between two of them; what has come "
        "is kept as long.",
    )
    upload_idle_seconds: Seconds = Field(
        60, description="Seconds without a byte after which a request that uploads is ended; what came stays."
    )
    uploads_open_max: Count = Field(1000, description="Uploads that one organization may have open at once.")
    tickets_per_minute_max: Count = Field(
        6000, description="Upload tickets that one organization may be given in a minute."
    )
    quota_bytes: Bytes | None = Field(
        None,
        description="Space that one organization may use, in bytes (or with a unit, as `500GB`). Without it: "
        "no limit. `reelkeep limits` sets another for one organization.",
    )
    upload_interim_responses: bool = Field(
        False,
        description="Answer `104 Upload Resumption Supported`, which iPhones need to go on with an upload "
        "after a break. Only where every proxy in front passes it on; nginx breaks connections over it.",
    )
    upload_buffers_bytes_max: Bytes = Field(
        32 * 1024**2, description="Memory that all uploads through one server process share as buffers."
    )
    fetch_seconds_max: Seconds = Field(
        3600, description="Seconds that fetching a recording from a URL may take."
    )
    fetch_private_networks: bool = Field(
        False, description="Let URLs of private and local addresses be fetched. Only in a closed network."
    )
    download_acceleration: Literal["none", "x-accel-redirect", "x-sendfile"] = Field(
        "none",
        description="Let the web server in front send files of local stores: `x-accel-redirect` for nginx, "
        "`x-sendfile` for Apache and others.",
    )
    download_acceleration_prefix: str = Field(
        "/reelkeep-files",
        pattern=r"^/[A-Za-z0-9._~/-]*$",
        description="Internal location in nginx under which the data folder's `stores` is found.",
    )
    download_expires_in_seconds: Seconds = Field(
        3600, le=604_800, description="Seconds a download link is good for."
    )
    proxied_downloads_max: Count = Field(
        100,
        description="Downloads that may pass through one process at a time, for stores that give no links.",
    )
    seal_seconds_max: Seconds = Field(
        20, description="Seconds `complete` may take; a longer seal is finished by a job."
    )
    sweep_seconds: Seconds = Field(
        30, description="Seconds between two looks for forgotten uploads and stopped work."
    )

    stores_file: FullPath | None = Field(
        None,
        description="TOML file that describes further stores by name, and may say which is the primary and "
        "which the fallback one; docs/storage.md has an example.",
    )
    local_path: FullPath | None = Field(
        None, description="Folder of the store `local`. Without it: `stores/local` in the data folder."
    )
    scrub_days: int = Field(
        90,
        ge=0,
        description="Days in which workers read every copy once and compare its digest; `0`: never by "
        "themselves.",
    )

    store: str = Field(
        "local",
        min_length=1,
        description="Where new recordings are kept: `local` is the data folder, `s3` is the bucket below; or "
        "the name of a store in `REELKEEP_STORES_FILE`, whose `primary` counts when this is not set. "
        "`STORAGE_TYPE=LOCAL|S3` and, with AWS credentials, `S3_BUCKET_NAME` are understood too.",
    )
    fallback_store: str | None = Field(
        None,
        description="Store that takes new recordings, and the rest of uploads through the server, while the "
        "other one cannot be reached; they are moved when it answers again. Without it: the `fallback` of "
        "`REELKEEP_STORES_FILE`, else none.",
    )
    encryption_key_file: FullPath | None = Field(
        None,
        description="File with the master keys of stores that we encrypt (`encrypted = true`): an id and 64 "
        "hexadecimal digits a line, the first one wraps. `reelkeep storage encryption new-key` makes one.",
    )
    encryption_keys: SecretStr | None = Field(
        None, description="The same keys, `ID:DIGITS` and comma-separated, where there is no file for them."
    )
    s3_bucket: str | None = Field(None, description="Name of the bucket; needed when the store is `s3`.")
    s3_region: str = Field("us-east-1", min_length=1, description="Region of the bucket.")
    s3_endpoint_url: str | None = Field(
        None, description="Address of an S3-compatible service. Without it: AWS."
    )
    s3_access_key_id: str | None = Field(
        None, description="Access key. Without it: AWS's usual chain (role, profile, `AWS_*` variables)."
    )
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret of the access key.")
    s3_prefix: str = Field("", description="Put before every key in the bucket, for example `reelkeep/`.")
    s3_path_style: bool | None = Field(
        None,
        description="Address the bucket as a path (`true`) or as a host name (`false`). Without it: a path "
        "when an endpoint is set.",
    )
    s3_encrypt: bool | None = Field(
        None,
        description="Ask for AES256 server-side encryption. Without it: yes on AWS, no when an "
        "endpoint is set.",
    )

    storage_disabled: bool = Field(
        False,
        description="Keep no new recordings: tickets are refused. One plain request is still analysed, and "
        "its bytes go when the transcript is there. What is kept already plays on.",
    )
    backup_store: str | None = Field(
        None,
        description="Where backups go: the name of a store, or a folder (on another disk). Without it: "
        "nowhere, unless `reelkeep backup --to` says so.",
    )
    backup_key_file: FullPath | None = Field(
        None,
        description="File with the key that encrypts backups, 64 hexadecimal digits; more lines are older "
        "keys. Without it: one is made in the data folder; keep a copy of it elsewhere.",
    )
    backup_every_hours: Count | None = Field(
        None,
        le=24 * 366,
        description="Hours between two backups that the worker makes by itself. Without it: it makes none.",
    )
    backup_with_blobs: bool = Field(
        False,
        description="Whether those backups also hold the bytes of recordings. Without it: only the database; "
        "the bytes' second copies are the stores' matter.",
    )
    backup_keep_last: Count = Field(14, description="Backups that are kept; older ones are removed.")
    backup_days_max: Count = Field(
        30,
        description="Days after which a backup is removed in any case, but never the newest: so long may "
        "what was erased still be found in a backup.",
    )

    engine: str = Field(
        "auto",
        min_length=1,
        description="Speech engine by name; `auto` takes the best that is ready (`reelkeep engines`).",
    )
    engine_model_dir: FullPath | None = Field(
        None,
        validation_alias=f"{PREFIX}MODEL_DIR",
        description="Folder with a faster-whisper (CTranslate2) model. Without it: that engine is not ready.",
    )
    engine_device: Literal["auto", "cpu", "cuda"] = Field("auto", description="What the engine computes on.")
    engine_compute_type: str = Field(
        "default", min_length=1, description="Number format of faster-whisper, for example `int8`."
    )
    engine_threads: int = Field(
        0, ge=0, description="CPU threads of the engine; `0` leaves the choice to the engine."
    )
    engine_extra: Options = Field(
        {}, description="Further options of the engine, for example `beam_size=1`; comma-separated."
    )
    language: str | None = Field(
        None,
        pattern=r"^[a-z]{2,3}$",
        description="Language of the speech as an ISO 639 code, for example `en`. Without it: the engine "
        "finds out, where it can.",
    )

    media_seconds_max: Seconds = Field(
        3600, description="Seconds one piece of media work may take before it is stopped."
    )
    media_memory_bytes_max: Bytes = Field(
        1_500_000_000, ge=256_000_000, description="Memory of one piece of media work, in bytes."
    )
    duration_seconds_max: Seconds = Field(86_400, description="Longest sound that is taken, in seconds.")
    scratch_bytes_max: Bytes = Field(
        20_000_000_000, description="Disk space that a worker uses for work in progress, in bytes."
    )

    worker_media_concurrency: Count = Field(
        1, description="Recordings whose media one worker works on at once."
    )
    worker_speech_concurrency: Count = Field(1, description="Recordings that one worker transcribes at once.")
    step_attempts_max: Count = Field(
        3, description="Times a step is begun before it is given up as failed; orderly stops do not count."
    )
    worker_heartbeat_seconds: Seconds = Field(
        10, description="Seconds between two signs of life of a worker."
    )
    worker_stalled_seconds: Seconds = Field(
        30, description="Seconds without a sign of life after which a worker's jobs are taken over."
    )
    worker_shutdown_seconds: Seconds = Field(
        5, description="Seconds that a worker told to stop may finish its jobs in."
    )

    @property
    def base_url(self) -> str:
        """The address that clients see, without a slash at its end; links are signed for it."""
        if self.public_url:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - read, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def s3_asks_encryption(self) -> bool:
        """Whether uploads to the bucket ask for AES256 server-side encryption."""
        return self.s3_endpoint_url is None if self.s3_encrypt is None else self.s3_encrypt

    @property
    def s3_uses_path_style(self) -> bool:
        """Whether the bucket's name is part of the path instead of the host name."""
        return self.s3_endpoint_url is not None if self.s3_path_style is None else self.s3_path_style

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("public_url", "s3_endpoint_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a full address such as https://recordings.example.org")
        # Reading the port raises ValueError with a sentence when it is no number.
        if parts.port == 0 or parts.path.rstrip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError("must be a scheme, a host and perhaps a port, with nothing else")
        return value.rstrip("/")

    @field_validator("cors_origins")
    @classmethod
    def _plain_origins(cls, origins: list[str]) -> list[str]:
        return [str(cls._plain_address(origin)) if origin != "*" else origin for origin in origins]

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, proxies: list[str]) -> list[str]:
        for proxy in proxies:
            if proxy != "*":
                ipaddress.ip_network(proxy, strict=False)
        return proxies

    @field_validator("upload_content_types")
    @classmethod
    def _content_types(cls, types: list[str]) -> list[str]:
        if not types or any(item.count("/") != 1 for item in types):
            raise ValueError("must name content types such as audio/*,video/mp4")
        return [item.lower() for item in types]

    @field_validator("store")
    @classmethod
    def _configured(cls, store: str, info: ValidationInfo) -> str:
        if info.data.get("stores_file") is None and store not in ("local", "s3"):
            raise ValueError(
                "must name a configured store; without REELKEEP_STORES_FILE those are local and s3"
            )
        return store

    @field_validator("s3_prefix")
    @classmethod
    def _prefix(cls, prefix: str) -> str:
        inner = prefix.strip("/")
        return f"{inner}/" if inner else ""

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return key

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, url: SecretStr | None) -> SecretStr | None:
        schemes = ("postgresql", "postgres", "postgresql+psycopg")
        if url is not None and urlsplit(url.get_secret_value()).scheme not in schemes:
            raise ValueError("must begin with postgresql://; Reelkeep works with Postgres 15 or newer only")
        return url

    @model_validator(mode="after")
    def _fit_together(self) -> "Settings":
        if self.store == "s3" and not self.s3_bucket and self.stores_file is None:
            raise ValueError("REELKEEP_S3_BUCKET: must be set when REELKEEP_STORE is s3")
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError(
                "REELKEEP_S3_ACCESS_KEY_ID, REELKEEP_S3_SECRET_ACCESS_KEY: set both, "
                "or neither to use AWS's usual chain"
            )
        if self.worker_heartbeat_seconds * 2 > self.worker_stalled_seconds:
            raise ValueError("REELKEEP_WORKER_STALLED_SECONDS: must be at least two heartbeats long")
        if self.worker_shutdown_seconds >= self.worker_stalled_seconds:
            raise ValueError(
                "REELKEEP_WORKER_SHUTDOWN_SECONDS: must be shorter than REELKEEP_WORKER_STALLED_SECONDS, "
                "or a stopping worker's jobs are taken over while it still works on them"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - its file is fixed too early
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not used
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the `.env` file of the moment, then both under other names."""
        file = DotEnvSettingsSource(settings_cls, env_file=env_file())
        return init_settings, env_settings, file, AliasSource(settings_cls, file.env_vars)


def env_file() -> Path:
    """The file that settings are read from besides the environment; it need not be there."""
    return Path(os.environ.get(ENV_FILE_VARIABLE) or ".env")


def load_settings(**flags: Any) -> Settings:
    """The settings of this process; a flag that is None was not given.

    Raises `ReelkeepError` (`SETTINGS_INVALID`) with one line for each wrong value; secrets are never shown.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if os.environ.get(ENV_FILE_VARIABLE) and not env_file().is_file():
        raise _invalid(
            {ENV_FILE_VARIABLE: f"names {env_file()}, which is not a file; correct it or unset it"}
        )
    try:
        return Settings(**given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        # Not chained: the original carries the values, secrets among them.
        raise _invalid(dict(_explain(detail, given) for detail in details)) from None
    except AliasRefused as error:
        raise _invalid({error.variable: error.problem}) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid({str(env_file()): f"cannot be read: {error}"}) from error


def variable_of(field: str) -> str:
    """The environment variable that sets a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{field.upper()}"


def _said_as(field: str) -> str:
    """The variable that a field's value came from; its own where none was set."""
    own, source = variable_of(field), DotEnvSettingsSource(Settings, env_file=env_file())
    if field not in Settings.model_fields or os.environ.get(own) or source.env_vars.get(own.lower()):
        return own
    return AliasSource(Settings, source.env_vars).name_of(field) or own


def is_secret(field: str) -> bool:
    """Whether a field's value must never be shown."""
    annotation = Settings.model_fields[field].annotation
    return SecretStr in (annotation, *get_args(annotation))


def unknown_variables() -> list[str]:
    """Names in the environment and the `.env` file that begin like a setting but are none."""
    known = {variable_of(name) for name in Settings.model_fields} | {ENV_FILE_VARIABLE}
    source = DotEnvSettingsSource(Settings, env_file=env_file())
    names = {name.upper() for name in (*os.environ, *source.env_vars)}
    return sorted(n for n in names if n.startswith(PREFIX) and n not in known and "_TEST_" not in n)


def _invalid(problems: dict[str, str]) -> ReelkeepError:
    lines = "".join(f"\n  {name}: {problem}" for name, problem in problems.items())
    return ReelkeepError(
        f"Reelkeep cannot start with these settings:{lines}\nEvery setting is described in docs/settings.md.",
        ErrorCode.SETTINGS_INVALID,
        settings=problems,
    )


def _explain(detail: ErrorDetails, flags: dict[str, Any]) -> tuple[str, str]:
    problem = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:  # from `_fit_together`, which names the variables itself
        name, _, rest = problem.partition(": ")
        return name, rest
    place = str(detail["loc"][0])
    fields = [name for name in Settings.model_fields if place in (name, variable_of(name))]
    field = fields[0] if fields else place
    name = f"--{field.replace('_', '-')}" if field in flags else _said_as(field)
    problem = problem[0].lower() + problem[1:]
    return name, problem if is_secret(field) else f"{problem} (it is {str(detail['input'])!r})"
