"""Addresses of uploads: whole, the same each time, and not to be made by anybody else."""

import base64
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeep.errors import ErrorCode, NotFound
from reelkeep.runtime import Runtime, Secrets
from reelkeep.uploads.address import address_of, read_address

HERE = cast(Runtime, SimpleNamespace(secrets=Secrets(b"ours" * 8)))
ELSEWHERE = cast(Runtime, SimpleNamespace(secrets=Secrets(b"theirs" * 8)))
ORGANIZATION, UPLOAD = UUID(int=1), UUID(int=2)


@given(st.uuids(), st.uuids())
def test_an_address_says_what_it_was_made_of_and_fits_in_a_path(organization: UUID, upload: UUID) -> None:
    address = address_of(HERE, organization, upload)
    assert read_address(HERE, address) == (organization, upload)
    assert len(address) == 64
    assert address.replace("-", "").replace("_", "").isalnum()


@given(st.integers(0, 63), st.characters(min_codepoint=33, max_codepoint=126))
def test_an_address_with_any_other_character_is_none(at: int, character: str) -> None:
    address = address_of(HERE, ORGANIZATION, UPLOAD)
    if address[at] == character:
        return
    with pytest.raises(NotFound) as refused:
        read_address(HERE, address[:at] + character + address[at + 1 :])
    assert refused.value.code == ErrorCode.UPLOAD_NOT_FOUND


@given(st.text(max_size=80))
def test_no_text_is_an_address(text: str) -> None:
    with pytest.raises(NotFound):
        read_address(HERE, text)


def test_ids_without_their_signature_or_with_anothers_are_none() -> None:
    ids = base64.urlsafe_b64encode(ORGANIZATION.bytes + UPLOAD.bytes).decode()
    for wrong in (ids, address_of(ELSEWHERE, ORGANIZATION, UPLOAD), address_of(HERE, UPLOAD, UPLOAD)[:63]):
        with pytest.raises(NotFound):
            read_address(HERE, wrong)
