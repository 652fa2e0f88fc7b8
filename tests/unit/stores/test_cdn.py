"""Addresses of CDNs, against what their makers' own signers give, and how CDNs are told to forget."""

import asyncio
import base64
import hashlib
import hmac
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores.cdn_cloudfront import CloudFront, Invalidations, policy_of, read_private_key
from reelkeep.stores.cdn_token import Purges, TokenCdn, hmac_token, secure_link
from reelkeep.stores.signer import Credentials
from tests.fixtures.answering import Answer, Answering, answering
from tests.tidy.checkout import ROOT

EXPIRES = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
EPOCH = int(EXPIRES.timestamp())
PATH = "/kept/recordings/0197f0aa/0197f0ab/0197f0ac"
QUERY = [
    (
        "response-content-disposition",
        "attachment; filename=\"a b.m4a\"; filename*=UTF-8''%C3%BC%20b.m4a",
    ),
    ("response-content-type", "audio/mp4"),
]


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def botocores(key: rsa.RSAPrivateKey) -> CloudFrontSigner:
    return CloudFrontSigner("K2JCJMDEHXQW5F", lambda message: key.sign(message, padding.PKCS1v15(), SHA1()))


def test_a_canned_address_is_botocores_to_the_byte(key: rsa.RSAPrivateKey) -> None:
    for folder in ("", "/eu"):
        for query in ([], QUERY):
            ours = CloudFront(f"https://d1.cloudfront.net{folder}", "K2JCJMDEHXQW5F", key)
            made = ours.url(PATH, query, EXPIRES)
            bare = made.partition("Expires=")[0].rstrip("&?")
            assert urlsplit(bare).path == folder + PATH
            assert made == botocores(key).generate_presigned_url(bare, date_less_than=EXPIRES)
            told = parse_qs(urlsplit(made).query)
            assert all(told[name] == [value] for name, value in query)


def test_a_custom_address_is_botocores_to_the_byte_and_lets_any_query_pass(key: rsa.RSAPrivateKey) -> None:
    ours = CloudFront("https://d1.cloudfront.net", "K2JCJMDEHXQW5F", key, policy="custom")
    made = ours.url(PATH, QUERY, EXPIRES)
    theirs = botocores(key)
    policy = theirs.build_policy(f"https://d1.cloudfront.net{PATH}*", EXPIRES)
    assert policy == policy_of(f"https://d1.cloudfront.net{PATH}*", EPOCH)
    bare = made.partition("&Policy=")[0]
    assert made == theirs.generate_presigned_url(bare, policy=policy)


