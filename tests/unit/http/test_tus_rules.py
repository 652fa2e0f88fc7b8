"""The headers of tus, and what refusals become."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeep.errors import (
    Conflict,
    ErrorCode,
    Forbidden,
    Invalid,
    NotFound,
    ReelkeepError,
    StoreFull,
    StoreUnavailable,
    WrongBytes,
)
from reelkeep.http.tus import fields
from reelkeep.http.tus.refusals import refusal, refusal_of_creation, refusal_of_look

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1)


def encoded(told: dict[str, str]) -> str:
    """`Upload-Metadata` as clients write it."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())


@given(st.dictionaries(NAMES, st.text(max_size=200)))
def test_metadata_comes_back_as_it_was_written(told: dict[str, str]) -> None:
    assert fields.metadata(encoded(told)) == told
    assert fields.metadata(encoded(told).replace(",", " , ")) == told


def test_metadata_may_have_names_without_values_and_may_be_missing() -> None:
    assert fields.metadata("is_confidential,filename dmlzaXQ=") == {
        "is_confidential": "",
        "filename": "visit",
    }
    assert fields.metadata(None) == fields.metadata("") == {}


@pytest.mark.parametrize("text", ["filename ###", "filename /w==", "a YQ==,a Yg==", "filename YQ"])
def test_metadata_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        fields.metadata(text)


def test_what_clients_call_otherwise_finds_its_field_and_the_rest_is_kept() -> None:
    told = {
        "filename": "a.wav",
        "name": "a.wav",
        "type": "audio/wav",
        "relativePath": "null",
        "filetype": "audio/wav",
        "duration_seconds": "3",
        "title": "",
        "device": "Pixel",
    }
    assert fields.described_by(told) == {
        "filename": "a.wav",
        "content_type": "audio/wav",
        "estimated_duration_seconds": "3",
        "recording_metadata": {"device": "Pixel"},
    }
    assert fields.described_by({"name": "b.wav"}) == {"filename": "b.wav"}


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "", " 1", "1e3", "٣", "9" * 19])
def test_a_number_is_digits_and_nothing_else(text: str) -> None:
    with pytest.raises(Invalid):
        fields.number({"upload-offset": text}, "upload-offset")


def test_a_length_is_declared_or_deferred() -> None:
    assert fields.length({"upload-length": "0"}) == 0
    assert fields.length({"upload-defer-length": "1"}) is None
    for wrong in ({}, {"upload-length": "1", "upload-defer-length": "1"}, {"upload-defer-length": "yes"}):
        with pytest.raises(Invalid):
            fields.length(wrong)


def test_a_checksum_has_a_known_algorithm_and_a_digest_of_its_length() -> None:
    digest = base64.b64encode(bytes(20)).decode()
    found = fields.checksum(f"sha1 {digest}")
    assert found is not None
    assert (found.algorithm, found.digest) == ("sha1", bytes(20))
    assert fields.checksum(None) is None
    for wrong in (f"md5 {digest}", f"sha256 {digest}", "sha1", "sha1 ###", f"SHA1 {digest}"):
        with pytest.raises(Invalid):
            fields.checksum(wrong)


MAY_PASS = [
    StoreUnavailable("away"),
    StoreUnavailable("later", ErrorCode.SEAL_PENDING, retry_after_seconds=5),
    ReelkeepError("away", ErrorCode.DATABASE_UNAVAILABLE, retry_after_seconds=1),
    ReelkeepError("a fault of ours"),
    Forbidden("full", ErrorCode.QUOTA_EXCEEDED),
    ReelkeepError("silent", ErrorCode.UPLOAD_STALLED),
    StoreFull("full"),
]
FINAL = [
    Invalid("no sound", ErrorCode.UNSUPPORTED_TYPE),
    Invalid("not what it says", ErrorCode.TYPE_MISMATCH),
    Conflict("other bytes", ErrorCode.UPLOAD_DIGEST_MISMATCH),
    Conflict("over", ErrorCode.UPLOAD_EXPIRED),
    Conflict("given up", ErrorCode.UPLOAD_DISCARDED),
    Invalid("empty", ErrorCode.UPLOAD_EMPTY),
]


@pytest.mark.parametrize("error", MAY_PASS, ids=lambda error: error.code)
def test_what_may_pass_never_has_a_client_begin_at_zero(error: ReelkeepError) -> None:
    look = refusal_of_look(error)
    assert (look.status_code, "retry-after" in look.headers) == (423, True)
    assert refusal(error).status_code in (503, 507), "tried again by every client"


@pytest.mark.parametrize("error", FINAL, ids=lambda error: error.code)
def test_what_is_final_is_gone_and_never_tried_again(error: ReelkeepError) -> None:
    assert refusal_of_look(error).status_code == refusal(error).status_code == 410


def test_the_other_refusals_have_the_statuses_of_the_protocol() -> None:
    nowhere = NotFound("nowhere", ErrorCode.UPLOAD_NOT_FOUND)
    assert refusal(nowhere).status_code == refusal_of_look(nowhere).status_code == 404
    mismatch = refusal(Conflict("elsewhere", ErrorCode.UPLOAD_OFFSET_MISMATCH, offset=7))
    assert (mismatch.status_code, mismatch.headers["upload-offset"]) == (409, "7")
    assert refusal(Conflict("busy", ErrorCode.UPLOAD_BUSY, retry_after_seconds=1)).status_code == 423
    assert refusal(Invalid("too much", ErrorCode.UPLOAD_TOO_LARGE)).status_code == 413
    assert refusal(Invalid("no header")).status_code == 400
    assert refusal(Conflict("other length", ErrorCode.UPLOAD_SIZE_MISMATCH)).status_code == 400
    assert refusal(WrongBytes("damaged")).status_code == 460
    assert refusal_of_creation(WrongBytes("damaged")).status_code == 460
    assert refusal_of_creation(Forbidden("full", ErrorCode.QUOTA_EXCEEDED)).status_code == 403
