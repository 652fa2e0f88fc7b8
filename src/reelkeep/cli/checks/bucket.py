"""A bucket as Reelkeep wants it, step by step: what it has, what it should have, and making it so.

Each step reads, compares, writes only what differs, and reads again: some services take a document and
drop what they do not know. What a service does not support is a warning, never the end.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from reelkeep.cli.checks import bucket_documents as documents
from reelkeep.cli.checks.finding import Finding, State
from reelkeep.clock import new_id
from reelkeep.stores_config import S3Spec

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PUBLIC_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
_UNSUPPORTED = {"NotImplemented", "MethodNotAllowed", "UnsupportedOperation", "XNotImplemented"}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_RUN = "Run this without --check to set it."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bucket should be."""

    spec: S3Spec
    #: Pages of these origins send and play recordings.
    origins: tuple[str, ...]
    abort_days: int
    version_days: int
    #: Where access is logged; None leaves that as it is.
    log_bucket: str | None = None
    log_prefix: str = ""

    @property
    def bucket(self) -> str:
        """The bucket's name at the service."""
        return self.spec.bucket


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a bucket is given."""

    name: str
    #: What it has, in the same form as `target`; None for nothing.
    read: Callable[["S3Client", str], Any]
    #: What it should have, given what it has.
    target: Callable[[Wanted, Any], Any]
    write: Callable[["S3Client", str, Any], None]
    #: What follows where a service cannot do it.
    without: str
    #: It refuses requests; some services then refuse ours too.
    refuses: bool = False


def client_of(spec: S3Spec, profile: str | None = None) -> "S3Client":
    """A boto3 client with the store's own credentials, or those of a profile that may do more."""
    import boto3  # noqa: PLC0415 - half a second that only these commands need
    from botocore.config import Config  # noqa: PLC0415 - as boto3

    given = None if profile else spec.credentials
    key, secret = (given[0], given[1].get_secret_value()) if given else (None, None)
    client: S3Client = boto3.Session(profile_name=profile or spec.profile).client(
        "s3",
        region_name=spec.region,
        endpoint_url=spec.endpoint_url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(
            s3={"addressing_style": "path" if spec.path_style else "virtual"},
            connect_timeout=10,
            read_timeout=30,
            retries={"max_attempts": 3},
            request_checksum_calculation="when_required",
        ),
    )
    return client


def look(client: "S3Client", wanted: Wanted, *, check: bool) -> Iterator[Finding]:
    """Each step's finding; with `check` nothing is changed."""
    there = _bucket(client, wanted, check=check)
    yield there
    if there.state == State.FAILED:
        return
    for step in (*STEPS, LOGS) if wanted.log_bucket is not None else STEPS:
        if step.name in wanted.spec.lacks:
            yield _lacking(step, "The service cannot do this.")
        else:
            yield run(step, client, wanted, check=check)
    yield from _public(client, wanted)


def run(step: Step, client: "S3Client", wanted: Wanted, *, check: bool) -> Finding:
    """Read, compare, write what differs, and read again; an error becomes what it means for the step."""
    try:
        return _done(step, client, wanted, check=check)
    except ClientError as error:
        return _refused(step, error, wanted)
    except BotoCoreError as error:
        return Finding(step.name, State.FAILED, f"The service did not answer: {error}.", "Run this again.")
    except (LookupError, TypeError, ValueError):
        return _lacking(step, "The service's answer is not what Amazon S3 says.")


def _done(step: Step, client: "S3Client", wanted: Wanted, *, check: bool) -> Finding:
    now = step.read(client, wanted.bucket)
    target = step.target(wanted, now)
    if now == target:
        return Finding(step.name, State.OK, "as it should be")
    if check:
        return Finding(step.name, State.FAILED, f"is {_shown(now)}, should be {_shown(target)}", _RUN)
    could_write = step.refuses and _can_write(client, wanted.spec)
    step.write(client, wanted.bucket, target)
    if could_write and not _can_write(client, wanted.spec):
        step.write(client, wanted.bucket, now)
        return _lacking(step, "With it the service refuses Reelkeep's own writes, so it was taken back.")
    now = step.read(client, wanted.bucket)
    if now == step.target(wanted, now):
        return Finding(step.name, State.OK, "set")
    return _lacking(step, f"The service took it and keeps {_shown(now)}.")


