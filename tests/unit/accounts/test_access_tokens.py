import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from reelkeep.accounts.access_tokens import LEEWAY, create_access_token, mark_password, read_access_token
from reelkeep.errors import Unauthenticated

KEY = bytes(range(32))
NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
USER, ORGANIZATION = uuid4(), uuid4()


def make(key: bytes = KEY, now: datetime = NOW) -> str:
    return create_access_token(
        key,
        user_id=USER,
        organization_id=ORGANIZATION,
        password_hash="$argon2id$kept",
        now=now,
        lifetime=HOUR,
    )


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def sign(claims: dict[str, Any], **header: Any) -> str:
    return jwt.encode(claims, KEY, algorithm="HS256", headers=header)


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def refuses(token: str, now: datetime = NOW, key: bytes = KEY) -> str:
    with pytest.raises(Unauthenticated) as refused:
        read_access_token(key, token, now)
    return str(refused.value.details["reason"])


def test_a_token_says_who_and_where() -> None:
    read = read_access_token(KEY, make(), NOW)
    assert (read.user_id, read.organization_id) == (USER, ORGANIZATION)
    assert read.password_mark == mark_password(KEY, "$argon2id$kept")


def test_a_token_ends_after_its_lifetime_and_the_leeway() -> None:
    token = make()
    read_access_token(KEY, token, NOW + HOUR + LEEWAY - timedelta(seconds=1))
    assert refuses(token, NOW + HOUR + LEEWAY) == "expired"


def test_a_token_from_the_future_is_refused_beyond_the_leeway() -> None:
    token = make()
    read_access_token(KEY, token, NOW - LEEWAY)
    assert refuses(token, NOW - LEEWAY - timedelta(seconds=1)) == "invalid"


def test_a_token_of_another_installation_is_refused() -> None:
    assert refuses(make(key=bytes(32))) == "invalid"


@pytest.mark.parametrize("piece", [0, 1, 2])
def test_a_changed_token_is_refused(piece: int) -> None:
    pieces = make().split(".")
    middle = len(pieces[piece]) // 2
    other = "A" if pieces[piece][middle] != "A" else "B"
    pieces[piece] = pieces[piece][:middle] + other + pieces[piece][middle + 1 :]
    assert refuses(".".join(pieces)) == "invalid"


def test_changed_claims_under_the_old_signature_are_refused() -> None:
    header, _, signature = make().split(".")
    claims = claims_of(make()) | {"org": str(uuid4())}
    assert refuses(f"{header}.{part(claims)}.{signature}") == "invalid"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "RS256"])
def test_no_other_algorithm_is_believed(algorithm: str) -> None:
    _, claims, signature = make().split(".")
    header = part({"alg": algorithm, "typ": "JWT"})
    assert refuses(f"{header}.{claims}.{signature}") == "invalid"
    assert refuses(f"{header}.{claims}.") == "invalid"


def test_another_strength_of_the_same_key_is_not_believed() -> None:
    assert refuses(jwt.encode(claims_of(make()), KEY * 2, algorithm="HS512"), key=KEY * 2) == "invalid"


@pytest.mark.parametrize("claim", ["iss", "typ", "sub", "org", "iat", "exp", "pwd"])
def test_a_token_without_one_of_its_claims_is_refused(claim: str) -> None:
    claims = claims_of(make())
    del claims[claim]
    assert refuses(sign(claims)) == "invalid"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "elsewhere"},
        {"typ": "refresh"},
        {"sub": "anna"},
        {"org": "1"},
        {"exp": "soon"},
        {"exp": 1e300},
        {"iat": None},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(wrong: dict[str, Any]) -> None:
    assert refuses(sign(claims_of(make()) | wrong)) == "invalid"


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "rk_", "\udc80", "é.é.é", "x" * 10_000])
def test_what_is_no_token_at_all_is_refused(text: str) -> None:
    assert refuses(text) == "invalid"


def test_the_mark_of_a_password_changes_with_it_and_with_the_installation() -> None:
    marks = {mark_password(KEY, "one"), mark_password(KEY, "two"), mark_password(bytes(32), "one")}
    assert len(marks) == 3
