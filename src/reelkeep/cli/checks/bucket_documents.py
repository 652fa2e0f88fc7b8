"""What a bucket is given, as the documents of the S3 API; nothing here asks a service.

What is ours has names that begin with `reelkeep`; whatever else a bucket has is kept as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from reelkeep.blobs.keys import INCOMING
from reelkeep.stores_config import S3Spec

OURS = "reelkeep"
CORS_SECONDS_MAX = 3600
#: How long versions under `incoming/` are kept: what was sealed lies elsewhere.
INCOMING_VERSION_DAYS = 1

_OBJECT_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
_BUCKET_ACTIONS = (
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
)
#: Of these, what is about older versions; they bring lost bytes back, and let what is erased be gone.
VERSION_ACTIONS = frozenset(
    {"s3:DeleteObjectVersion", "s3:GetBucketVersioning", "s3:GetObjectVersion", "s3:ListBucketVersions"}
)

Document = dict[str, Any]


def cors_rule(origins: Sequence[str]) -> Document:
    """The one rule with which pages of these origins send and play recordings."""
    return {
        "ID": OURS,
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["GET", "HEAD", "POST", "PUT", "DELETE"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag", "Content-Range", "Accept-Ranges"],
        "MaxAgeSeconds": CORS_SECONDS_MAX,
    }


def lifecycle_rules(spec: S3Spec, *, abort_days: int, version_days: int) -> list[Document]:
    """Parts of uploads that nobody ended go, and so do versions that nothing points at."""
    rules: list[Document] = [
        {
            "ID": f"{OURS}-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": spec.prefix},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": abort_days},
        }
    ]
    if "versioning" in spec.lacks:
        return rules
    return [
        *rules,
        {
            "ID": f"{OURS}-versions",
            "Status": "Enabled",
            "Filter": {"Prefix": spec.prefix},
            "NoncurrentVersionExpiration": {"NoncurrentDays": version_days},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
        {
            "ID": f"{OURS}-incoming",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{spec.prefix}{INCOMING}"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": INCOMING_VERSION_DAYS},
        },
    ]


def merged(present: Iterable[Document], ours: Sequence[Document], name: str) -> list[Document]:
    """Our documents in place of our older ones; those of others stay."""
    kept = [item for item in present if not str(item.get(name, "")).lower().startswith(OURS)]
    return [*(item for item in kept if _unnamed(item, name) not in [_unnamed(o, name) for o in ours]), *ours]


def encryption_rule(spec: S3Spec) -> Document:
    """What the bucket encrypts with by itself."""
    rule: Document = {"SSEAlgorithm": "AES256" if spec.encryption == "none" else spec.encryption}
    if spec.kms_key_id is not None:
        rule["KMSMasterKeyID"] = spec.kms_key_id
    return rule


def policy_statements(spec: S3Spec) -> list[Document]:
    """What the bucket refuses whoever asks: plain HTTP, and bytes that are not encrypted as configured."""
    bucket = arn_of(spec)
    objects = f"{bucket}/*"
    statements: list[Document] = []
    if speaks_https(spec):
        # Elsewhere than at Amazon a proxy may end TLS unseen: never lock the owner out of the bucket itself.
        actions: Any = "s3:*" if spec.service == "aws" else [*_BUCKET_ACTIONS, *_OBJECT_ACTIONS]
        secure = {"Bool": {"aws:SecureTransport": "false"}}
        statements.append(_denied("PlainHttp", actions, [bucket, objects], secure))
    if spec.encryption != "none":
        header = "s3:x-amz-server-side-encryption"
        other: Document = {"StringNotEquals": {header: spec.encryption}}
        if spec.service == "aws":
            # Ceph 16 takes the header of a multipart upload for missing, and would refuse every one.
            missing = {"Null": {header: "true"}}
            statements.append(_denied("Unencrypted", "s3:PutObject", [objects], missing))
            other = {"Null": {header: "false"}, **other}
        statements.append(_denied("OtherEncryption", "s3:PutObject", [objects], other))
    return statements


def lets_the_public_in(statement: Mapping[str, Any]) -> bool:
    """Whether a statement allows anybody anything without a condition."""
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = principal.get("AWS")
    everybody = principal == "*" or (isinstance(principal, list) and "*" in principal)
    return statement.get("Effect") == "Allow" and everybody and not statement.get("Condition")


def least_policy(spec: S3Spec) -> Document:
    """What the access key or role of Reelkeep may do, and nothing else: no other bucket is even listed."""
    bucket = arn_of(spec)
    objects, about_bucket = list(_OBJECT_ACTIONS), list(_BUCKET_ACTIONS)
    if "versioning" in spec.lacks:
        objects, about_bucket = (
            [action for action in actions if action not in VERSION_ACTIONS]
            for actions in (objects, about_bucket)
        )
    if spec.restores:
        objects.append("s3:RestoreObject")
    listing: Document = {
        "Sid": "ReelkeepLists",
        "Effect": "Allow",
        "Action": about_bucket,
        "Resource": bucket,
    }
    statements: list[Document] = [
        listing,
        {
            "Sid": "ReelkeepKeeps",
            "Effect": "Allow",
            "Action": objects,
            "Resource": f"{bucket}/{spec.prefix}*",
        },
    ]
    if spec.encryption == "aws:kms":
        statements.append(
            {
                "Sid": "ReelkeepEncrypts",
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": _kms_arn(spec),
                "Condition": {"StringEquals": {"kms:ViaService": f"s3.{spec.region}.amazonaws.com"}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def arn_of(spec: S3Spec) -> str:
    """The bucket's name in policies."""
    return f"arn:{_partition(spec)}:s3:::{spec.bucket}"


def speaks_https(spec: S3Spec) -> bool:
    """Whether the service is reached by TLS."""
    return spec.endpoint_url is None or urlsplit(spec.endpoint_url).scheme == "https"


def _denied(sid: str, action: Any, resources: list[str], condition: Document) -> Document:
    return {
        "Sid": f"ReelkeepDenies{sid}",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": condition,
    }


def _partition(spec: S3Spec) -> str:
    if spec.service != "aws":
        return "aws"
    for lead, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if spec.region.startswith(lead):
            return partition
    return "aws"


def _kms_arn(spec: S3Spec) -> str:
    key = spec.kms_key_id
    if key is not None and key.startswith("arn:"):
        return key
    # An alias or no key at all: which key that is, the account knows.
    return f"arn:{_partition(spec)}:kms:{spec.region}:*:key/{key if key and '/' not in key else '*'}"


def _unnamed(item: Document, name: str) -> Document:
    return {field: value for field, value in item.items() if field != name}
