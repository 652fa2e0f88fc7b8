"""Says errors of the store in S3's words."""

from reelkeep.errors import (
    ErrorCode,
    Invalid,
    ObjectNotFound,
    ReelkeepError,
    StoreFull,
    StoreUnavailable,
    WrongBytes,
)
from reelkeep.http.wire.exchange import Exchange
from reelkeep.stores.refusals import S3Refusal


def as_refusal(exchange: Exchange, error: ReelkeepError) -> S3Refusal:  # noqa: PLR0911 - a table
    """The refusal that an error means for the client."""
    match error:
        case ObjectNotFound() if "upload_id" in error.details:
            return S3Refusal(
                "NoSuchUpload",
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
                "been aborted or completed.",
                UploadId=str(error.details["upload_id"]),
            )
        case ObjectNotFound():
            return S3Refusal("NoSuchKey", "The specified key does not exist.", Key=exchange.key or "")
        case WrongBytes() if "check" in error.details:
            return _as_wrong_bytes(exchange, error)
        case StoreFull():
            return S3Refusal("InsufficientStorage", "There is no space left for this object.")
        case StoreUnavailable():
            return S3Refusal("ServiceUnavailable", "Please try again.")
        case Invalid():
            return S3Refusal("InvalidArgument", error.message)
    if error.code == ErrorCode.DATABASE_UNAVAILABLE:
        return S3Refusal("ServiceUnavailable", "Please try again.")
    return S3Refusal("InternalError", "We encountered an internal error. The operator's log says which.")


def _as_wrong_bytes(exchange: Exchange, error: WrongBytes) -> S3Refusal:
    facts = error.details
    check, wanted, found = (str(facts[name]) for name in ("check", "wanted", "found"))
    if check == "part":
        return S3Refusal(
            "InvalidPart",
            "One or more of the specified parts could not be found. The part may not have been uploaded, or "
            "the specified entity tag may not match the part's entity tag.",
            PartNumber=str(facts["part_number"]),
            ETag=wanted,
        )
    if check == "part_size":
        return S3Refusal(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            ProposedSize=found,
            MinSizeAllowed=wanted,
            PartNumber=str(facts["part_number"]),
            ETag=str(facts["etag"]),
        )
    if check == "size_bytes":
        return S3Refusal(
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        )
    if check == "sha256" and exchange.given("x-amz-content-sha256") == wanted:
        return S3Refusal(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ClientComputedContentSHA256=wanted,
            S3ComputedContentSHA256=found,
        )
    return S3Refusal(
        "BadDigest",
        f"The {check} you specified did not match what we received.",
        ExpectedDigest=wanted,
        CalculatedDigest=found,
    )
