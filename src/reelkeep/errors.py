"""Every error that Reelkeep tells anyone about: one catalogue of stable codes, one exception tree.

ReelkeepError                a refusal with a stable code, a sentence that says what to do, and typed facts
├── NotFound                 the thing named is not there, or is not the caller's to see
├── Conflict                 the thing is in a state that forbids the request
├── Invalid                  the request itself is wrong
├── Forbidden                the caller is known and may not
├── Unauthenticated          the caller is not known
├── StoreError               a store did not do what was asked
│   ├── ObjectNotFound       no object has this key
│   ├── StoreUnavailable     try again later: network, timeout, 5xx, throttled
│   ├── StoreRefused         trying again will not help: credentials, permissions, missing bucket
│   ├── StoreFull            no space left; permanent until somebody makes room
│   ├── WrongBytes           length or digest differ from what was declared
│   └── KeyRefused           the key of encrypted bytes was erased, or is not here
├── MediaError               the media cannot be used as it is
└── EngineError              a speech engine is not ready or failed

Domain code raises these; `http/errors.py` alone knows HTTP statuses.
"""

from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """Stable names that clients may rely on; a code is never reused for another meaning."""

    INTERNAL_ERROR = "INTERNAL_ERROR"
    INVALID_REQUEST = "INVALID_REQUEST"
    SETTINGS_INVALID = "SETTINGS_INVALID"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_FOUND = "NOT_FOUND"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    SIGN_IN_FAILED = "SIGN_IN_FAILED"
    CSRF_TOKEN_INVALID = "CSRF_TOKEN_INVALID"
    FORBIDDEN = "FORBIDDEN"
    LINK_INVALID = "LINK_INVALID"
    EMAIL_TAKEN = "EMAIL_TAKEN"
    PASSWORD_TOO_WEAK = "PASSWORD_TOO_WEAK"
    ALREADY_SET_UP = "ALREADY_SET_UP"
    RATE_LIMITED = "RATE_LIMITED"
    RECORDING_NOT_FOUND = "RECORDING_NOT_FOUND"
    RECORDING_STATE = "RECORDING_STATE"
    STEP_NOT_FOUND = "STEP_NOT_FOUND"
    STEP_RUNNING = "STEP_RUNNING"
    UPLOAD_NOT_FOUND = "UPLOAD_NOT_FOUND"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"
    UPLOAD_EXPIRED = "UPLOAD_EXPIRED"
    UPLOAD_TOO_LARGE = "UPLOAD_TOO_LARGE"
    UPLOAD_EMPTY = "UPLOAD_EMPTY"
    UPLOAD_SIZE_MISMATCH = "UPLOAD_SIZE_MISMATCH"
    UPLOAD_DIGEST_MISMATCH = "UPLOAD_DIGEST_MISMATCH"
    UPLOAD_OFFSET_MISMATCH = "UPLOAD_OFFSET_MISMATCH"
    UPLOAD_BUSY = "UPLOAD_BUSY"
    UPLOAD_STALLED = "UPLOAD_STALLED"
    UPLOAD_METHOD = "UPLOAD_METHOD"
    UPLOAD_DISCARDED = "UPLOAD_DISCARDED"
    PART_INVALID = "PART_INVALID"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    UPLOADS_OPEN_MAX = "UPLOADS_OPEN_MAX"
    FETCH_REFUSED = "FETCH_REFUSED"
    FETCH_FAILED = "FETCH_FAILED"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    PART_NUMBER_TAKEN = "PART_NUMBER_TAKEN"
    ACCESS_KEY_NOT_FOUND = "ACCESS_KEY_NOT_FOUND"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    SEAL_PENDING = "SEAL_PENDING"
    TRANSCRIPT_NOT_READY = "TRANSCRIPT_NOT_READY"
    TRANSCRIPT_NOT_FOUND = "TRANSCRIPT_NOT_FOUND"
    RENDITION_NOT_READY = "RENDITION_NOT_READY"
    MEDIA_UNREADABLE = "MEDIA_UNREADABLE"
    MEDIA_TRUNCATED = "MEDIA_TRUNCATED"
    MEDIA_NO_SOUND = "MEDIA_NO_SOUND"
    MEDIA_TOO_LONG = "MEDIA_TOO_LONG"
    MEDIA_LIMIT = "MEDIA_LIMIT"
    MEDIA_CRASHED = "MEDIA_CRASHED"
    ENGINE_NOT_READY = "ENGINE_NOT_READY"
    ENGINE_UNKNOWN = "ENGINE_UNKNOWN"
    ENGINE_FAILED = "ENGINE_FAILED"
    ENGINE_TIMEOUT = "ENGINE_TIMEOUT"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    OBJECT_NOT_FOUND = "OBJECT_NOT_FOUND"
    STORE_UNKNOWN = "STORE_UNKNOWN"
    PLACEMENT_INVALID = "PLACEMENT_INVALID"
    RELOCATION_INVALID = "RELOCATION_INVALID"
    COPY_ARCHIVED = "COPY_ARCHIVED"
    COPY_LOST = "COPY_LOST"
    MEDIA_LINK_INVALID = "MEDIA_LINK_INVALID"
    RECORDING_HELD = "RECORDING_HELD"
    ORIGINAL_PURGED = "ORIGINAL_PURGED"
    KEY_TEMPLATE_INVALID = "KEY_TEMPLATE_INVALID"
    IMPORT_PATTERN = "IMPORT_PATTERN"
    ENCRYPTION_KEY = "ENCRYPTION_KEY"
    KEY_ERASED = "KEY_ERASED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    STORE_REFUSED = "STORE_REFUSED"
    STORE_FULL = "STORE_FULL"
    WRONG_BYTES = "WRONG_BYTES"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    SCRATCH_FULL = "SCRATCH_FULL"
    BACKUP_FAILED = "BACKUP_FAILED"
    BACKUP_NOT_FOUND = "BACKUP_NOT_FOUND"
    BACKUP_DAMAGED = "BACKUP_DAMAGED"
    BACKUP_KEY = "BACKUP_KEY"
    RESTORE_FAILED = "RESTORE_FAILED"
    RESTORE_REFUSED = "RESTORE_REFUSED"
    STORAGE_DISABLED = "STORAGE_DISABLED"


