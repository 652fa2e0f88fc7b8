"""The name that a browser saves a recording under."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeep.stores.tickets import attachment


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("visit 3.m4a", 'attachment; filename="visit 3.m4a"'),
        ("Gespräch.m4a", "attachment; filename=\"Gespr_ch.m4a\"; filename*=UTF-8''Gespr%C3%A4ch.m4a"),
        ('a"b%c', "attachment; filename=\"a_b_c\"; filename*=UTF-8''a%22b%25c"),
        ("../../etc/passwd", 'attachment; filename=".._.._etc_passwd"'),
        ("", 'attachment; filename="download"'),
        ("a\r\nb", 'attachment; filename="a__b"'),
    ],
)
def test_a_name_is_written_for_old_and_new_clients(name: str, header: str) -> None:
    assert attachment(name) == header


@given(st.text())
def test_any_name_makes_one_printable_ascii_line_that_reads_back(name: str) -> None:
    header = attachment(name)
    assert re.fullmatch(r"[\x20-\x7e]+", header)
    plain = re.fullmatch(r'attachment; filename="([^"\\]+)"(?:; filename\*=UTF-8\'\'(\S+))?', header)
    assert plain
    assert "/" not in unquote(plain[2] or plain[1])
