"""File names as clients tell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeep.http.filenames import FILENAME_CHARACTERS_MAX, filename_of, parameters_of, plain_name


def name_in(header: str | bytes, *, form: bool = False) -> str | None:
    raw = header.encode() if isinstance(header, str) else header
    return filename_of(parameters_of(raw), form=form)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="visit.m4a"', "visit.m4a"),
        ("inline; filename=visit.m4a", "visit.m4a"),
        ('inline;FILENAME = "visit.m4a" ; size=3', "visit.m4a"),
        ("inline; filename=\"x.m4a\"; filename*=UTF-8''%e2%82%ac%20rates.m4a", "€ rates.m4a"),
        ("inline; filename*=UTF-8'en'na%C3%AFve.m4a; filename=x.m4a", "naïve.m4a"),
        ("inline; filename*=iso-8859-1''%A3%20rates.m4a", "£ rates.m4a"),
        ("inline; filename*=utf-8''%ff%fe; filename=fallback.m4a", "fallback.m4a"),
        ("inline; filename*=koi8-r''abc; filename=fallback.m4a", "fallback.m4a"),
        ('inline; filename="a \\"quoted\\" name; with=signs.m4a"', 'a "quoted" name; with=signs.m4a'),
        ('inline; filename="C:\\Visits\\first visit.m4a"', "first visit.m4a"),
        ('inline; filename="../../etc/passwd"', "passwd"),
        ("inline; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ('inline; filename="été 😀 診察.m4a"', "été 😀 診察.m4a"),
        ('inline; filename="two\r\n lines.m4a"', "two__ lines.m4a"),
        ("inline", None),
        ('inline; filename=""', None),
        ('inline; filename="/"', None),
        ("inline; filename*=UTF-8''", None),
        ("", None),
    ],
)
def test_a_name_is_read_as_its_client_meant_it(header: str, name: str | None) -> None:
    assert name_in(header) == name


def test_a_name_in_latin_1_is_read() -> None:
    assert name_in('inline; filename="été.m4a"'.encode("latin-1")) == "été.m4a"


def test_a_form_has_what_browsers_write_for_quotes_and_line_ends() -> None:
    assert name_in('form-data; name="file"; filename="a%22b%0D%0Ac.m4a"', form=True) == 'a"b  c.m4a'
    assert name_in('inline; filename="100%22.m4a"') == "100%22.m4a"


def test_a_long_name_keeps_its_ending() -> None:
    name = plain_name("x" * 300 + ".m4a")
    assert name is not None
    assert (len(name), name[-5:]) == (FILENAME_CHARACTERS_MAX, "x.m4a")
    assert plain_name("y" * 300) == "y" * FILENAME_CHARACTERS_MAX


@given(st.text())
def test_any_name_is_kept_printable_short_and_without_folders(name: str) -> None:
    kept = plain_name(name)
    if kept is not None:
        assert 0 < len(kept) <= FILENAME_CHARACTERS_MAX
        assert not set(kept) & set("/\\\x00\r\n")
        kept.encode()


@given(st.binary())
def test_no_header_breaks_the_reader(header: bytes) -> None:
    name_in(header)


@given(
    st.text(st.characters(exclude_characters='"\\/', exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
)
def test_a_quoted_name_arrives_as_it_was_written(name: str) -> None:
    assert name_in(f'form-data; name="file"; filename="{name}"') == plain_name(name)