def _can_write(client: "S3Client", spec: S3Spec) -> bool:
    """Whether an object can be written as Reelkeep writes them, and removed."""
    key = f"{spec.prefix}check/provision-{new_id()}"
    asked: dict[str, Any] = {}
    if spec.encryption != "none":
        asked["ServerSideEncryption"] = spec.encryption
    if spec.kms_key_id is not None:
        asked["SSEKMSKeyId"] = spec.kms_key_id
    try:
        client.put_object(Bucket=spec.bucket, Key=key, Body=b"ok", **asked)
        client.delete_object(Bucket=spec.bucket, Key=key)
    except ClientError:
        return False
    return True


def _bucket(client: "S3Client", wanted: Wanted, *, check: bool) -> Finding:
    name, bucket = "bucket", wanted.bucket
    try:
        client.head_bucket(Bucket=bucket)
        return Finding(name, State.OK, f"{bucket} is there")
    except ClientError as error:
        if _code(error) not in ("404", "NoSuchBucket", "NotFound"):
            return Finding(
                name,
                State.FAILED,
                f"{bucket} answers {_code(error)}.",
                "Is it in this region, and may these credentials use it? Another account may own the name.",
            )
    except BotoCoreError as error:
        return Finding(name, State.FAILED, str(error), "Check endpoint_url, the network and the credentials.")
    if check:
        return Finding(
            name, State.FAILED, f"{bucket} does not exist.", "Run this without --check to make it."
        )
    try:
        _create(client, wanted.spec)
    except (ClientError, BotoCoreError) as error:
        return Finding(
            name, State.FAILED, f"{bucket} was not made: {error}", "Make it by hand, or by --profile."
        )
    return Finding(name, State.OK, f"{bucket} was made")


def _create(client: "S3Client", spec: S3Spec) -> None:
    if spec.service == "aws" and spec.region != "us-east-1":
        where: Any = {"LocationConstraint": spec.region}
        client.create_bucket(Bucket=spec.bucket, CreateBucketConfiguration=where)
    else:
        client.create_bucket(Bucket=spec.bucket)


def _public(client: "S3Client", wanted: Wanted) -> Iterator[Finding]:
    """A statement that somebody else wrote is not ours to remove, and is never passed over in silence."""
    if "policy" in wanted.spec.lacks:
        return
    with suppress(ClientError, BotoCoreError):
        for statement in _read_policy(client, wanted.bucket):
            if documents.lets_the_public_in(statement):
                yield Finding(
                    "public",
                    State.FAILED,
                    f"The bucket's policy lets anybody in: {_shown(statement)}",
                    "Remove this statement from the policy.",
                )
    if wanted.spec.encryption != "none" and wanted.spec.service != "aws":
        yield Finding(
            "unencrypted",
            State.WARNING,
            "Only at Amazon S3 can a policy refuse bytes that come without any encryption header.",
            "Reelkeep's own requests and tickets carry it; give no other program the right to write here.",
        )
    if not documents.speaks_https(wanted.spec):
        yield Finding(
            "plain HTTP",
            State.WARNING,
            f"{wanted.spec.endpoint_url} is not TLS: bytes and signatures can be read on the way, and no "
            "policy can refuse it.",
            "Use an https:// address outside one machine.",
        )


# What each step reads and writes


def _read_block(client: "S3Client", bucket: str) -> Any:
    found = _unless_missing(lambda: client.get_public_access_block(Bucket=bucket))
    return {} if found is None else dict(found["PublicAccessBlockConfiguration"])


