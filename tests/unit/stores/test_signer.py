"""The signer says byte for byte what botocore says, at the same moment, and the verifier believes it."""

import base64
import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.auth
import botocore.signers
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.signer import Credentials, Endpoint, Signer, encode_path, signature
from reelkeep.stores.verifier import SignedRequest, verify_policy, verify_query

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ENDPOINTS = [
    ("https://s3.example.org", False),
    ("http://127.0.0.1:9000", False),
    ("https://s3.eu-central-1.amazonaws.com", True),
    ("http://[::1]:8000/prefix/s3", False),
]


class Fixed:
    def now(self) -> datetime:
        return NOW


def signer(credentials: Credentials, region: str = "eu-central-1", endpoint: int = 0) -> Signer:
    url, virtual = ENDPOINTS[endpoint]
    return Signer(Endpoint.from_url(url, virtual_host=virtual), region, lambda: credentials, Fixed())


def boto_sign(auth: Any, request: AWSRequest) -> AWSRequest:
    with patch.object(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        auth.add_auth(request)
    return request


def of_boto(credentials: Credentials) -> BotoCredentials:
    return BotoCredentials(credentials.access_key, credentials.secret_key, credentials.session_token)


keys = st.lists(
    st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=12).filter(
        lambda part: part not in (".", "..")
    ),
    min_size=1,
    max_size=4,
).map("/".join)
credentials_ = st.builds(
    Credentials,
    st.text(string.ascii_uppercase + string.digits, min_size=4, max_size=20),
    st.text(string.ascii_letters + string.digits + "+/=", min_size=8, max_size=40),
    st.none() | st.text(string.ascii_letters + "+/=", min_size=1, max_size=60),
)
values = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
queries = st.dictionaries(
    st.sampled_from(
        ["partNumber", "uploadId", "response-content-disposition", "uploads", "a b", "ü", "x-id"]
    ),
    values,
    max_size=4,
)
headers_ = st.dictionaries(
    st.sampled_from(
        ["content-type", "x-amz-checksum-sha256", "x-amz-meta-note", "content-md5", "if-none-match"]
    ),
    st.text(string.ascii_letters + string.digits + ' ;=/+*\t"', max_size=30).map(str.strip),
    max_size=3,
)
methods = st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])
endpoints = st.integers(0, len(ENDPOINTS) - 1)


@settings(max_examples=300, deadline=None)
@given(
    method=methods,
    key=keys,
    query=queries,
    headers=headers_,
    credentials=credentials_,
    endpoint=endpoints,
    expires=st.integers(1, 604_800),
)
def test_presigned_urls_equal_those_of_botocore(
    *,
    method: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    credentials: Credentials,
    endpoint: int,
    expires: int,
) -> None:
    ours = signer(credentials, endpoint=endpoint)
    url = ours.presign(
        method, "bucket", key, expires_in_seconds=expires, query=query.items(), headers=headers
    )
    host, path = ours.endpoint.locate("bucket", key)
    request = AWSRequest(method, f"{ours.endpoint.scheme}://{host}{path}", headers=headers, params=query)
    auth = botocore.auth.S3SigV4QueryAuth(of_boto(credentials), "s3", "eu-central-1", expires)
    assert url == boto_sign(auth, request).url


@settings(max_examples=200, deadline=None)
@given(
    method=methods,
    key=keys,
    query=queries,
    headers=headers_,
    credentials=credentials_,
    endpoint=endpoints,
    body=st.binary(max_size=50),
)
def test_signed_requests_equal_those_of_botocore(
    *,
    method: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    credentials: Credentials,
    endpoint: int,
    body: bytes,
) -> None:
    ours = signer(credentials, endpoint=endpoint)
    host, path = ours.endpoint.locate("bucket", key)
    request = AWSRequest(
        method, f"{ours.endpoint.scheme}://{host}{path}", headers=headers, params=query, data=body
    )
    request.context["client_config"] = Config(s3={"payload_signing_enabled": True})
    theirs = boto_sign(botocore.auth.S3SigV4Auth(of_boto(credentials), "s3", "eu-central-1"), request)
    _, signed = ours.sign_request(
        method,
        "bucket",
        key,
        query=query.items(),
        headers=headers,
        payload_sha256=theirs.headers["X-Amz-Content-SHA256"],
    )
    assert {n.lower(): v for n, v in theirs.headers.items()} == signed


