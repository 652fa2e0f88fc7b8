"""What is known of S3 services: how each differs from Amazon S3, as data.

A store in the file of stores names its service and may say any of these anew. Sources: each service's own
list of what it supports, named in docs/storage.md.
"""

from dataclasses import dataclass
from typing import Literal

ServiceName = Literal["aws", "r2", "wasabi", "minio", "ceph", "backblaze", "other"]

#: What `reelkeep storage provision` gives a bucket.
BucketStep = Literal[
    "public_access", "acl", "policy", "encryption", "versioning", "lifecycle", "cors", "access_logs"
]

_AWS_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)


@dataclass(frozen=True, slots=True)
class Service:
    """One service's ways; a default says what Amazon S3 does."""

    #: What it calls its one region, where it has one.
    region: str | None = None
    path_style: bool = True
    encryption: Literal["none", "AES256"] = "none"
    post_policy: bool = True
    checksums: bool = True
    conditional_writes: bool = True
    restores: bool = False
    storage_classes: tuple[str, ...] = ()
    cold_classes: tuple[str, ...] = ()
    #: What a bucket cannot be given there.
    lacks: tuple[BucketStep, ...] = ()


SERVICES: dict[str, Service] = {
    "aws": Service(
        region="us-east-1",
        path_style=False,
        encryption="AES256",
        restores=True,
        storage_classes=_AWS_CLASSES,
        cold_classes=("GLACIER", "DEEP_ARCHIVE"),
    ),
    "r2": Service(
        region="auto",
        post_policy=False,
        storage_classes=("STANDARD", "STANDARD_IA"),
        lacks=("public_access", "acl", "policy", "encryption", "versioning", "access_logs"),
    ),
    "wasabi": Service(conditional_writes=False, checksums=False),
    "minio": Service(region="us-east-1", lacks=("public_access", "cors", "access_logs")),
    "ceph": Service(
        region="us-east-1",
        checksums=False,
        # In buckets with versions (16.2) a second writer is not refused.
        conditional_writes=False,
        lacks=("public_access", "encryption"),
    ),
    "backblaze": Service(
        post_policy=False,
        checksums=False,
        conditional_writes=False,
        lacks=("public_access", "policy"),
    ),
    "other": Service(region="us-east-1"),
}
