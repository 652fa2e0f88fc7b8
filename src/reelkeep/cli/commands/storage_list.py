"""`reelkeep storage list`: the configured stores, never their secrets."""

from typing import Any

from reelkeep.cli.options import Data, Json, read_settings
from reelkeep.cli.output import print_json, print_table
from reelkeep.stores_config import LocalSpec, S3Spec, StoresConfig, StoreSpec, configured_stores


def list_stores(data: Data = None, as_json: Json = False) -> None:
    """List the configured stores, without connecting to them.

    \b
    Example:
      reelkeep storage list
      reelkeep storage list --json
    """
    config = configured_stores(read_settings(data))
    items = [_described(config, spec) for spec in config.specs.values()]
    if as_json:
        print_json({"items": items})
        return
    print_table(
        ("STORE", "KIND", "ROLE", "SHARED", "ENCRYPTION", "WHERE"),
        (
            (
                item["name"],
                item["service"],
                item["role"] or "–",
                "yes" if item["shared"] else "no",
                item["encryption"],
                item["where"],
            )
            for item in items
        ),
    )


def _described(config: StoresConfig, spec: StoreSpec) -> dict[str, Any]:
    roles = {config.primary_name: "primary", config.fallback_name: "fallback"}
    item: dict[str, Any] = {
        "name": spec.name,
        "kind": spec.kind,
        "service": spec.kind,
        "role": roles.get(spec.name),
        "shared": spec.shared,
        "encryption": spec.encryption,
        "where": "",
        "region": None,
        "credentials": _credentials(spec),
        "rotating": spec.previous_access_key_id is not None,
        "storage_classes": list(spec.storage_classes),
        "cdn": spec.cdn is not None,
    }
    if isinstance(spec, S3Spec):
        where = spec.endpoint_url or f"s3.{spec.region}.amazonaws.com"
        item |= {
            "service": f"s3 {spec.service}",
            "where": f"{spec.bucket}/{spec.prefix} at {where}",
            "region": spec.region,
        }
    elif isinstance(spec, LocalSpec):
        item["where"] = str(spec.path)
    return item


def _credentials(spec: StoreSpec) -> str:
    if spec.access_key_id is not None:
        return f"access key {spec.access_key_id}"
    if isinstance(spec, S3Spec):
        return f"profile {spec.profile}" if spec.profile else "AWS's usual chain"
    return "made here"
