"""Builds the runtime: the only place where concrete stores, engines and the database are made."""

import asyncio
import os
import secrets as random_secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import insert

from reelkeep.blobs.data_keys import DataKeyRing, LooseKeys
from reelkeep.blobs.identity import prove_identity
from reelkeep.blobs.key_templates import check_store_keys
from reelkeep.blobs.master_keys import (
    check_master_keys,
    load_master_keys,
    note_encrypted,
    require_master_keys,
)
from reelkeep.blobs.models import StoreRow
from reelkeep.blobs.traffic import keeping_traffic
from reelkeep.cdn_config import CdnSpec, CloudFrontSpec, first_line, invalid, read_file
from reelkeep.clock import SystemClock
from reelkeep.db import migrate
from reelkeep.db.database import Database, conninfo_of
from reelkeep.db.postgres.client import EmbeddedPostgres, acquire
from reelkeep.db.restored import require_finished_restore
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.runtime import Runtime, Secrets, Stores
from reelkeep.settings import Settings
from reelkeep.speech.protocol import Engine
from reelkeep.speech.registry import known_engines
from reelkeep.stores.buffering import BufferBudget
from reelkeep.stores.cdn import Cdn
from reelkeep.stores.cdn_cloudfront import CloudFront, Invalidations, read_private_key
from reelkeep.stores.cdn_token import Purges, TokenCdn
from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.guarded import guard
from reelkeep.stores.key_ring import KeyRing
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.protocol import Store
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.s3_config import default_credentials
from reelkeep.stores.s3_encryption import Encryption
from reelkeep.stores.signer import Credentials
from reelkeep.stores_config import LocalSpec, S3Spec, StoreSpec, configured_stores
from reelkeep.tables import all_tables
from reelkeep.uploads.key_scope import recording_of_key
from reelkeep.uploads.writers import close_writers

SECRET_FILE = "secret.key"
SECRET_BYTES_MIN = 32
WIRE_ACCESS_KEY = "reelkeep"


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    migrate_database: bool = True,
    application_name: str = "reelkeep",
    restoring: str | None = None,
) -> AsyncIterator[Runtime]:
    """Everything a process needs, open until the block ends; `restoring` is the backup being put back.

    Makes the data folder, starts or joins the embedded Postgres unless DATABASE_URL names another, and
    brings the tables to this version. Raises `ReelkeepError` with what to do.
    """
    all_tables()  # a row's foreign keys may name tables of rooms that this process does not use
    await asyncio.to_thread(_make_data_folder, settings.data)
    async with AsyncExitStack() as stack:
        source = await _database_source(settings, stack)
        if migrate_database:
            conninfo = source.conninfo if isinstance(source, EmbeddedPostgres) else source
            await asyncio.to_thread(migrate.upgrade, conninfo)
            await asyncio.to_thread(require_finished_restore, conninfo, restoring)
        database = Database(source, pool_size=settings.database_pool_size, application_name=application_name)
        stack.push_async_callback(database.close)
        secrets = Secrets(await asyncio.to_thread(_secret, settings))
        ring = DataKeyRing(database, await asyncio.to_thread(load_master_keys, settings), recording_of_key)
        stores = build_stores(settings, secrets, ring)
        check_store_keys(stores)
        for store in stores.by_name.values():
            stack.push_async_callback(store.close)
        clock = SystemClock()
        if migrate_database:
            await stack.enter_async_context(keeping_traffic(database, stores.by_name, clock))
        stack.push_async_callback(close_writers, database)  # first: what uploads brought goes into the stores
        if migrate_database:
            await _note_stores(database, stores, ring)
        yield Runtime(
            settings=settings,
            database=database,
            stores=stores,
            engines=build_engines(settings),
            secrets=secrets,
            clock=clock,
            scratch=settings.data / "scratch",
            open_folder=open_folder,
            key_ring=ring if ring.master_keys else None,
        )


def open_folder(folder: Path) -> Store:
    """A store in any folder, for backups: nothing of it is served to clients."""
    config = LocalStoreConfig(
        name=str(folder),
        bucket="backups",
        root=folder,
        public_url="http://nowhere.invalid",
        access_key="-",
        secret_key="-",
    )
    return guard(LocalStore(config))


