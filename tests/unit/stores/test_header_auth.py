"""Requests signed in their header: what botocore signs is believed, and nothing that was changed is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from reelkeep.stores.header_auth import Authorization, is_signed_in_header, verify_header
from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.signer import Credentials, Endpoint, Signer
from reelkeep.stores.verifier import SignedRequest

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CREDENTIALS = Credentials("known", "secret")
KNOWN = {"known": CREDENTIALS, "temporary": Credentials("temporary", "secret", "the-token")}
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
REGION = "us-east-1"


class At:
    """A clock that stands."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def signed(seconds: float = 0, name: str = "known", **changes: Any) -> tuple[SignedRequest, str]:
    """A request that our own signer signed, so many seconds off."""
    credentials = KNOWN.get(name) or Credentials(name, "guessed")
    clock = At(NOW + timedelta(seconds=seconds))
    signer = Signer(Endpoint.from_url("https://r.example/s3"), REGION, lambda: credentials, clock)
    given = {"method": "GET", "key": "incoming/a", "query": [("uploadId", "x y")], **changes}
    _, headers = signer.sign_request(given["method"], "local", given["key"], query=given["query"])
    header = headers.pop("authorization")
    path = f"/s3/local/{given['key']}"
    return SignedRequest(given["method"], "r.example", path, given["query"], headers), header


def verify(request: SignedRequest, header: str) -> None:
    verify_header(request, Authorization.parse(header), KNOWN.get, REGION, NOW)


def refused(request: SignedRequest, header: str) -> str:
    with pytest.raises(S3Refusal) as refusal:
        verify(request, header)
    return refusal.value.code


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    key=st.text("abc/._-~0 +%ü", min_size=1, max_size=20).map(lambda key: "k" + key),
    query=st.dictionaries(st.text("abcZ-", min_size=1, max_size=5), TEXTS, max_size=4),
    payload=st.sampled_from(["UNSIGNED-PAYLOAD", EMPTY]),
)
def test_what_botocore_signs_is_believed(key: str, query: dict[str, str], payload: str) -> None:
    path = "/s3/local/" + quote(key, safe="/-._~")
    pairs = "&".join(f"{quote(n, safe='-._~')}={quote(v, safe='-._~')}" for n, v in query.items())
    request = AWSRequest("PUT", f"https://r.example{path}?{pairs}", headers={"content-type": "audio/mp4"})
    request.context["client_config"] = Config(s3={"payload_signing_enabled": payload == EMPTY})
    S3SigV4Auth(BotoCredentials("known", "secret"), "s3", REGION).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    header = headers.pop("authorization")
    received = SignedRequest("PUT", "r.example", urlsplit(request.url).path, list(query.items()), headers)
    now = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert headers["x-amz-content-sha256"] == payload
    verify_header(received, Authorization.parse(header), KNOWN.get, REGION, now)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"path": "/s3/local/incoming/b"},
        {"host": "other.example"},
        {"query": [("uploadId", "other")]},
        {"query": [("uploadId", "x y"), ("more", "")]},
        {"query": []},
    ],
)
def test_a_request_that_was_changed_is_not_believed(change: dict[str, Any]) -> None:
    request, header = signed()
    verify(request, header)
    assert refused(replace(request, **change), header) == "SignatureDoesNotMatch"


def test_signed_headers_may_not_be_changed_or_added() -> None:
    request, header = signed()
    changed = {**request.headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    assert refused(replace(request, headers=changed), header) == "SignatureDoesNotMatch"
    added = {**request.headers, "x-amz-copy-source": "/local/recordings/secret"}
    assert refused(replace(request, headers=added), header) == "AccessDenied"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (-899, None),
        (899, None),
        (-901, "RequestTimeTooSkewed"),
        (901, "RequestTimeTooSkewed"),
        (86_400 * 3, "RequestTimeTooSkewed"),
    ],
)
def test_a_clock_may_be_wrong_by_15_minutes(seconds: int, code: str | None) -> None:
    request, header = signed(seconds)
    if code is None:
        verify(request, header)
    else:
        assert refused(request, header) == code


@pytest.mark.parametrize("lacking", ["x-amz-date", "x-amz-content-sha256"])
def test_what_every_signed_request_has_must_be_there(lacking: str) -> None:
    request, header = signed()
    headers = {name: value for name, value in request.headers.items() if name != lacking}
    code = "AccessDenied" if lacking == "x-amz-date" else "MissingSecurityHeader"
    assert refused(replace(request, headers=headers), header) == code


def test_a_parameter_given_twice_is_refused() -> None:
    request, header = signed()
    twice = [*request.query, ("uploadId", "other")]
    assert refused(replace(request, query=twice), header) == "InvalidArgument"


def test_strangers_other_regions_and_wrong_tokens_are_refused() -> None:
    assert refused(*signed(name="stranger")) == "InvalidAccessKeyId"
    request, header = signed()
    assert refused(request, header.replace("us-east-1", "eu-north-1")) == "AuthorizationHeaderMalformed"
    assert refused(request, header.replace("20261121", "20261120")) == "AuthorizationHeaderMalformed"
    temporary, header = signed(name="temporary")
    verify(temporary, header)
    headers = {**temporary.headers, "x-amz-security-token": "another"}
    assert refused(replace(temporary, headers=headers), header) == "InvalidToken"


@pytest.mark.parametrize(
    "header",
    [
        "AWS known:signature",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=known/20261121/us-east-1/s3/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=nothex",
        "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=" + "0" * 64,
    ],
)
def test_a_header_made_otherwise_is_refused(header: str) -> None:
    assert is_signed_in_header(header)
    with pytest.raises(S3Refusal) as refusal:
        Authorization.parse(header)
    assert refusal.value.code == "AuthorizationHeaderMalformed"


def test_other_kinds_of_authorization_are_not_for_the_wire() -> None:
    assert not is_signed_in_header("Bearer token")
    assert not is_signed_in_header(None)
