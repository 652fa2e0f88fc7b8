"""Tickets that must not work, tried on our wire and on a real S3: both refuse, with the same status and code.

Where the gateway (Ceph 16) deviates from Amazon S3 the test says what it answers; ours follows Amazon.
"""

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from reelkeep.stores.protocol import TicketLimits
from reelkeep.stores.signer import Credentials
from reelkeep.stores.tickets import SignedAccess
from tests.fixtures.wire import Service, post, said

KEY = "incoming/7f/a1"
#: What Ceph answers to every form whose signature is not right, where Amazon tells the reasons apart.
CEPH_FORM_REFUSED = (403, "AccessDenied")


@dataclass(frozen=True, slots=True)
class Form:
    url: str
    fields: dict[str, str]

    def changed(self, **fields: str) -> "Form":
        return replace(self, fields={**self.fields, **{n.replace("_", "-"): v for n, v in fields.items()}})

    def without(self, name: str) -> "Form":
        return replace(self, fields={n: v for n, v in self.fields.items() if n != name})


LIMITS = TicketLimits(
    key=KEY, content_type="audio/mp4", expires_in_seconds=600, size_bytes_max=1000, size_bytes_min=10
)


def form(service: Service, limits: TicketLimits = LIMITS, **signer: Any) -> Form:
    ticket = SignedAccess(service.signer(**signer), service.bucket).post(limits)
    return Form(ticket.url, ticket.fields)


def put_url(service: Service, seconds: float = 0, **changes: Any) -> str:
    signer = service.signer(seconds=seconds)
    return SignedAccess(signer, service.bucket).put(replace(LIMITS, **changes)).url


def get_url(service: Service, seconds: float = 0, key: str = KEY) -> str:
    signer = service.signer(seconds=seconds)
    return SignedAccess(signer, service.bucket).get(key, 600, None, None)


def expect(service: Service, answer: httpx.Response, amazon: tuple[int, str], *, ceph: Any = None) -> None:
    assert said(answer) == (ceph if ceph and service.kind == "ceph" else amazon), answer.text


def expect_nothing_kept(service: Service) -> None:
    assert httpx.get(get_url(service)).status_code == 404


def sent(service: Service, made: Form, file: bytes | None = b"x" * 100) -> httpx.Response:
    return post(service, made.url, made.fields, file)


def test_a_right_form_is_taken(service: Service) -> None:
    assert sent(service, form(service)).status_code == 204
    answer = httpx.get(get_url(service))
    assert (answer.content, answer.headers["content-type"]) == (b"x" * 100, "audio/mp4")


def test_a_right_put_is_taken(service: Service) -> None:
    answer = httpx.put(put_url(service), content=b"x" * 100, headers={"content-type": "audio/mp4"})
    assert answer.status_code == 200
    assert httpx.get(get_url(service)).headers["etag"] == answer.headers["etag"]


def test_an_expired_policy_is_refused(service: Service) -> None:
    answer = sent(service, form(service, seconds=-601))
    expect(service, answer, (403, "AccessDenied"))
    expect_nothing_kept(service)


def test_a_tampered_policy_is_refused(service: Service) -> None:
    made = form(service)
    policy = json.loads(base64.b64decode(made.fields["policy"]))
    policy["expiration"] = "2099-01-01T00:00:00Z"
    changed = made.changed(policy=base64.b64encode(json.dumps(policy).encode()).decode())
    expect(service, sent(service, changed), (403, "SignatureDoesNotMatch"), ceph=CEPH_FORM_REFUSED)
    expect_nothing_kept(service)


def test_a_wrong_signature_is_refused(service: Service) -> None:
    changed = form(service).changed(x_amz_signature="0" * 64)
    expect(service, sent(service, changed), (403, "SignatureDoesNotMatch"), ceph=CEPH_FORM_REFUSED)


def test_a_form_signed_with_another_secret_is_refused(service: Service) -> None:
    stranger = replace(service.credentials, secret_key="guessed")
    made = form(service, credentials=stranger)
    expect(service, sent(service, made), (403, "SignatureDoesNotMatch"), ceph=CEPH_FORM_REFUSED)


