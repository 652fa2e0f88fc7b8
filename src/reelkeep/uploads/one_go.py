"""A body whose bytes grow in one go, so that it goes on elsewhere when its store goes away in its midst."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import CursorResult, update

from reelkeep.errors import Conflict, ErrorCode
from reelkeep.runtime import Runtime
from reelkeep.stores.local_files import wrong_bytes
from reelkeep.stores.protocol import Grows
from reelkeep.uploads.grow import Grower
from reelkeep.uploads.models import ONE_GO, Upload, UploadState


def may_go_over(runtime: Runtime, store: str) -> bool:
    """Whether there is a fallback store that could take what this one does not."""
    fallback = runtime.stores.fallback_name
    if fallback is None or fallback == store:
        return False
    return all(isinstance(runtime.stores.get(name), Grows) for name in (store, fallback))


async def grow_in_one_go(
    runtime: Runtime, upload: Upload, body: AsyncIterator[bytes], *, sha256: str | None
) -> None:
    """Take the body, whose end is the upload's; on return its bytes are safe, and the seal makes them one.

    Raises what the body raises, and `WrongBytes` for another digest; then the caller discards what has grown.
    """
    digest = hashlib.sha256() if sha256 else None

    async def save(**values: Any) -> None:
        await _save(runtime, upload, values)

    async with Grower(runtime, upload, save, proved=False) as growing:
        async for piece in body:
            if digest is not None:
                digest.update(piece)
            await growing.write(piece)
        if digest is not None and digest.hexdigest() != sha256:
            raise wrong_bytes(upload.incoming_key, "sha256", sha256, digest.hexdigest())
        safe = await growing.flush()
        size_bytes = growing.offset
    safe["growth"] = {**safe["growth"], ONE_GO: True}
    await save(size_bytes_declared=size_bytes, **safe)


async def _save(runtime: Runtime, upload: Upload, values: dict[str, Any]) -> None:
    """Write to the row of an upload that no other request writes, unless it has ended."""
    statement = (
        update(Upload)
        .where(
            Upload.organization_id == upload.organization_id,
            Upload.id == upload.id,
            Upload.state == UploadState.OPEN,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    async with runtime.database.work(upload.organization_id) as session:
        result = await session.execute(statement)
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise Conflict(
            "The upload had ended before its bytes were here; send them again.", ErrorCode.UPLOAD_EXPIRED
        )
    for name, value in values.items():
        setattr(upload, name, value)