class ReelkeepError(Exception):
    """A refusal: a stable code, a sentence saying what happened and what to do, and typed facts."""

    default_code = ErrorCode.INTERNAL_ERROR
    #: Seconds after which it may be tried again where nobody knows better; None: that helps nothing.
    default_retry_after_seconds: int | None = None

    def __init__(
        self,
        message: str,
        code: ErrorCode | None = None,
        *,
        retry_after_seconds: int | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.retry_after_seconds = (
            self.default_retry_after_seconds if retry_after_seconds is None else retry_after_seconds
        )
        self.details = details


class NotFound(ReelkeepError):
    """The thing named is not there, or is not the caller's to see."""

    default_code = ErrorCode.NOT_FOUND


class Conflict(ReelkeepError):
    """The thing is in a state that forbids the request."""

    default_code = ErrorCode.RECORDING_STATE


class Invalid(ReelkeepError):
    """The request itself is wrong."""

    default_code = ErrorCode.INVALID_REQUEST


class Forbidden(ReelkeepError):
    """The caller is known and may not."""

    default_code = ErrorCode.FORBIDDEN


class Unauthenticated(ReelkeepError):
    """The caller is not known."""

    default_code = ErrorCode.UNAUTHENTICATED


class StoreError(ReelkeepError):
    """A store did not do what was asked."""

    default_code = ErrorCode.STORE_UNAVAILABLE


class ObjectNotFound(StoreError):
    """No object has this key."""

    default_code = ErrorCode.OBJECT_NOT_FOUND


class StoreUnavailable(StoreError):
    """Try again later: network, timeout, 5xx, throttled."""

    default_code = ErrorCode.STORE_UNAVAILABLE
    default_retry_after_seconds = 5


class StoreRefused(StoreError):
    """Trying again will not help: credentials, permissions, missing bucket."""

    default_code = ErrorCode.STORE_REFUSED


class StoreFull(StoreError):
    """No space left; permanent until somebody makes room."""

    default_code = ErrorCode.STORE_FULL


class WrongBytes(StoreError):
    """Length or digest differ from what was declared; nothing was kept."""

    default_code = ErrorCode.WRONG_BYTES


class KeyRefused(StoreError):
    """The key of encrypted bytes was erased, or its master key is not here; the store itself is well."""

    default_code = ErrorCode.ENCRYPTION_KEY


class MediaError(ReelkeepError):
    """The media cannot be used as it is."""

    default_code = ErrorCode.MEDIA_UNREADABLE


class EngineError(ReelkeepError):
    """A speech engine is not ready or failed."""

    default_code = ErrorCode.ENGINE_FAILED
