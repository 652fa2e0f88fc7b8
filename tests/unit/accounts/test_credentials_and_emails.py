import re

import pytest

from reelkeep.accounts.credentials import hash_secret, is_api_token, new_api_token, new_secret
from reelkeep.accounts.emails import read_email
from reelkeep.errors import Invalid


def test_an_api_token_is_told_by_its_prefix_and_carries_256_bits() -> None:
    token = new_api_token()
    assert re.fullmatch(r"rk_[A-Za-z0-9_-]{43}", token)
    assert is_api_token(token)
    assert not is_api_token(new_secret())


def test_no_two_secrets_are_alike() -> None:
    assert len({new_secret() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("text", ["", "rk_", "\udc80", "\x00", "é" * 1000])
def test_anything_can_be_looked_up_as_a_secret(text: str) -> None:
    assert len(hash_secret(text)) == 32


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anna@example.org", "anna@example.org"),
        ("  Anna.Lee+rec@Example.ORG ", "Anna.Lee+rec@example.org"),
        ("anna@clinic.local", "anna@clinic.local"),
        ("anna@localhost", "anna@localhost"),
        ("anna@praxis-müller.de", "anna@praxis-müller.de"),
    ],
)
def test_addresses_of_public_and_private_networks_are_taken(text: str, address: str) -> None:
    assert read_email(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "@example.org",
        "anna@",
        "a b@example.org",
        "a@b@c.org",
        "a\x00@b.org",
        "a@-b.org",
        "a@b..org",
        "a@b.org.",
        "Anna <a@b.org>",
        "a" * 250 + "@b.org",
        "a@b.org\nBcc: c@d.org",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_email(text)
