"""Amazon CloudFront: addresses signed with an RSA key, by a canned or a custom policy, and invalidations.

Sources: Amazon CloudFront Developer Guide, "Create a signed URL using a canned policy" and "… a custom
policy"; CloudFront API reference 2020-05-31, `CreateInvalidation`. The tests compare every address with the
one of botocore's `CloudFrontSigner`.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores.cdn import CdnAddress, Query, encoded
from reelkeep.stores.signer import Credentials

#: A path that ends in a star stands for every query; CloudFront works on at most 15 of them at a time.
WILDCARDS_AT_ONCE_MAX = 15
CONNECT_SECONDS = 5
READ_SECONDS = 30
#: What CloudFront answers when trying again will not help.
_REFUSALS = frozenset(
    {
        "AccessDenied",
        "AuthFailure",
        "IncompleteSignature",
        "InvalidArgument",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NoSuchDistribution",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True, slots=True)
class Invalidations:
    """How a distribution is told to forget."""

    distribution_id: str
    #: None: the default chain of boto3 (environment, shared files, roles).
    credentials: Credentials | None = field(default=None, repr=False)
    profile: str | None = None
    #: None: Amazon's own.
    endpoint_url: str | None = None


class CloudFront:
    """A CloudFront distribution in front of one store."""

    forgotten_at_once_max = WILDCARDS_AT_ONCE_MAX

    def __init__(
        self,
        url: str,
        key_pair_id: str,
        private_key: RSAPrivateKey,
        *,
        policy: Literal["canned", "custom"] = "canned",
        hands_on_signatures: bool = False,
        invalidations: Invalidations | None = None,
    ) -> None:
        self._address = CdnAddress.of(url)
        self._key_pair_id = key_pair_id
        self._key = private_key
        self._policy = policy
        self._hands_on = hands_on_signatures
        self._invalidations = invalidations

    @property
    def origin(self) -> str:
        """Scheme, host and port of the distribution."""
        return self._address.origin

    @property
    def hands_on_signatures(self) -> bool:
        """As configured; normally the distribution has access of its own (origin access control)."""
        return self._hands_on

    @property
    def forgets(self) -> bool:
        """Whether a distribution's id is configured."""
        return self._invalidations is not None

    def url(self, path: str, query: Query, expires_at: datetime) -> str:
        """A signed address: by canned policy for exactly this query, by custom policy for any."""
        bare = self._address.origin + self._address.path(path)
        whole = "?".join(filter(None, (bare, "&".join(encoded(query)))))
        moment = int(expires_at.timestamp())
        if self._policy == "canned":
            proof = [f"Expires={moment}", *self._proof(policy_of(whole, moment))]
        else:
            policy = policy_of(f"{bare}*", moment)
            proof = [f"Policy={_url_safe(policy.encode())}", *self._proof(policy)]
        return f"{whole}{'&' if query else '?'}{'&'.join(proof)}"

    async def forget(self, paths: Sequence[str], reference: str) -> None:
        """Make an invalidation of these paths with any query; CloudFront knows it again by its reference."""
        if self._invalidations is not None:
            items = [f"{self._address.path(path)}*" for path in paths]
            await asyncio.to_thread(_invalidate, self._invalidations, items, reference)

    def _proof(self, policy: str) -> list[str]:
        # SHA-1 is what CloudFront checks; the policy is ours, so nobody can prepare two that collide.
        signature = self._key.sign(policy.encode(), padding.PKCS1v15(), SHA1())  # noqa: S303
        return [f"Signature={_url_safe(signature)}", f"Key-Pair-Id={self._key_pair_id}"]


def policy_of(resource: str, expires_at_epoch: int) -> str:
    """The policy that lets this resource be fetched until then; its form is fixed to the byte."""
    condition = {"DateLessThan": {"AWS:EpochTime": expires_at_epoch}}
    statement = {"Resource": resource, "Condition": condition}
    return json.dumps({"Statement": [statement]}, separators=(",", ":"))


def read_private_key(pem: bytes) -> RSAPrivateKey:
    """The key in a PEM file without a passphrase; `ValueError` says what is wrong with it."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("is not a private key in PEM without a passphrase") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("is not an RSA key, which is what addresses are signed with here")
    return key


def _url_safe(data: bytes) -> str:
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))


def _invalidate(settings: Invalidations, items: list[str], reference: str) -> None:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as boto3

    batch = {"CallerReference": reference, "Paths": {"Quantity": len(items), "Items": items}}
    try:
        client = _client(settings)
        client.create_invalidation(DistributionId=settings.distribution_id, InvalidationBatch=batch)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        kind: Callable[..., Exception] = StoreRefused if code in _REFUSALS else StoreUnavailable
        raise kind(
            f"CloudFront did not invalidate in {settings.distribution_id}: {error}",
            distribution_id=settings.distribution_id,
            aws_code=code,
        ) from error
    except BotoCoreError as error:
        raise StoreUnavailable(
            f"CloudFront could not be asked to invalidate in {settings.distribution_id}: {error}",
            distribution_id=settings.distribution_id,
        ) from error


def _client(settings: Invalidations) -> Any:
    import boto3  # noqa: PLC0415 - half a second that only an erasure needs
    from botocore.config import Config  # noqa: PLC0415 - as boto3

    given = settings.credentials
    keys = {}
    if given is not None:
        keys = {
            "aws_access_key_id": given.access_key,
            "aws_secret_access_key": given.secret_key,
            "aws_session_token": given.session_token,
        }
    session = boto3.Session(profile_name=settings.profile)
    # A session's client factory takes one service by its name; the stubs know only those installed.
    make: Callable[..., Any] = session.client
    return make(
        "cloudfront",
        region_name="us-east-1",
        endpoint_url=settings.endpoint_url,
        config=Config(
            connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 2}
        ),
        **keys,
    )
