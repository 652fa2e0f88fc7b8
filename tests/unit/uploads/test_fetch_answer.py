"""What an answer to a fetch says."""

import pytest

from reelkeep.uploads.fetch_answer import Answer, header_text, is_hopeless, name_in_path, plain_name

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
OLDER = "Sat, 21 Nov 2026 11:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"etag": '"abc"'}, '"abc"'),
        ({"etag": 'W/"abc"', "last-modified": OLDER, "date": DATE}, None),
        ({"etag": "abc"}, None),
        ({"last-modified": OLDER, "date": DATE}, OLDER),
        ({"last-modified": DATE, "date": DATE}, None),
        ({"last-modified": OLDER}, None),
        ({"last-modified": "yesterday", "date": DATE}, None),
        ({}, None),
    ],
)
def test_only_a_strong_validator_proves_that_it_is_the_same_file(
    headers: dict[str, str], validator: str | None
) -> None:
    assert Answer(200, headers).validator == validator


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("bytes 5-9/10", (5, 10)),
        ("bytes 5-9/*", (5, None)),
        ("bytes */10", None),
        ("items 5-9/10", None),
        ("bytes 5-9", None),
        (f"bytes 5-9/{'9' * 40}", None),
    ],
)
def test_a_range_is_read_or_not_used(value: str, found: tuple[int, int | None] | None) -> None:
    assert Answer(206, {"content-range": value}).range == found
    assert Answer(200, {"content-range": value}).range is None


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="visit.mp3"', "visit.mp3"),
        ("attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe.mp3", "Grüße.mp3"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\a.wav"', "a.wav"),
        ('attachment; filename=".."', None),
        ("attachment", None),
        ("", None),
        ("attachment; filename*=no-such-charset''a", "a"),
    ],
)
def test_the_name_in_the_answer_is_a_plain_one(disposition: str, name: str | None) -> None:
    assert Answer(200, {"content-disposition": disposition}).filename == name


def test_a_name_has_no_folders_no_control_characters_and_a_length() -> None:
    assert plain_name("a\x00b\x1b[31m.mp3") == "ab[31m.mp3"
    assert plain_name("half\ud800.mp3") == "half.mp3"
    long = plain_name("x" * 400 + ".mp3")
    assert long is not None
    assert (len(long), long[-4:]) == (255, ".mp3")
    assert name_in_path(b"/a/b%20c.mp3?sig=1/2") == "b c.mp3"
    assert name_in_path(b"/a/") is None
    assert name_in_path(b"/%2e%2e") is None
    assert header_text("Grüße".encode()) == "Grüße"
    assert header_text("Grüße".encode("latin-1")) == "Grüße"


def test_a_page_is_no_recording_and_a_type_that_says_nothing_is_none() -> None:
    assert is_hopeless(Answer(200, {"content-type": "text/html; charset=utf-8"}).content_type)
    assert not is_hopeless(Answer(200, {"content-type": "binary/octet-stream"}).content_type)
    assert Answer(200, {"content-type": "Audio/MPEG; q=1"}).content_type == "audio/mpeg"
    assert Answer(200, {"content-length": "12"}).length == 12
    assert Answer(200, {"content-length": "-12"}).length is None
    assert Answer(503, {"retry-after": "7"}).retry_after_seconds == 7
    assert Answer(200, {"content-encoding": "gzip"}).is_encoded
