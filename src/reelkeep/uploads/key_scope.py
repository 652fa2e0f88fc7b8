"""Which recording the bytes under a key belong to: whose data key encrypts them."""

import re
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import INCOMING, upload_of_key
from reelkeep.recordings.models import Recording
from reelkeep.uploads.models import Upload

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


async def recording_of_key(session: AsyncSession, organization_id: UUID, key: str) -> UUID:
    """The recording that an object under this key is of, in the current unit of work.

    Of a recording or an upload that is gone it is the first id in the key: its bytes have a key all the same.
    """
    if key.startswith(INCOMING):
        ids = upload_of_key(key)
        if ids is None:
            return organization_id
        query = select(Upload.recording_id).where(Upload.organization_id == ids[0], Upload.id == ids[1])
        return await session.scalar(query) or ids[1]
    named = [UUID(text) for text in dict.fromkeys(_ID.findall(key)) if text != str(organization_id)]
    of_these = select(Recording).where(Recording.organization_id == organization_id, Recording.id.in_(named))
    found = (await session.scalars(of_these)).all() if named else []
    if not found:
        return named[0] if named else organization_id
    return found[0].id if len(found) == 1 else _owner(found).id


def _owner(found: Sequence[Recording]) -> Recording:
    """Of several recordings that a key names, the one that tells of the others.

    A template may put a host's own values into keys, and a host may use a recording's id as one.
    """
    for recording in found:
        others = [str(other.id) for other in found if other is not recording]
        told = " ".join(
            str(value)
            for value in (
                recording.session_external_id,
                recording.appointment_id,
                recording.visit_id,
                recording.original_filename,
                *recording.recording_metadata.values(),
            )
        )
        if all(other in told for other in others):
            return recording
    return found[0]