@settings(max_examples=40, deadline=None)
@given(keys, credentials_, st.integers(1, 604_800), st.integers(0, 10**12), st.booleans())
def test_post_forms_equal_those_of_botocore(
    key: str, credentials: Credentials, expires: int, size: int, encrypts: bool
) -> None:
    fields = {"Content-Type": "audio/mp4", "success_action_status": "201"}
    if encrypts:
        fields["x-amz-server-side-encryption"] = "AES256"
    conditions = [*({name: value} for name, value in fields.items()), ["content-length-range", 1, size]]
    client = boto3.client(
        "s3",
        endpoint_url="https://s3.example.org",
        region_name="eu-central-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    naive = NOW.replace(tzinfo=None)
    with (
        patch.object(botocore.auth, "get_current_datetime", lambda: naive),
        patch.object(botocore.signers, "get_current_datetime", lambda: naive),
    ):
        theirs = client.generate_presigned_post(
            "bucket", key, Fields=dict(fields), Conditions=list(conditions), ExpiresIn=expires
        )
    url, form = signer(credentials).post_form(
        "bucket", key, expires_in_seconds=expires, fields=fields, conditions=conditions
    )
    assert (url, form) == (theirs["url"], theirs["fields"])
    assert list(form) == list(theirs["fields"])


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_whole_urls_equal_those_of_a_boto3_client(style: str) -> None:
    credentials = Credentials("AKIAEXAMPLE", "secret")
    client = boto3.client(
        "s3",
        endpoint_url="https://s3.example.org",
        region_name="eu-central-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )
    ours = replace(
        signer(credentials),
        endpoint=Endpoint.from_url("https://s3.example.org", virtual_host=style == "virtual"),
    )
    where = {"Bucket": "bucket", "Key": "incoming/7f/a1"}
    part = {**where, "PartNumber": 3, "UploadId": "2~ab/c="}
    cases = [
        ("put_object", {**where, "ContentType": "audio/mp4"}, "PUT", [], {"content-type": "audio/mp4"}),
        ("upload_part", part, "PUT", [("partNumber", "3"), ("uploadId", "2~ab/c=")], {}),
        (
            "get_object",
            {**where, "ResponseContentDisposition": 'attachment; filename="ä b.m4a"'},
            "GET",
            [("response-content-disposition", 'attachment; filename="ä b.m4a"')],
            {},
        ),
    ]
    for operation, arguments, method, query, headers in cases:
        with patch.object(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None)):
            theirs = client.generate_presigned_url(operation, arguments, ExpiresIn=900)
        url = ours.presign(
            method, "bucket", where["Key"], expires_in_seconds=900, query=query, headers=headers
        )
        assert sorted(parse_qsl(urlsplit(url).query)) == sorted(parse_qsl(urlsplit(theirs).query))
        assert urlsplit(url)[:3] == urlsplit(theirs)[:3]


CREDENTIALS = Credentials("known", "secret")


def received(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> SignedRequest:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return SignedRequest(method, parts.netloc, parts.path, query, headers or {})


def verify(request: SignedRequest, now: datetime = NOW) -> None:
    verify_query(request, {"known": CREDENTIALS}.get, "eu-central-1", now)


@settings(max_examples=200, deadline=None)
@given(methods, keys, queries, headers_)
def test_what_is_signed_is_believed(
    method: str, key: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    url = signer(CREDENTIALS).presign(
        method, "bucket", key, expires_in_seconds=60, query=query.items(), headers=headers
    )
    verify(received(url, method, headers))


@settings(max_examples=100, deadline=None)
@given(keys, st.data())
def test_a_changed_character_of_a_signed_url_is_not_believed(key: str, data: st.DataObject) -> None:
    url = signer(CREDENTIALS).presign("GET", "bucket", key, expires_in_seconds=60)
    start = url.index("/bucket")
    at = data.draw(st.integers(start, len(url) - 1))
    changed = url[:at] + ("x" if url[at] != "x" else "y") + url[at + 1 :]
    with pytest.raises(S3Refusal):
        verify(received(changed))


@pytest.mark.parametrize(
    ("age_seconds", "code"),
    [
        (-901, "RequestTimeTooSkewed"),
        (-899, None),
        (0, None),
        (59, None),
        (60, "AccessDenied"),
        (9999, "AccessDenied"),
    ],
)
def test_a_url_lives_as_long_as_it_says(age_seconds: int, code: str | None) -> None:
    url = signer(CREDENTIALS).presign("GET", "bucket", "a", expires_in_seconds=60)
    now = NOW + timedelta(seconds=age_seconds)
    if code is None:
        verify(received(url), now)
        return
    with pytest.raises(S3Refusal) as refused:
        verify(received(url), now)
    assert refused.value.code == code


def test_a_parameter_given_twice_is_refused() -> None:
    url = signer(CREDENTIALS).presign("GET", "bucket", "a", expires_in_seconds=60)
    with pytest.raises(S3Refusal, match="more than once"):
        verify(received(f"{url}&X-Amz-Expires=6000"))


@pytest.mark.parametrize("expires", ["", "-1", "1.5", "604801", "9" * 30, "٣"])
def test_an_expiry_that_is_no_number_of_seconds_within_a_week_is_refused(expires: str) -> None:
    url = signer(CREDENTIALS).presign("GET", "bucket", "a", expires_in_seconds=60)
    request = received(url)
    query = [(n, expires if n == "X-Amz-Expires" else v) for n, v in request.query]
    with pytest.raises(S3Refusal) as refused:
        verify(replace(request, query=query))
    assert refused.value.code == "AuthorizationQueryParametersError"


def signed_policy(document: Any) -> dict[str, str]:
    """A form whose signature is right, whatever its policy says."""
    _, form = signer(CREDENTIALS).post_form("bucket", "a", expires_in_seconds=60)
    text = document if isinstance(document, str) else base64.b64encode(json.dumps(document).encode()).decode()
    proof = signature(CREDENTIALS.secret_key, "20260304", "eu-central-1", text)
    return {**form, "policy": text, "x-amz-signature": proof}


@pytest.mark.parametrize(
    "document",
    [
        "no base64!",
        base64.b64encode(b"no json").decode(),
        [],
        {"conditions": []},
        {"expiration": "2099-01-01T00:00:00Z"},
        {"expiration": "soon", "conditions": []},
        {"expiration": "2099-01-01T00:00:00", "conditions": []},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["content-length-range", "a", 3]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["content-length-range", 1]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["like", "$key", "a"]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["eq", "key", "a"]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [{"key": 1}]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [7]},
    ],
)
def test_a_policy_that_cannot_be_read_is_refused(document: Any) -> None:
    form = signed_policy(document)
    with pytest.raises(S3Refusal) as refused:
        verify_policy(form, {"known": CREDENTIALS}.get, "eu-central-1", NOW).check_fields(form)
    assert refused.value.code == "InvalidPolicyDocument"


def test_a_condition_may_ask_for_a_beginning() -> None:
    conditions: list[Any] = [["starts-with", "$Content-Type", "audio/"]]
    _, form = signer(CREDENTIALS).post_form("bucket", "a", expires_in_seconds=60, conditions=conditions)
    policy = verify_policy(form, {"known": CREDENTIALS}.get, "eu-central-1", NOW)
    policy.check_fields({**form, "bucket": "bucket", "content-type": "audio/mp4"})
    with pytest.raises(S3Refusal, match="Condition failed"):
        policy.check_fields({**form, "bucket": "bucket", "content-type": "text/html"})


def test_a_secret_does_not_show_itself() -> None:
    assert "secret" not in repr(Credentials("known", "secret", "secret-token"))


def test_every_allowed_character_of_a_key_stands_for_itself() -> None:
    allowed = string.ascii_letters + string.digits + "._-/"
    assert encode_path(allowed) == allowed
