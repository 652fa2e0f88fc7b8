"""Which bytes a request wants, by its conditions and its range."""

import pytest

from reelkeep.http.ranges import Span, span_of

ETAG = '"tag"'
WHOLE = Span(200, 0, 100)


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, WHOLE),
        ({"range": "bytes=0-"}, Span(206, 0, 100)),
        ({"range": "bytes=0-0"}, Span(206, 0, 1)),
        ({"range": "bytes=10-19"}, Span(206, 10, 20)),
        ({"range": "BYTES=10-1000"}, Span(206, 10, 100)),
        ({"range": "bytes=-1"}, Span(206, 99, 100)),
        ({"range": "bytes=-1000"}, Span(206, 0, 100)),
        ({"range": "bytes=-0"}, Span(416)),
        ({"range": "bytes=100-"}, Span(416)),
        ({"range": "bytes=100-200"}, Span(416)),
        # What cannot be read, and several at once, mean the whole (RFC 9110, 14.2), as at S3.
        ({"range": "bytes=20-10"}, WHOLE),
        ({"range": "bytes=0-0,50-60"}, WHOLE),
        ({"range": "bytes=0-0, -1"}, WHOLE),
        ({"range": "seconds=0-10"}, WHOLE),
        ({"range": "bytes=-"}, WHOLE),
        ({"range": "bytes=٣-"}, WHOLE),
        ({"range": "bytes=" + "9" * 400 + "-"}, WHOLE),
        ({"range": "bytes=5-", "if-range": ETAG}, Span(206, 5, 100)),
        ({"range": "bytes=5-", "if-range": '"other"'}, WHOLE),
        ({"range": "bytes=5-", "if-range": f"W/{ETAG}"}, WHOLE),
        ({"range": "bytes=5-", "if-range": "Wed, 21 Oct 2026 07:28:00 GMT"}, WHOLE),
        ({"range": "bytes=500-", "if-range": '"other"'}, WHOLE),
        ({"if-none-match": ETAG}, Span(304)),
        ({"if-none-match": f'"a", W/{ETAG}'}, Span(304)),
        ({"if-none-match": "*"}, Span(304)),
        ({"if-none-match": '"other"'}, WHOLE),
        ({"if-none-match": ETAG, "range": "bytes=500-"}, Span(304)),
        ({"if-match": ETAG}, WHOLE),
        ({"if-match": f"W/{ETAG}"}, Span(412)),
        ({"if-match": '"other"'}, Span(412)),
        ({"if-match": "*"}, WHOLE),
    ],
)
def test_a_get_is_answered_with_what_it_wants(headers: dict[str, str], wanted: Span) -> None:
    assert span_of("GET", headers, ETAG, 100) == wanted


def test_a_head_tells_of_the_whole() -> None:
    assert span_of("HEAD", {"range": "bytes=5-9"}, ETAG, 100) == WHOLE
    assert span_of("HEAD", {"if-none-match": ETAG}, ETAG, 100) == Span(304)


def test_nothing_has_no_part() -> None:
    assert span_of("GET", {}, ETAG, 0) == Span(200, 0, 0)
    assert span_of("GET", {"range": "bytes=0-"}, ETAG, 0) == Span(416)
    assert span_of("GET", {"range": "bytes=-5"}, ETAG, 0) == Span(416)
