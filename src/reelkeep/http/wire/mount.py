"""The wire of an installation: its local stores, its access keys, its settings."""

from functools import partial

from starlette.routing import BaseRoute

from reelkeep.blobs.access_keys import find_access
from reelkeep.http.wire.request import Acceleration
from reelkeep.http.wire.routes import wire_routes
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings
from reelkeep.stores.traffic import Traffic, traffic_of


def wire_of(runtime: Runtime) -> list[BaseRoute]:
    """The routes at `/s3`."""
    settings = runtime.settings
    return wire_routes(
        runtime.stores.on_wire,
        partial(find_access, runtime),
        settings.base_url,
        clock=runtime.clock,
        idle_seconds=settings.upload_idle_seconds,
        acceleration=_acceleration(settings),
        traffic=_traffic(runtime),
    )


def _traffic(runtime: Runtime) -> dict[str, Traffic]:
    """The counts of each store on the wire, which its guard holds."""
    counts = {
        bucket: traffic_of(runtime.stores.by_name[store.name])
        for bucket, store in runtime.stores.on_wire.items()
        if store.name in runtime.stores.by_name
    }
    return {bucket: traffic for bucket, traffic in counts.items() if traffic is not None}


def _acceleration(settings: Settings) -> Acceleration | None:
    root = settings.data / "stores"
    match settings.download_acceleration:
        case "x-accel-redirect":
            return Acceleration("x-accel-redirect", root, settings.download_acceleration_prefix.rstrip("/"))
        case "x-sendfile":
            return Acceleration("x-sendfile", root, None)
    return None
