"""The service's own encryption of what lies in a bucket, as the headers that ask for it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Encryption:
    """What a service is asked to encrypt with."""

    algorithm: Literal["AES256", "aws:kms"] = "AES256"
    #: Of the service's key service, with `aws:kms`; None is its default key.
    kms_key_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a request, and fields of a form, that make an object."""
        asked: dict[str, str] = {"x-amz-server-side-encryption": self.algorithm}
        if self.kms_key_id is not None:
            asked["x-amz-server-side-encryption-aws-kms-key-id"] = self.kms_key_id
        return asked

    @property
    def obstore_options(self) -> dict[str, str]:
        """The same for obstore."""
        options: dict[str, str] = {"server_side_encryption": self.algorithm}
        if self.kms_key_id is not None:
            options["sse_kms_key_id"] = self.kms_key_id
        return options


AES256 = Encryption()