def build_engines(settings: Settings) -> list[Engine]:
    """Every engine under these settings, best first; loads nothing."""
    model_dir = str(settings.engine_model_dir) if settings.engine_model_dir else None
    return known_engines(
        model_dir,
        settings.engine_device,
        settings.engine_compute_type,
        settings.engine_threads,
        settings.engine_extra,
        with_fake=settings.engine == "fake",
    )


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[str]:
    """How libpq reaches the database, running until the block ends; its tables are left as they are."""
    await asyncio.to_thread(_make_data_folder, settings.data)
    async with AsyncExitStack() as stack:
        source = await _database_source(settings, stack)
        yield source.conninfo if isinstance(source, EmbeddedPostgres) else source


def _make_data_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        for name in ("scratch", "stores"):
            (data / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ReelkeepError(
            f"The data folder {data} cannot be used: {error.strerror}. Choose another with --data.",
            ErrorCode.SETTINGS_INVALID,
        ) from error


async def _database_source(settings: Settings, stack: AsyncExitStack) -> str | EmbeddedPostgres:
    if settings.database_url:
        return conninfo_of(settings.database_url.get_secret_value())
    server = await asyncio.to_thread(
        acquire, settings.data, binaries=settings.postgres_bin, system_user=settings.postgres_user
    )
    stack.push_async_callback(asyncio.to_thread, server.close)
    return server


def _secret(settings: Settings) -> bytes:
    """The installation's secret: from the settings, else from a file that the first process makes."""
    if settings.secret_key:
        return settings.secret_key.get_secret_value().encode()
    path = settings.data / SECRET_FILE
    fresh = path.with_name(f".{SECRET_FILE}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(random_secrets.token_hex(32).encode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # fails where another process was first: then its secret counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _checked_secret(path)


def _checked_secret(path: Path) -> bytes:
    """What signs every token: an emptied file must not become a key that anybody can guess."""
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES_MIN:
        raise ReelkeepError(
            f"{path} is damaged: it has {len(secret)} bytes. Put it back from a backup, or remove it: then "
            "a new one is made, and everybody signs in again.",
            ErrorCode.SETTINGS_INVALID,
        )
    return secret


def build_stores(settings: Settings, secrets: Secrets, ring: KeyRing | None = None) -> Stores:
    """Every configured store, guarded; opens no connection.

    Without a ring, encrypted stores give what belongs to no organization, as backups. Raises `ENCRYPTION_KEY`
    where there is an encrypted store and no master key.
    """
    config = configured_stores(settings)
    if any(spec.encrypted for spec in config.specs.values()):
        master_keys = load_master_keys(settings)
        require_master_keys(master_keys, list(config.specs.values()))
        ring = ring or LooseKeys(master_keys)
    wire = Credentials(WIRE_ACCESS_KEY, secrets.derive("s3 wire").hex())
    buffers = BufferBudget(settings.upload_buffers_bytes_max)
    stores: dict[str, Store] = {}
    on_wire: dict[str, LocalStore] = {}
    wire_keys = {wire.access_key: wire}
    for name, spec in config.specs.items():
        if isinstance(spec, LocalSpec):
            given, previous = credentials_of(spec.credentials), credentials_of(spec.previous_credentials)
            wire_keys |= {key.access_key: key for key in (given, previous) if key}
            local = _local_store(settings, spec, given or wire, buffers)
            if not spec.encrypted:  # else the wire would show encrypted bytes, and take others
                on_wire[local.bucket] = local
            made: Store = local
        else:
            assert isinstance(spec, S3Spec)
            made = _s3_store(settings, spec, buffers)
        stores[name] = guard(EncryptedStore(made, ring) if spec.encrypted and ring else made)
    return Stores(
        stores,
        config.primary_name,
        on_wire,
        wire_keys,
        cdns={name: build_cdn(spec, spec.cdn) for name, spec in config.specs.items() if spec.cdn},
        specs=config.specs,
        fallback_name=config.fallback_name,
    )


def build_cdn(store: StoreSpec, spec: CdnSpec) -> Cdn:
    """The CDN in front of a store; reads its key, and opens no connection."""
    if isinstance(spec, CloudFrontSpec):
        try:
            key = read_private_key(read_file(spec.private_key_file, f"CloudFront key of {store.name}"))
        except ValueError as error:
            raise invalid(f"The CloudFront key {spec.private_key_file} of {store.name} {error}.") from None
        return CloudFront(
            spec.url,
            spec.key_pair_id,
            key,
            policy=spec.policy,
            hands_on_signatures=spec.hands_on_signatures,
            invalidations=_invalidations(store, spec),
        )
    purges = Purges(
        spec.purge_url or "",
        spec.purge_method,
        {name: value.get_secret_value() for name, value in spec.purge_headers.items()},
        spec.purge_json_field,
    )
    if spec.secret_file is not None:
        secret = first_line(spec.secret_file, f"CDN's secret of {store.name}")
    else:
        assert spec.secret is not None
        secret = spec.secret.get_secret_value()
    if not secret:
        raise invalid(f"The CDN's secret of {store.name} is empty.")
    return TokenCdn(
        spec.url,
        secret,
        scheme=spec.scheme,
        hands_on_signatures=spec.hands_on_signatures,
        purges=purges if spec.purge_url else None,
    )


def _invalidations(store: StoreSpec, spec: CloudFrontSpec) -> Invalidations | None:
    if spec.distribution_id is None:
        return None
    own = None
    if spec.access_key_id is not None and spec.secret_access_key is not None:
        own = (spec.access_key_id, spec.secret_access_key)
    profile = store.profile if isinstance(store, S3Spec) and own is None else None
    return Invalidations(
        spec.distribution_id,
        credentials_of(own or store.credentials),
        profile,
        spec.invalidation_endpoint_url,
    )


def credentials_of(pair: tuple[str, SecretStr] | None) -> Credentials | None:
    """What signs, of what is configured."""
    return Credentials(pair[0], pair[1].get_secret_value()) if pair else None


def encryption_of(spec: S3Spec) -> Encryption | None:
    """What the service is asked to encrypt with."""
    return None if spec.encryption == "none" else Encryption(spec.encryption, spec.kms_key_id)


def _local_store(
    settings: Settings, spec: LocalSpec, credentials: Credentials, buffers: BufferBudget
) -> LocalStore:
    return LocalStore(
        LocalStoreConfig(
            name=spec.name,
            bucket=spec.name,
            root=spec.path,
            public_url=settings.base_url,
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            shared=spec.shared,
            buffers=buffers,
        )
    )


def _s3_store(settings: Settings, spec: S3Spec, buffers: BufferBudget) -> S3Store:
    return S3Store(
        S3StoreConfig(
            name=spec.name,
            bucket=spec.bucket,
            region=spec.region,
            endpoint_url=spec.endpoint_url,
            public_endpoint_url=spec.public_endpoint_url,
            virtual_host=not spec.path_style,
            prefix=spec.prefix,
            credentials=credentials_of(spec.credentials) or default_credentials(spec.profile),
            previous_credentials=credentials_of(spec.previous_credentials),
            encryption=encryption_of(spec),
            post_policy=spec.post_policy,
            checksums=spec.checksums,
            scratch=settings.data / "scratch",
            buffers=buffers,
        )
    )


async def _note_stores(database: Database, stores: Stores, ring: DataKeyRing) -> None:
    specs = list(stores.specs.values())
    rows = [{"name": spec.name, "kind": spec.kind, "encrypted": spec.encrypted} for spec in specs]
    async with database.directory() as session:
        await session.execute(insert(StoreRow).values(rows).on_conflict_do_nothing())
    await note_encrypted(database, specs)
    if any(spec.encrypted for spec in specs):
        await check_master_keys(database, ring.master_keys)
    for name, spec in stores.specs.items():
        if isinstance(spec, LocalSpec) and spec.shared:
            await prove_identity(database, name, spec.path)
