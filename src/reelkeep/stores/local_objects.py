"""Makes a written file an object of the local store."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from reelkeep.stores.conditions import OnlyIf
from reelkeep.stores.local_folder import LocalFolder
from reelkeep.stores.local_writer import Publish, Written
from reelkeep.stores.protocol import ObjectFacts


def object_publisher(
    folder: LocalFolder,
    key: str,
    content_type: str | None,
    only_if: OnlyIf,
    *,
    storage_class: str,
    metadata: Mapping[str, str],
) -> Publish[ObjectFacts]:
    """How a writer's file becomes the object under `key`, unless what is there forbids it."""

    def publish(path: Path, written: Written, refuse_when_given_up: Callable[[], None]) -> ObjectFacts:
        facts = ObjectFacts(
            key=key,
            size_bytes=written.size_bytes,
            content_type=content_type,
            etag=written.md5,
            modified_at=datetime.now(UTC),
            sha256=written.sha256,
            md5=written.md5 if written.digested else None,
            storage_class=storage_class,
            metadata=dict(metadata),
        )

        def check(present: ObjectFacts | None) -> None:
            refuse_when_given_up()
            only_if.check(present)

        folder.publish(path, facts, check)
        return facts

    return publish