def test_only_an_rsa_key_without_a_passphrase_signs(key: rsa.RSAPrivateKey) -> None:
    def pem(of: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
        return of.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert read_private_key(pem(key)).private_numbers() == key.private_numbers()
    with pytest.raises(ValueError, match="RSA"):
        read_private_key(pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ValueError, match="PEM"):
        read_private_key(b"not a key")


def test_a_token_is_the_one_that_bunny_publishes() -> None:
    # github.com/BunnyWay/BunnyCDN.TokenAuthentication, e2e/inputs.json and e2e/vectors.json
    token = partial(hmac_token, "SecurityKey", "/300kb.jpg", expires_at_epoch=1598024587)
    assert token(query=[]) == "HS256-o10JRWlsAItyAsdKS6jJKjabHN4FrFsplDHPV1idcX4"
    assert token(query=[("token_countries", "CA,US")]) == "HS256-i5s3Uv7mnrFfN5nznwU2BxhILpnipYeE18TapV0WNFM"
    assert token(query=[("limit", "1000")]) == "HS256-DAVapqNNED3Z7JkjRTYX0UOIHNtbHEuuhRNEc4A7mMQ"
    cdn = TokenCdn("https://token-tester.b-cdn.net", "SecurityKey")
    assert cdn.url("/300kb.jpg", [("token_countries", "CA,US")], datetime.fromtimestamp(1598024587, UTC)) == (
        "https://token-tester.b-cdn.net/300kb.jpg?token=HS256-i5s3Uv7mnrFfN5nznwU2BxhILpnipYeE18TapV0WNFM"
        "&token_countries=CA%2CUS&expires=1598024587"
    )


def test_a_worker_as_documented_lets_through_what_we_sign_and_nothing_else(tmp_path: Path) -> None:
    (worker,) = re.findall(r"```js\n(.*?)```", (ROOT / "docs/delivery.md").read_text(), re.DOTALL)
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    cdn = TokenCdn("https://cdn.example.org/eu", "a secret", scheme="hmac-sha256")
    good = cdn.url(PATH, QUERY, later)
    asked = [
        good,
        good.replace("0197f0ac", "0197f0ad"),
        good.replace("audio%2Fmp4", "text%2Fhtml"),
        good.replace(f"expires={int(later.timestamp())}", f"expires={int(later.timestamp()) + 1}"),
        good.partition("token=")[0],
        TokenCdn("https://cdn.example.org/eu", "another").url(PATH, QUERY, later),
        cdn.url(PATH, QUERY, datetime.now(UTC) - timedelta(seconds=1)),
    ]
    script = tmp_path / "check.mjs"
    lines = [
        worker.replace("export default", "const worker ="),
        "globalThis.fetch = async (request) => new Response(new URL(request.url).search);",
        "for (const url of process.argv.slice(2)) {",
        "  const answer = await worker.fetch(new Request(url), { SECRET: 'a secret' });",
        "  console.log(answer.status, await answer.text());",
        "}",
    ]
    script.write_text("\n".join(lines))
    told = subprocess.run(["node", script, *asked], capture_output=True, text=True, check=True, timeout=60)
    first, *others = told.stdout.splitlines()
    assert first.startswith("200 ?response-content-disposition=")
    assert "token" not in first
    assert others == ["403 This link is not valid."] * 6


def test_an_nginx_address_carries_what_secure_link_computes() -> None:
    cdn = TokenCdn("https://cdn.example.org", "s3cret", scheme="nginx-secure-link")
    made = cdn.url(PATH, [("X-Amz-Signature", "ab")], EXPIRES)
    digest = hashlib.md5(f"{EPOCH}{PATH} s3cret".encode()).digest()
    assert secure_link("s3cret", PATH, EPOCH) == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert made.startswith(f"https://cdn.example.org{PATH}?expires={EPOCH}&md5=")
    assert made.endswith("&X-Amz-Signature=ab"), "the store's own query comes last, so that nginx can cut it"


@pytest.fixture
def service() -> Iterator[Answering]:
    with answering() as running:
        yield running


def purging(service: Answering, url: str = "{path}", **given: object) -> TokenCdn:
    purges = Purges(f"{service.url}{url}", **given)  # type: ignore[arg-type]
    return TokenCdn("https://cdn.example.org", "s3cret", purges=purges)


async def test_each_path_is_purged_and_one_that_was_not_cached_is_fine(service: Answering) -> None:
    service.answers = [Answer(200), Answer(404)]
    await purging(service).forget([PATH, "/other"], "r")
    assert [(asked.method, asked.target) for asked in service.asked] == [("PURGE", PATH), ("PURGE", "/other")]


async def test_an_address_is_told_whole_where_the_purge_wants_it(service: Answering) -> None:
    cdn = purging(service, "/purge?url={url}%2A", method="POST", headers={"AccessKey": "k"})
    await cdn.forget([PATH], "r")
    (asked,) = service.asked
    assert asked.method == "POST"
    assert parse_qs(urlsplit(asked.target).query) == {"url": [f"https://cdn.example.org{PATH}*"]}
    assert asked.headers["accesskey"] == "k"


async def test_one_request_carries_all_addresses_where_there_is_no_place_for_one(service: Answering) -> None:
    cdn = purging(service, "/zones/z/purge_cache", method="POST", headers={"Authorization": "Bearer t"})
    await cdn.forget([PATH, "/other"], "r")
    (asked,) = service.asked
    assert asked.json() == {"files": [f"https://cdn.example.org{PATH}", "https://cdn.example.org/other"]}
    assert asked.headers["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("status", "kind"), [(503, StoreUnavailable), (429, StoreUnavailable), (403, StoreRefused)]
)
async def test_a_purge_that_fails_says_so(service: Answering, status: int, kind: type[Exception]) -> None:
    service.answers = [Answer(status)]
    with pytest.raises(kind):
        await purging(service).forget([PATH], "r")


async def test_a_cdn_that_is_away_is_asked_again_later() -> None:
    with answering() as gone:
        cdn = purging(gone)
    with pytest.raises(StoreUnavailable):
        await cdn.forget([PATH], "r")


ACCEPTED = b"""<?xml version="1.0"?>
<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Id>I2J0I21PCUYOIK</Id>
<Status>InProgress</Status><CreateTime>2026-11-26T12:00:00Z</CreateTime>
<InvalidationBatch><Paths><Quantity>1</Quantity><Items><Path>/x*</Path></Items></Paths>
<CallerReference>r</CallerReference></InvalidationBatch></Invalidation>"""


def distribution(service: Answering, key: rsa.RSAPrivateKey) -> CloudFront:
    wish = Invalidations("E1234", Credentials("AKID", "wJalr"), endpoint_url=service.url)
    return CloudFront("https://d1.cloudfront.net", "K2", key, invalidations=wish)


async def test_cloudfront_is_asked_as_aws_documents_it(service: Answering, key: rsa.RSAPrivateKey) -> None:
    """AWS's protocol, played by a server of ours: the document, and Signature Version 4 computed here."""
    service.answers = [Answer(201, ACCEPTED, {"Content-Type": "text/xml"})]
    await distribution(service, key).forget([PATH, "/other"], "reference-1")
    (asked,) = service.asked
    assert (asked.method, asked.target) == ("POST", "/2020-05-31/distribution/E1234/invalidation")
    body = asked.body.decode()
    assert "<CallerReference>reference-1</CallerReference>" in body
    assert f"<Quantity>2</Quantity><Items><Path>{PATH}*</Path><Path>/other*</Path></Items>" in body
    proof = sigv4(asked.method, asked.target, asked.headers, asked.body)
    assert asked.headers["authorization"].endswith(proof)


def sigv4(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    """The signature of a request, as "Create a signed AWS API request" describes it."""
    names = re.findall(r"SignedHeaders=([^,]+)", headers["authorization"])[0].split(";")
    assert {"host", "x-amz-date"} <= set(names)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    digest = hashlib.sha256(body).hexdigest()
    request = f"{method}\n{path}\n\n{lines}\n{';'.join(names)}\n{digest}"
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/us-east-1/cloudfront/aws4_request"
    assert f"Credential=AKID/{scope}" in headers["authorization"]
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    secret = b"AWS4wJalr"
    for part in scope.split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    return f"Signature={hmac.digest(secret, text.encode(), 'sha256').hex()}"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "TooManyInvalidationsInProgress", StoreUnavailable),
        (404, "NoSuchDistribution", StoreRefused),
        (403, "AccessDenied", StoreRefused),
    ],
)
async def test_what_cloudfront_refuses_is_told_apart(
    service: Answering, key: rsa.RSAPrivateKey, status: int, code: str, kind: type[Exception]
) -> None:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error>"
    said = f"<ErrorResponse>{error}</ErrorResponse>"
    service.answers = [Answer(status, said.encode(), {"Content-Type": "text/xml"})]
    async with asyncio.timeout(30):
        with pytest.raises(kind) as caught:
            await distribution(service, key).forget([PATH], "r")
    assert caught.value.details["aws_code"] == code  # type: ignore[attr-defined]
