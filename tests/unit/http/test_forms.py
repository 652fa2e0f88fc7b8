"""Forms that carry a file, read as they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeep.errors import Invalid
from reelkeep.http.forms import FIELD_BYTES_MAX, UploadForm

MARK = "----mark"
TYPE = f"multipart/form-data; boundary={MARK}"
FILE = b"\x00\x01--\r\n----mar" * 40


def field(name: str, value: str) -> bytes:
    return f'--{MARK}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file(content: bytes = FILE, name: str = "visit.m4a") -> bytes:
    head = (
        f'--{MARK}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: audio/mp4\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


END = f"--{MARK}--\r\n".encode()


@given(st.lists(st.integers(1, 400), max_size=12))
def test_a_form_says_the_same_however_it_is_cut(cuts: list[int]) -> None:
    body = field("title", "Été 😀") + field("visit_id", "7") + file() + END
    form, found = UploadForm(TYPE), b""
    for cut in [*cuts, len(body)]:
        found += b"".join(form.feed(body[:cut]))
        body = body[cut:]
    assert (form.fields, found, form.done) == ({"title": "Été 😀", "visit_id": "7"}, FILE, True)
    assert (form.filename, form.content_type) == ("visit.m4a", "audio/mp4")


def test_what_is_cut_off_is_not_done() -> None:
    form = UploadForm(TYPE)
    form.feed(field("title", "x") + file())
    assert form.file_begun
    assert not form.done


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (file() + field("title", "late"), "'title' comes after the file"),
        (file() + file(), "'file' comes after the file"),
        (field("title", "1") + field("title", "2"), "'title' comes twice"),
        (field("", "x"), "no name"),
        (b"nothing of a form", "malformed"),
        (field("title", "x" * (FIELD_BYTES_MAX + 1)), "fields are over"),
        (field("title", "x").replace(b"\r\nx", b"\r\n\xff") + END, "not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_form_is_said(body: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        UploadForm(TYPE).feed(body)


def test_a_form_without_a_boundary_is_refused() -> None:
    with pytest.raises(Invalid, match="malformed"):
        UploadForm("multipart/form-data").feed(b"x")