def _write_block(client: "S3Client", bucket: str, target: Any) -> None:
    if target:
        client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=target)
    else:
        client.delete_public_access_block(Bucket=bucket)


def _read_acl(client: "S3Client", bucket: str) -> Any:
    grants = client.get_bucket_acl(Bucket=bucket)["Grants"]
    return sorted(g["Grantee"].get("URI", "") for g in grants if g["Grantee"].get("URI") in PUBLIC_GROUPS)


def _write_acl(client: "S3Client", bucket: str, _target: Any) -> None:
    client.put_bucket_acl(Bucket=bucket, ACL="private")


def _read_policy(client: "S3Client", bucket: str) -> list[Any]:
    found = _unless_missing(lambda: client.get_bucket_policy(Bucket=bucket))
    statements = json.loads(found["Policy"]).get("Statement", []) if found and found["Policy"] else []
    return statements if isinstance(statements, list) else [statements]


def _policy_target(wanted: Wanted, now: Any) -> Any:
    return documents.merged(now, documents.policy_statements(wanted.spec), "Sid")


def _write_policy(client: "S3Client", bucket: str, statements: Any) -> None:
    if statements:
        policy = {"Version": "2012-10-17", "Statement": statements}
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    else:
        client.delete_bucket_policy(Bucket=bucket)


def _read_encryption(client: "S3Client", bucket: str) -> Any:
    found = _unless_missing(lambda: client.get_bucket_encryption(Bucket=bucket))
    # Ceph 16 answers a question that it does not know with an empty document.
    rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", []) if found else []
    return dict(rules[0].get("ApplyServerSideEncryptionByDefault", {})) if rules else None


def _encryption_target(wanted: Wanted, now: Any) -> Any:
    """What is configured; where nothing is, the bucket keeps what it has, and at Amazon that is something."""
    if wanted.spec.encryption == "none" and (now or wanted.spec.service != "aws"):
        return now
    return documents.encryption_rule(wanted.spec)


def _write_encryption(client: "S3Client", bucket: str, target: Any) -> None:
    rule: Any = {"ApplyServerSideEncryptionByDefault": target}
    if target["SSEAlgorithm"] == "aws:kms":
        rule["BucketKeyEnabled"] = True
    client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def _read_versioning(client: "S3Client", bucket: str) -> Any:
    return client.get_bucket_versioning(Bucket=bucket).get("Status")


def _write_versioning(client: "S3Client", bucket: str, target: Any) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": target})


def _read_lifecycle(client: "S3Client", bucket: str) -> Any:
    found = _unless_missing(lambda: client.get_bucket_lifecycle_configuration(Bucket=bucket))
    return [_plain_rule(rule) for rule in found["Rules"]] if found else []


def _plain_rule(rule: Any) -> dict[str, Any]:
    """One form for what services write in two ways."""
    plain = dict(rule)
    if "Prefix" in plain and not plain.get("Filter"):
        plain["Filter"] = {"Prefix": plain.pop("Prefix")}
    plain["Filter"] = dict(plain.get("Filter") or {"Prefix": ""})
    return plain


def _lifecycle_target(wanted: Wanted, now: Any) -> Any:
    ours = documents.lifecycle_rules(
        wanted.spec, abort_days=wanted.abort_days, version_days=wanted.version_days
    )
    return _as_present(now, documents.merged(now, ours, "ID"))


def _write_lifecycle(client: "S3Client", bucket: str, target: Any) -> None:
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": target})


def _read_cors(client: "S3Client", bucket: str) -> Any:
    found = _unless_missing(lambda: client.get_bucket_cors(Bucket=bucket))
    rules: list[Any] = list(found["CORSRules"]) if found else []
    for rule in rules:
        for name in ("AllowedMethods", "ExposeHeaders", "AllowedOrigins"):
            rule[name] = sorted(rule.get(name, []))
    return rules


