"""What a store's file may say of the CDN in front of it, and how a refusal reads."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.runtime import Secrets, Stores
from reelkeep.settings import load_settings
from reelkeep.stores.cdn_cloudfront import CloudFront
from reelkeep.stores.cdn_token import TokenCdn
from reelkeep.wiring import build_stores

S3 = """
[stores.s3-eu]
kind = "s3"
bucket = "b"
region = "eu-central-1"
access_key_id = "a"
secret_access_key = "hush"
[stores.s3-eu.cdn]
"""
CLOUDFRONT = """
kind = "cloudfront"
url = "https://d1.cloudfront.net"
key_pair_id = "K2"
private_key_file = "key.pem"
"""
TOKEN = """
kind = "token"
url = "https://cdn.example.org"
secret = "hush"
"""


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def built(folder: Path, text: str) -> Stores:
    file = folder / "stores.toml"
    file.write_text(text.replace("key.pem", str(folder / "key.pem")))
    settings = load_settings(data=folder / "data", stores_file=file)
    return build_stores(settings, Secrets(b"x" * 32))


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ReelkeepError) as caught:
        built(folder, text)
    assert caught.value.code == ErrorCode.SETTINGS_INVALID
    assert "hush" not in str(caught.value)
    return str(caught.value)


def test_a_store_may_name_a_cdn_of_each_kind(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    cloudfront = built(tmp_path, S3 + CLOUDFRONT).cdns["s3-eu"]
    assert isinstance(cloudfront, CloudFront)
    assert not cloudfront.forgets
    assert built(tmp_path, S3 + CLOUDFRONT + 'distribution_id = "E1"').cdns["s3-eu"].forgets
    token = built(tmp_path, S3 + TOKEN + 'purge_url = "https://cdn.example.org{path}"').cdns["s3-eu"]
    assert isinstance(token, TokenCdn)
    assert token.forgets
    assert token.origin == "https://cdn.example.org"
    assert built(tmp_path, S3.replace("[stores.s3-eu.cdn]", "")).cdns == {}


def test_a_key_that_cannot_sign_is_refused_at_the_start(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path, S3 + CLOUDFRONT)
    (tmp_path / "key.pem").write_bytes(b"-----BEGIN hush")
    assert "is not a private key" in refused(tmp_path, S3 + CLOUDFRONT)
    (tmp_path / "key.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    assert "is not an RSA key" in refused(tmp_path, S3 + CLOUDFRONT)
    (tmp_path / "empty").write_bytes(b"\nhush")
    secret = f'secret_file = "{tmp_path / "empty"}"'
    assert "is empty" in refused(tmp_path, S3 + TOKEN.replace('secret = "hush"', secret))


@pytest.mark.parametrize(
    ("cdn", "said"),
    [
        (TOKEN.replace('"token"', '"fastly"'), "'cloudfront', 'token'"),
        (TOKEN.replace("https://cdn.example.org", "cdn.example.org"), "full address"),
        (TOKEN.replace('secret = "hush"', ""), "needs secret or secret_file"),
        (TOKEN + 'scheme = "nginx-secure-link"', "hands_on_signatures"),
        (TOKEN + 'colour = "hush"', "Extra inputs"),
        (CLOUDFRONT + 'access_key_id = "a"', "belong together"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, cdn: str, said: str) -> None:
    message = refused(tmp_path, S3 + cdn)
    assert said in message
    assert "stores.s3-eu.cdn" in message


def test_a_folder_has_a_cdn_only_that_hands_on_its_signatures(tmp_path: Path) -> None:
    local = f'[stores.here]\nkind = "local"\npath = "{tmp_path}/here"\n[stores.here.cdn]\n'
    assert "hands_on_signatures" in refused(tmp_path, local + TOKEN)
    assert "here" in built(tmp_path, local + TOKEN + "hands_on_signatures = true").cdns