def test_a_form_of_an_unknown_access_key_is_refused(service: Service) -> None:
    stranger = Credentials("nobody-knows-me", "guessed")
    made = form(service, credentials=stranger)
    expect(service, sent(service, made), (403, "InvalidAccessKeyId"), ceph=CEPH_FORM_REFUSED)


def test_another_key_than_the_policy_names_is_refused(service: Service) -> None:
    expect(service, sent(service, form(service).changed(key="blobs/7f/a1")), (403, "AccessDenied"))
    expect_nothing_kept(service)


def test_a_file_over_the_limit_is_refused(service: Service) -> None:
    expect(service, sent(service, form(service), b"x" * 1001), (400, "EntityTooLarge"))
    expect_nothing_kept(service)


def test_a_file_under_the_limit_is_refused(service: Service) -> None:
    expect(service, sent(service, form(service), b"x" * 9), (400, "EntityTooSmall"))
    expect_nothing_kept(service)


def test_an_empty_file_is_refused_where_a_byte_is_wanted(service: Service) -> None:
    expect(service, sent(service, form(service), b""), (400, "EntityTooSmall"))


def test_an_empty_file_is_taken_where_it_is_allowed(service: Service) -> None:
    assert sent(service, form(service, replace(LIMITS, size_bytes_min=0)), b"").status_code == 204
    assert httpx.get(get_url(service)).content == b""


def test_files_of_exactly_the_limits_are_taken(service: Service) -> None:
    for size in (10, 1000):
        assert sent(service, form(service), b"x" * size).status_code == 204


def test_another_content_type_is_refused(service: Service) -> None:
    changed = replace(form(service), fields={**form(service).fields, "Content-Type": "text/html"})
    expect(service, sent(service, changed), (403, "AccessDenied"))
    expect_nothing_kept(service)


@pytest.mark.parametrize("name", ["Content-Type", "x-amz-date"])
def test_a_missing_field_that_the_policy_demands_is_refused(service: Service, name: str) -> None:
    amazon = (403, "AccessDenied") if name == "Content-Type" else (400, "InvalidArgument")
    expect(service, sent(service, form(service).without(name)), amazon)
    expect_nothing_kept(service)


@pytest.mark.parametrize("name", ["x-amz-signature", "x-amz-credential", "key"])
def test_a_form_without_what_every_form_has_is_refused(service: Service, name: str) -> None:
    expect(service, sent(service, form(service).without(name)), (400, "InvalidArgument"))


def test_a_form_without_policy_is_refused(service: Service) -> None:
    expect(service, sent(service, form(service).without("policy")), (403, "AccessDenied"))


def test_a_field_that_no_condition_covers_is_refused(service: Service) -> None:
    expect(service, sent(service, form(service).changed(acl="public-read")), (403, "AccessDenied"))
    expect_nothing_kept(service)


def test_a_form_for_another_bucket_is_refused(service: Service) -> None:
    other = form(replace(service, bucket="another"))
    here = Form(form(service).url, other.fields)
    expect(service, sent(service, here), (403, "AccessDenied"))
    expect_nothing_kept(service)


def test_a_form_without_a_file_is_refused(service: Service) -> None:
    answer = sent(service, form(service), None)
    # Ceph takes it for an empty file.
    expect(service, answer, (400, "InvalidArgument"), ceph=(400, "EntityTooSmall"))


def test_a_bucket_that_is_not_there_is_told(service: Service) -> None:
    expect(service, sent(service, form(replace(service, bucket="not-there"))), (404, "NoSuchBucket"))


def test_an_expired_put_is_refused(service: Service) -> None:
    headers = {"content-type": "audio/mp4"}
    answer = httpx.put(put_url(service, seconds=-601), content=b"x", headers=headers)
    expect(service, answer, (403, "AccessDenied"))
    expect_nothing_kept(service)


def test_a_put_with_another_content_type_is_refused(service: Service) -> None:
    answer = httpx.put(put_url(service), content=b"x", headers={"content-type": "text/html"})
    expect(service, answer, (403, "SignatureDoesNotMatch"))
    expect_nothing_kept(service)


def test_a_put_url_writes_no_other_key(service: Service) -> None:
    url = put_url(service).replace(KEY, "blobs/7f/a1")
    answer = httpx.put(url, content=b"x", headers={"content-type": "audio/mp4"})
    expect(service, answer, (403, "SignatureDoesNotMatch"))