def _cors_target(wanted: Wanted, now: Any) -> Any:
    rule = documents.cors_rule(wanted.origins)
    for name in ("AllowedMethods", "ExposeHeaders", "AllowedOrigins"):
        rule[name] = sorted(rule[name])
    return _as_present(now, documents.merged(now, [rule], "ID"))


def _write_cors(client: "S3Client", bucket: str, target: Any) -> None:
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": target})


def _read_logs(client: "S3Client", bucket: str) -> Any:
    found = client.get_bucket_logging(Bucket=bucket).get("LoggingEnabled")
    return {name: found.get(name, "") for name in ("TargetBucket", "TargetPrefix")} if found else None


def _write_logs(client: "S3Client", bucket: str, target: Any) -> None:
    client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": target})


STEPS = (
    Step(
        "public_access",
        _read_block,
        lambda _wanted, _now: dict.fromkeys(_BLOCKS, True),
        _write_block,
        "See to it by hand that no policy and no ACL lets the public in.",
        refuses=True,
    ),
    Step("acl", _read_acl, lambda _wanted, _now: [], _write_acl, "Only its policy says who may read it."),
    Step(
        "policy",
        _read_policy,
        _policy_target,
        _write_policy,
        "Plain HTTP and unencrypted bytes are not refused there; give the access key few rights.",
        refuses=True,
    ),
    Step(
        "encryption",
        _read_encryption,
        _encryption_target,
        _write_encryption,
        "Bytes that come without the header lie as the service keeps them.",
    ),
    Step(
        "versioning",
        _read_versioning,
        lambda _wanted, _now: "Enabled",
        _write_versioning,
        "What is deleted by mistake is gone there: keep a second copy in another store.",
    ),
    Step(
        "lifecycle",
        _read_lifecycle,
        _lifecycle_target,
        _write_lifecycle,
        "Reelkeep's own sweep ends uploads that nobody finished; the service has its own time for others.",
    ),
    Step(
        "cors",
        _read_cors,
        _cors_target,
        _write_cors,
        "Set these origins in the service's own settings, else browsers cannot send or play.",
    ),
)
LOGS = Step(
    "access_logs",
    _read_logs,
    lambda wanted, _now: {"TargetBucket": wanted.log_bucket, "TargetPrefix": wanted.log_prefix},
    _write_logs,
    "Reelkeep's own log has every request of its own.",
)


def _as_present(now: Any, target: list[Any]) -> Any:
    """What is there, where it differs only in its order: services sort rules as they like."""
    key = json.dumps
    same = sorted(key(item, sort_keys=True, default=str) for item in now) == sorted(
        key(item, sort_keys=True, default=str) for item in target
    )
    return now if same else target


def _unless_missing(ask: Callable[[], Any]) -> Any:
    """What the service has, or None where it says that there is nothing."""
    try:
        return ask()
    except ClientError as error:
        if _code(error).startswith("NoSuch") or _code(error).endswith(("NotFound", "NotFoundError", "404")):
            return None
        raise


def _refused(step: Step, error: ClientError, wanted: Wanted) -> Finding:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if _code(error) in _UNSUPPORTED or status in (405, 501):
        return _lacking(step, f"The service does not support it ({_code(error)}).")
    if _code(error) in ("AccessDenied", "403", "AllAccessDisabled"):
        return Finding(
            step.name,
            State.FAILED,
            "These credentials may not do this.",
            "Use --profile with an administrator's credentials; Reelkeep itself needs no such right.",
        )
    message = error.response.get("Error", {}).get("Message") or _code(error)
    if wanted.spec.service != "aws":
        return _lacking(step, f"The service does not take it ({_code(error)}: {message}).")
    return Finding(
        step.name, State.FAILED, f"The service refused it: {_code(error)}, {message}", "See above."
    )


def _lacking(step: Step, why: str) -> Finding:
    return Finding(step.name, State.WARNING, why, step.without)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _shown(value: Any) -> str:
    return "not set" if value in (None, [], {}) else json.dumps(value, sort_keys=True, default=str)
