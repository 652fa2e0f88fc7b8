"""Raises what an S3 service answers as the store's errors, each with the cure."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from obstore.exceptions import BaseError

from reelkeep.errors import (
    ObjectNotFound,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    WrongBytes,
)

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
#: Codes that ask for patience although their status is not 5xx.
_TEMPORARY = {
    "RequestTimeout",
    "SlowDown",
    "OperationAborted",
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
    "InternalError",
}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"}
#: What a completion says of parts: the `check` that failed, and the cure.
_PARTS = {
    "InvalidPart": ("part", "A part is missing or has another etag: list the parts and send that one again."),
    "EntityTooSmall": (
        "part_size",
        "A part that is not the last has less than 5 MiB: send it again, longer.",
    ),
}
_CURES = {
    "NoSuchBucket": "Create the bucket or correct its name in the settings.",
    "InvalidAccessKeyId": "The service does not know the access key: correct it in the settings.",
    "SignatureDoesNotMatch": "The secret key is wrong, or the region is: correct it in the settings.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong: set it by NTP.",
    "AccessDenied": "Give the access key the rights to read, write, list and delete in this bucket.",
    "PermanentRedirect": "The bucket lies in another region: correct it in the settings.",
    "AuthorizationHeaderMalformed": "The bucket lies in another region: correct it in the settings.",
    "ExpiredToken": "The temporary credentials have expired: renew them.",
    "EntityTooLarge": "The object is larger than the service takes.",
}


def of_answer(bucket: str, key: str, status: int, body: str) -> StoreError:
    """The error that an answer means."""
    found = _CODE.search(body)
    code = found[1] if found else ""
    if status == 404 and not key and not code:  # the answer to a HEAD of the bucket has no body
        code = "NoSuchBucket"
    facts: dict[str, Any] = {"bucket": bucket, "key": key, "status": status, "s3_code": code}
    said = (
        f"The S3 service answered {status} {code}".rstrip() + f" for {key or 'the bucket'!r} in {bucket!r}."
    )
    if code in _FULL or status == 507:
        return StoreFull(f"{said} Its storage is full: make room, or raise the quota.", **facts)
    if code in _PARTS:
        check, cure = _PARTS[code]
        return WrongBytes(f"{said} {cure}", check=check, **facts)
    if code == "NoSuchUpload":
        return ObjectNotFound(
            f"There is no upload in parts of {key!r} in the bucket {bucket!r} under this id (any more).",
            **facts,
        )
    if status == 404 and code != "NoSuchBucket":
        return ObjectNotFound(f"There is no object {key!r} in the bucket {bucket!r}.", **facts)
    if code in _TEMPORARY or status in (408, 429) or status >= 500:
        return StoreUnavailable(f"{said} Try again later.", **facts)
    cure = _CURES.get(code) or _CURES["AccessDenied" if status == 403 else "EntityTooLarge"]
    return StoreRefused(f"{said} {cure if code in _CURES or status == 403 else ''}".rstrip(), **facts)


def of_client(bucket: str, key: str, error: Exception) -> StoreError:
    """The error that an exception of obstore or httpx means; its text may carry the service's answer."""
    text = str(error)
    status = _STATUS.search(text)
    if status:
        return of_answer(bucket, key, int(status[1]), text)
    if isinstance(error, FileNotFoundError):
        return of_answer(bucket, key, 404, text)
    reason = text.partition("\n")[0][:300] or type(error).__name__
    return StoreUnavailable(
        f"The S3 service could not be reached for {key or 'the bucket'!r} in {bucket!r}: {reason}. "
        "Check its address and the network; it may only be restarting.",
        bucket=bucket,
        key=key,
    )


@contextmanager
def translated(bucket: str, key: str) -> Iterator[None]:
    """Raise what obstore and httpx raise as the store's errors; nothing but their calls belongs inside."""
    try:
        yield
    except (BaseError, FileNotFoundError, httpx.HTTPError) as error:
        raise of_client(bucket, key, error) from error