def test_a_get_url_does_not_write(service: Service) -> None:
    answer = httpx.put(get_url(service), content=b"x")
    expect(service, answer, (403, "SignatureDoesNotMatch"))
    expect_nothing_kept(service)


def test_a_longer_life_may_not_be_written_into_a_url(service: Service) -> None:
    url = get_url(service).replace("X-Amz-Expires=600", "X-Amz-Expires=6000")
    expect(service, httpx.get(url), (403, "SignatureDoesNotMatch"))


def test_a_life_of_over_a_week_is_refused(service: Service) -> None:
    url = SignedAccess(service.signer(), service.bucket).get(KEY, 604_801, None, None)
    expect(
        service,
        httpx.get(url),
        (400, "AuthorizationQueryParametersError"),
        ceph=(403, "AccessDenied"),  # Ceph has no code of its own for it
    )


def test_an_expired_get_is_refused(service: Service) -> None:
    expect(service, httpx.get(get_url(service, seconds=-601)), (403, "AccessDenied"))


def test_a_url_from_the_future_is_refused_and_a_clock_a_little_ahead_is_not(service: Service) -> None:
    answer = httpx.get(get_url(service, seconds=2 * 3600))
    # Ceph does not look whether a URL is of the future.
    expect(service, answer, (403, "RequestTimeTooSkewed"), ceph=(404, "NoSuchKey"))
    expect(service, httpx.get(get_url(service, seconds=5 * 60)), (404, "NoSuchKey"))


def test_an_unsigned_request_is_refused(service: Service) -> None:
    expect(service, httpx.get(get_url(service).partition("?")[0]), (403, "AccessDenied"))


def test_a_missing_object_is_told(service: Service) -> None:
    expect(service, httpx.get(get_url(service, key="no/such")), (404, "NoSuchKey"))


def test_wrong_md5_is_refused(service: Service) -> None:
    md5 = base64.b64encode(bytes(16)).decode()
    headers = {"content-type": "audio/mp4", "content-md5": md5}
    answer = httpx.put(put_url(service), content=b"x", headers=headers)
    expect(service, answer, (400, "BadDigest"))
    expect_nothing_kept(service)


def test_ranges_are_answered_alike(service: Service) -> None:
    body = bytes(range(250)) * 4
    sent(service, form(service), body)
    url = get_url(service)
    for asked, part in (
        ("bytes=0-9", body[:10]),
        ("bytes=990-5000", body[990:]),
        ("bytes=500-", body[500:]),
        ("bytes=-7", body[-7:]),
        ("bytes=-5000", body),
    ):
        answer = httpx.get(url, headers={"range": asked})
        assert (answer.status_code, answer.content) == (206, part), asked
        first = body.index(part) if len(part) < 1000 else 0
        if asked == "bytes=500-":
            first = 500
        elif asked == "bytes=990-5000":
            first = 990
        elif asked == "bytes=-7":
            first = 993
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/1000"
    expect(service, httpx.get(url, headers={"range": "bytes=1000-"}), (416, "InvalidRange"))


def test_conditions_are_answered_alike(service: Service) -> None:
    sent(service, form(service))
    url = get_url(service)
    etag = httpx.get(url).headers["etag"]
    assert httpx.get(url, headers={"if-none-match": etag}).status_code == 304
    assert httpx.get(url, headers={"if-none-match": '"other"'}).status_code == 200
    assert httpx.get(url, headers={"if-match": etag}).status_code == 200
    expect(service, httpx.get(url, headers={"if-match": '"other"'}), (412, "PreconditionFailed"))


def test_a_link_sets_type_and_file_name_of_the_answer(service: Service) -> None:
    sent(service, form(service))
    access = SignedAccess(service.signer(), service.bucket)
    answer = httpx.get(access.get(KEY, 60, "audio/x-m4a", 'Gespräch "Öl" 🎙.m4a'))
    assert answer.headers["content-type"] == "audio/x-m4a"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Gespr_ch __l_ _.m4a"; '
        "filename*=UTF-8''Gespr%C3%A4ch%20%22%C3%96l%22%20%F0%9F%8E%99.m4a"
    )
