"""Names that other programs gave to the same settings, so that their environment can stay as it is.

Reelkeep's own names win over all of these. docs/storage.md lists them.
"""

import os
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

#: Other names of a field, first wins.
ALIASES: dict[str, tuple[str, ...]] = {
    "s3_bucket": ("STORAGE_S3_BUCKET", "S3_BUCKET_NAME"),
    "s3_prefix": ("STORAGE_S3_PREFIX", "S3_RECORDINGS_PREFIX"),
    "s3_region": (
        "STORAGE_S3_REGION",
        "S3_REGION",
        "S3_BUCKET_REGION",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ),
    "s3_endpoint_url": ("STORAGE_S3_ENDPOINT_URL", "S3_ENDPOINT_URL"),
    "upload_expires_in_seconds": ("S3_PRESIGNED_URL_EXPIRATION",),
    "download_expires_in_seconds": ("S3_PRESIGNED_URL_EXPIRATION",),
    "local_path": ("STORAGE_LOCAL_PATH",),
}
STORAGE_TYPE = "STORAGE_TYPE"
#: What STORAGE_TYPE may say, the store that it means, and where its size in GB stands.
STORAGE_TYPES = {
    "LOCAL": ("local", "STORAGE_LOCAL_MAX_SIZE_GB"),
    "S3": ("s3", "STORAGE_S3_MAX_SIZE_GB"),
}
#: An access key with its secret, first wins.
KEY_PAIRS = (
    ("STORAGE_S3_ACCESS_KEY_ID", "STORAGE_S3_SECRET_ACCESS_KEY"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
#: By these, too, AWS's usual chain finds credentials without asking the network.
CHAIN = (
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_GB = 1000**3


class AliasRefused(ValueError):
    """A value that one of these names cannot have."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable, self.problem = variable, problem


class AliasSource(PydanticBaseSettingsSource):
    """What the environment and the `.env` file say under other names."""

    def __init__(self, settings_cls: type[BaseSettings], in_file: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._in_file = in_file

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """The value of one field and the name it stands under."""
        for name in ALIASES.get(field_name, ()):
            if value := self._value(name):
                return value, name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values of all fields that are said in this way."""
        fields = {name: self.get_field_value(field, name)[0] for name, field in self._fields()}
        found = {name: value for name, value in fields.items() if value is not None}
        found |= self._key_pair(found) | self._of_storage_type()
        if "store" not in found and self._enough_for_s3():
            found["store"] = "s3"
        return found

    def name_of(self, field: str) -> str | None:
        """The name under which a field was said, where it was said in this way."""
        value, name, _ = self.get_field_value(self.settings_cls.model_fields[field], field)
        return None if value is None else name

    def _fields(self) -> list[tuple[str, FieldInfo]]:
        return [(name, field) for name, field in self.settings_cls.model_fields.items() if name in ALIASES]

    def _of_storage_type(self) -> dict[str, Any]:
        """The store that STORAGE_TYPE names, with the space it may take; it wins over a bucket's name."""
        said = self._value(STORAGE_TYPE)
        if said is None:
            return {}
        if said.upper() not in STORAGE_TYPES:
            known = " and ".join(STORAGE_TYPES)
            raise AliasRefused(STORAGE_TYPE, f"names the unknown type {said!r}; known are {known}")
        store, size_name = STORAGE_TYPES[said.upper()]
        size = self._value(size_name)
        if size is None:
            return {"store": store}
        if not size.isdecimal() or int(size) < 1:
            raise AliasRefused(size_name, f"must be a whole number of gigabytes (it is {size!r})")
        return {"store": store, "quota_bytes": int(size) * _GB}

    def _enough_for_s3(self) -> bool:
        """A bucket and credentials, and nothing else that says where recordings are kept."""
        says_where = self.current_state.get("store") or self.current_state.get("stores_file")
        return bool(self._value("S3_BUCKET_NAME") and not says_where and self._has_credentials())

    def _has_credentials(self) -> bool:
        pairs = any(all(map(self._value, pair)) for pair in KEY_PAIRS)
        given = self.current_state.get("s3_access_key_id")
        return bool(pairs or given or any(map(os.environ.get, CHAIN)))

    def _key_pair(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The access key, unless Reelkeep's own names give one or AWS's chain finds it by itself."""
        state = self.current_state
        if state.get("s3_access_key_id") or state.get("s3_secret_access_key"):
            return {}
        if not (found.get("s3_bucket") or state.get("s3_bucket")):
            return {}
        for key_name, secret_name in KEY_PAIRS:
            key, secret = self._value(key_name), self._value(secret_name)
            # The chain reads the environment, with session tokens; it does not read our file.
            if key and secret and not (key_name.startswith("AWS_") and os.environ.get(key_name)):
                return {"s3_access_key_id": key, "s3_secret_access_key": secret}
        return {}

    def _value(self, name: str) -> str | None:
        return os.environ.get(name) or self._in_file.get(name.lower()) or None
