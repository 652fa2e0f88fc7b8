"""Which stores there are and how they are used; never their keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from reelkeep.accounts.identify import Caller
from reelkeep.accounts.permissions import Permission
from reelkeep.http.identity import requires, runtime_of
from reelkeep.runtime import Runtime
from reelkeep.stores_config import LOCAL, LocalSpec, S3Spec, StoreSpec

router = APIRouter(tags=["storage"])

Reader = Annotated[Caller, Depends(requires("storage.read"))]
Member = Annotated[Caller, Depends(requires("recordings.read"))]


class StoreOut(BaseModel):
    """One configured store."""

    name: str
    kind: str = Field(description="local or s3.")
    service: str | None = Field(description="For s3: aws, r2, wasabi, minio, ceph, backblaze or other.")
    bucket: str
    region: str | None
    endpoint_url: str | None = Field(description="Null: a folder, or Amazon's own for the region.")
    prefix: str
    shared: bool = Field(description="Every process of the installation sees the same bytes.")
    encryption: str = Field(description="The store's own: none, AES256 or aws:kms.")
    storage_classes: list[str]
    cold_classes: list[str] = Field(description="Have to be asked back before they can be read.")
    takes_forms: bool = Field(description="False: `post` tickets are presigned PUTs there.")
    cdn: bool = Field(description="Downloads come from a CDN in front of it.")


class StorageInfoOut(BaseModel):
    """The configured stores, and which of them takes new bytes."""

    primary: str
    fallback: str | None = Field(description="Takes new bytes while the primary one is away.")
    stores: list[StoreOut]


class AudioStorageInfoOut(BaseModel):
    """Where recordings are kept, in few words."""

    storage_type: str = Field(description="local or s3.")
    local_path: str | None = Field(description="Null for those who may not see how storage is set up.")
    s3_bucket: str | None
    s3_enabled: bool


@router.get("/api/v1/storage/info", response_model=StorageInfoOut)
async def info(request: Request, _caller: Reader) -> StorageInfoOut:
    """The configured stores, and which of them takes new bytes."""
    stores = runtime_of(request).stores
    return StorageInfoOut(
        primary=stores.primary_name,
        fallback=stores.fallback_name,
        stores=[store_out(spec, stores.by_name[name].bucket) for name, spec in stores.specs.items()],
    )


@router.get("/audio/storage-info", response_model=AudioStorageInfoOut)
async def audio_storage_info(request: Request, caller: Member) -> AudioStorageInfoOut:
    """Where recordings are kept, in few words: for programs written against an older interface."""
    runtime = runtime_of(request)
    primary = runtime.stores.specs[runtime.stores.primary_name]
    bucket = _bucket_in_use(runtime)
    path = _folder(runtime)
    return AudioStorageInfoOut(
        storage_type=primary.kind,
        local_path=path if caller.may(Permission.STORAGE_READ) else None,
        s3_bucket=bucket,
        s3_enabled=primary.kind == "s3",
    )


def store_out(spec: StoreSpec, bucket: str) -> StoreOut:
    """A store as it is told; nothing of its credentials."""
    service = spec if isinstance(spec, S3Spec) else None
    return StoreOut(
        name=spec.name,
        kind=spec.kind,
        service=service.service if service else None,
        bucket=bucket,
        region=service.region if service else None,
        endpoint_url=service.endpoint_url if service else None,
        prefix=spec.prefix,
        shared=spec.shared,
        encryption=spec.encryption,
        storage_classes=list(spec.storage_classes),
        cold_classes=list(service.cold_classes) if service else [],
        takes_forms=service.post_policy if service else True,
        cdn=spec.cdn is not None,
    )


def _bucket_in_use(runtime: Runtime) -> str | None:
    """The primary store's bucket, else that of the first other S3 store."""
    specs = runtime.stores.specs
    for name in (runtime.stores.primary_name, *specs):
        spec = specs[name]
        if isinstance(spec, S3Spec):
            return spec.bucket
    return None


def _folder(runtime: Runtime) -> str | None:
    specs = runtime.stores.specs
    for name in (runtime.stores.primary_name, LOCAL):
        spec = specs.get(name)
        if isinstance(spec, LocalSpec):
            return str(spec.path)
    return None
