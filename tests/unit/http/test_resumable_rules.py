"""What the headers of resumable uploads say, by draft."""

import pytest
from starlette.datastructures import Headers

from reelkeep.errors import Conflict, ErrorCode, Invalid, ReelkeepError, StoreUnavailable
from reelkeep.http.resumable import fields
from reelkeep.http.resumable.asked import read_append, read_creation
from reelkeep.http.resumable.told import Standing, headers_of, passes, problem
from reelkeep.http.resumable.versions import NEWEST, VERSIONS

STANDING = Standing(offset=7, complete=False, length=10, size_bytes_max=99, seconds_left=60)
PARTIAL = {"Content-Type": "application/partial-upload"}


def asked(version: int | str | None = 6, **more: str) -> Headers:
    named = {} if version is None else {"Upload-Draft-Interop-Version": str(version)}
    return Headers(named | {name.replace("_", "-"): value for name, value in more.items()})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("12;q=1", 12),
        ("-1", None),
        ("1.0", None),
        ("1, 2", None),
        ("", None),
        ("x", None),
    ],
)
def test_an_integer_is_read_or_left_aside(text: str, value: int | None) -> None:
    assert fields.integer([text]) == value


@pytest.mark.parametrize(
    ("text", "value"), [("?1", True), ("?0", False), ("1", None), ("true", None), ("?2", None)]
)
def test_a_boolean_is_read_or_left_aside(text: str, value: bool | None) -> None:
    assert fields.boolean([text]) == value


def test_a_header_that_comes_twice_says_nothing() -> None:
    assert fields.integer(["5", "6"]) is None


@pytest.mark.parametrize("number", VERSIONS)
def test_each_version_says_complete_in_its_own_way(number: int) -> None:
    name, whole, part = ("Upload_Incomplete", "?0", "?1") if number == 3 else ("Upload_Complete", "?1", "?0")
    creation = read_creation(asked(number, **{name: whole, "Content-Length": "5"}))
    assert creation is not None
    assert (creation.version.number, creation.complete, creation.length) == (number, True, 5)
    creation = read_creation(asked(number, **{name: part, "Content-Length": "5"}))
    assert creation is not None
    assert (creation.complete, creation.length) == (False, None)
    told = headers_of(VERSIONS[number], STANDING)
    assert told[name.replace("_", "-")] == part


def test_limits_are_named_as_each_draft_names_them() -> None:
    assert headers_of(VERSIONS[6], STANDING)["Upload-Limit"] == "max-size=99, expires=60"
    assert headers_of(VERSIONS[8], STANDING)["Upload-Limit"] == "max-size=99, max-age=60"


@pytest.mark.parametrize(
    "headers",
    [
        asked(None),
        asked(None, Upload_Complete="?1"),
        asked(2, Upload_Complete="?1"),
        asked(9, Upload_Complete="?1"),
        asked("six", Upload_Complete="?1"),
        asked(6),
        asked(6, Upload_Complete="yes"),
        asked(6, Upload_Incomplete="?1"),
    ],
)
def test_a_request_that_does_not_ask_is_a_plain_one(headers: Headers) -> None:
    assert read_creation(headers) is None


@pytest.mark.parametrize(
    "headers",
    [asked(None, Upload_Complete="?0"), asked(9, Upload_Complete="?0"), asked(2, Upload_Incomplete="?1")],
)
def test_a_part_in_an_unknown_version_is_never_taken_for_the_whole(headers: Headers) -> None:
    with pytest.raises(Invalid, match="send one of 3, 4, 5, 6, 7, 8"):
        read_creation(headers)


def test_lengths_that_disagree_are_refused() -> None:
    with pytest.raises(Invalid) as refused:
        read_creation(asked(6, Upload_Complete="?1", Upload_Length="11", Content_Length="10"))
    assert refused.value.code == ErrorCode.UPLOAD_SIZE_MISMATCH
    creation = read_creation(asked(6, Upload_Complete="?0", Upload_Length="11", Content_Length="10"))
    assert creation is not None
    assert creation.length == 11


def test_an_upload_cannot_begin_in_its_middle() -> None:
    with pytest.raises(Invalid, match="without Upload-Offset"):
        read_creation(asked(6, Upload_Complete="?1", Upload_Offset="3"))
    assert read_creation(asked(6, Upload_Complete="?1", Upload_Offset="0"))


def test_the_rest_says_where_it_begins_and_whether_it_is_the_last() -> None:
    append = read_append(asked(8, Upload_Offset="3", Upload_Complete="?1", Content_Length="7", **PARTIAL))
    assert (append.offset, append.complete, append.length) == (3, True, 10)
    append = read_append(asked(3, Upload_Offset="3", Upload_Incomplete="?1", Content_Type="audio/mp4"))
    assert (append.offset, append.complete, append.length) == (3, False, None)
    assert read_append(asked(6, Upload_Offset="3", **PARTIAL)).complete


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (asked(8, Upload_Complete="?1", **PARTIAL), ErrorCode.INVALID_REQUEST),
        (asked(8, Upload_Offset="3", **PARTIAL), ErrorCode.INVALID_REQUEST),
        (asked(6, Upload_Offset="3", Upload_Complete="?1"), ErrorCode.INVALID_REQUEST),
        (asked(9, Upload_Offset="3", Upload_Complete="?1", **PARTIAL), ErrorCode.INVALID_REQUEST),
        (
            asked(
                8, Upload_Offset="3", Upload_Complete="?1", Upload_Length="9", Content_Length="7", **PARTIAL
            ),
            ErrorCode.UPLOAD_SIZE_MISMATCH,
        ),
    ],
)
def test_a_rest_that_says_too_little_is_refused(headers: Headers, code: ErrorCode) -> None:
    with pytest.raises(ReelkeepError) as refused:
        read_append(headers)
    assert refused.value.code == code


def test_a_wrong_offset_is_told_as_the_draft_has_it() -> None:
    told = problem(NEWEST, Conflict("Go on at 5.", ErrorCode.UPLOAD_OFFSET_MISMATCH, offset=5), 3)
    assert (told.status_code, told.headers["upload-offset"], told.headers["upload-complete"]) == (
        409,
        "5",
        "?0",
    )
    assert told.headers["content-type"] == "application/problem+json"
    assert b"#mismatching-upload-offset" in bytes(told.body)
    assert b'"expected-offset":5,"provided-offset":3' in bytes(told.body)


def test_what_is_said_to_the_whole_is_final() -> None:
    told = problem(NEWEST, Invalid("Not what it says.", ErrorCode.TYPE_MISMATCH))
    assert (told.status_code, told.headers["upload-complete"]) == (415, "?1")


def test_failures_of_the_server_pass_and_those_of_the_client_do_not() -> None:
    assert passes(StoreUnavailable("away"))
    assert passes(Conflict("idle", ErrorCode.UPLOAD_STALLED))
    assert not passes(Invalid("too large", ErrorCode.UPLOAD_TOO_LARGE))
    assert not passes(Conflict("offset", ErrorCode.UPLOAD_OFFSET_MISMATCH))
