"""Uploads in parts, straight to the store: begin, sign, list, complete, abort.

    begin → the client sends parts by signed URLs, in any order, again and again → complete → seal

Parts are the store's; of them the row knows the multipart upload's id alone. Where the process dies between
the store and the row, a multipart upload is left behind that nothing needs, and the sweep aborts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import update

from reelkeep.blobs.keys import upload_of_key
from reelkeep.errors import Conflict, ErrorCode, NotFound, ObjectNotFound, ReelkeepError
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import PartFacts
from reelkeep.uploads.ending import give_up, refuse
from reelkeep.uploads.find import refused_before, upload_of
from reelkeep.uploads.initiate import begin_upload, lasts_seconds
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.parts import Parts, part_size_of, taking_parts

#: An upload that somebody works on is kept open; written at most this often.
KEPT_OPEN_PRECISION = timedelta(hours=1)
#: Uploads whose incoming key clients write in the store themselves.
DIRECT_TO_STORE = (UploadMethod.POST, UploadMethod.PUT, UploadMethod.MULTIPART)


@dataclass(frozen=True, slots=True)
class Begun:
    """A multipart upload that is open."""

    upload: Upload
    #: The store's own.
    multipart_id: str
    part_size_bytes: int


@dataclass(frozen=True, slots=True)
class Wish:
    """One request of a browser to the store, to be signed."""

    method: str
    key: str | None = None
    multipart_id: str | None = None
    part_number: int | None = None


async def begin_multipart(
    runtime: Runtime, organization_id: UUID, actor_user_id: UUID, new: NewRecording
) -> Begun:
    """Begin a recording whose bytes come in parts; raises as `begin_upload`."""
    upload = await begin_upload(runtime, organization_id, actor_user_id, new, UploadMethod.MULTIPART)
    try:
        multipart_id = await ensure_parts(runtime, upload)
    except ReelkeepError as error:
        await refuse(runtime, upload, error)
        raise
    return Begun(upload, multipart_id, part_size_of(upload))


async def ensure_parts(runtime: Runtime, upload: Upload) -> str:
    """The store's id of the upload; begun now when it has none."""
    if upload.multipart_id is not None:
        return upload.multipart_id
    store = taking_parts(runtime.stores.get(upload.store))
    begun = await store.create_parts(upload.incoming_key, content_type=upload.content_type)
    known = await _note_first(runtime, upload, begun)
    if known != begun:
        await store.abort_parts(upload.incoming_key, begun)
    return known


async def begin_parts_again(runtime: Runtime, upload: Upload) -> Upload:
    """The upload with a new multipart upload, in place of one that the store does not know any more."""
    async with runtime.database.work(upload.organization_id) as session:
        await session.execute(
            update(Upload)
            .where(
                Upload.organization_id == upload.organization_id,
                Upload.id == upload.id,
                Upload.multipart_id == upload.multipart_id,
            )
            .values(multipart_id=None, growth={})
        )
        fresh = await upload_of(session, upload.organization_id, upload.recording_id)
    await ensure_parts(runtime, fresh)
    return fresh


async def sign_parts(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, numbers: Sequence[int]
) -> list[tuple[int, str]]:
    """A URL for each part; sending to it again replaces the part."""
    upload = await _open_in_parts(runtime, organization_id, recording_id)
    multipart_id = await ensure_parts(runtime, upload)
    await _keep_open(runtime, upload)
    return [(number, _part_url(runtime, upload, multipart_id, number)) for number in numbers]


async def list_parts(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> list[PartFacts]:
    """The parts that have arrived, by number.

    Raises `UPLOAD_EXPIRED` when the store has let go of them; renewing the ticket begins anew.
    """
    upload = await _open_in_parts(runtime, organization_id, recording_id)
    if upload.multipart_id is None:
        return []
    store = runtime.stores.get(upload.store)
    try:
        listed = taking_parts(store).list_parts(upload.incoming_key, upload.multipart_id)
        return [part async for part in listed]
    except ObjectNotFound:
        pass
    try:
        await store.head(upload.incoming_key)
    except ObjectNotFound:
        raise _gone(upload) from None
    return []


async def check_parts(runtime: Runtime, organization_id: UUID, recording_id: UUID, parts: Parts) -> None:
    """Raise `UPLOAD_METHOD` or `PART_INVALID` for named parts that no seal could make sense of."""
    async with runtime.database.work(organization_id) as session:
        upload = await upload_of(session, organization_id, recording_id)
    _check_method(upload, (UploadMethod.MULTIPART,))
    numbers = [number for number, _ in parts]
    if len(set(numbers)) != len(numbers):
        raise Conflict(
            "Each part is named once; of a part that was sent again, name the last ETag.",
            ErrorCode.PART_INVALID,
            recording_id=str(recording_id),
        )


async def abort_multipart(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Give the upload up: its parts go, its space is free, its recording is in the trash. Twice is once."""
    async with runtime.database.work(organization_id) as session:
        upload = await upload_of(session, organization_id, recording_id)
    _check_method(upload, (UploadMethod.MULTIPART,))
    given_up = Conflict(
        "The client gave this upload up; nothing of it was kept.",
        ErrorCode.UPLOAD_DISCARDED,
        recording_id=str(recording_id),
    )
    if upload.state != UploadState.REFUSED and not await give_up(runtime, upload, given_up):
        async with runtime.database.work(organization_id) as session:
            upload = await upload_of(session, organization_id, recording_id)
        if upload.state == UploadState.SEALED:
            raise Conflict(
                "The recording is safe already; delete it instead.", recording_id=str(recording_id)
            )
    store = runtime.stores.get(upload.store)
    if upload.multipart_id is not None:
        await taking_parts(store).abort_parts(upload.incoming_key, upload.multipart_id)
    await store.delete(upload.incoming_key)


async def sign_request(
    runtime: Runtime, organization_id: UUID, recording_id: UUID | None, wish: Wish
) -> tuple[str, str]:
    """URL and key for one request of a browser that speaks S3 itself: only on its own upload's incoming key.

    It may put the object whole, or begin a multipart upload, send and list parts, complete and abort. Without
    a recording, the key says which upload it is.
    """
    known = recording_id or await _recording_of_key(runtime, organization_id, wish.key or "")
    upload = await _open(runtime, organization_id, known, DIRECT_TO_STORE)
    if wish.multipart_id is None:
        query = _query_without_id(upload, wish)
    else:
        if wish.key not in (None, upload.incoming_key):
            raise _not_signed(upload, "it is about another key")
        query = _query_with_id(upload, wish, wish.multipart_id)
        await _note_newest(runtime, upload, wish.multipart_id)
    url = runtime.stores.signing(upload.store).url_for(
        wish.method, upload.incoming_key, runtime.settings.upload_expires_in_seconds, query
    )
    return url, upload.incoming_key


async def _recording_of_key(runtime: Runtime, organization_id: UUID, key: str) -> UUID:
    ids = upload_of_key(key)
    upload = None
    if ids is not None and ids[0] == organization_id:
        async with runtime.database.work(organization_id) as session:
            upload = await session.get(Upload, ids)
    if upload is None:
        raise NotFound(
            "No upload of yours has this key; send recording_id, or the key that its ticket gave.",
            ErrorCode.UPLOAD_NOT_FOUND,
        )
    return upload.recording_id


def _query_without_id(upload: Upload, wish: Wish) -> list[tuple[str, str]]:
    queries: dict[str, list[tuple[str, str]]] = {"PUT": [], "POST": [("uploads", "")]}
    if wish.method not in queries or wish.part_number is not None:
        raise _not_signed(upload, "without an uploadId only PUT and POST are")
    return queries[wish.method]


def _query_with_id(upload: Upload, wish: Wish, multipart_id: str) -> list[tuple[str, str]]:
    if (wish.method == "PUT") != (wish.part_number is not None):
        raise _not_signed(upload, "a part is a PUT with a partNumber")
    number = [("partNumber", str(wish.part_number))] if wish.part_number is not None else []
    return [*number, ("uploadId", multipart_id)]


def _part_url(runtime: Runtime, upload: Upload, multipart_id: str, number: int) -> str:
    return runtime.stores.signing(upload.store).url_for(
        "PUT",
        upload.incoming_key,
        runtime.settings.upload_expires_in_seconds,
        [("partNumber", str(number)), ("uploadId", multipart_id)],
    )


async def _open_in_parts(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> Upload:
    return await _open(runtime, organization_id, recording_id, (UploadMethod.MULTIPART,))


async def _open(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, methods: Sequence[UploadMethod]
) -> Upload:
    """The recording's upload while it is open; else what has become of it."""
    async with runtime.database.work(organization_id) as session:
        upload = await upload_of(session, organization_id, recording_id)
    _check_method(upload, methods)
    if upload.state == UploadState.SEALED:
        raise Conflict(
            "The recording is safe already; there is nothing to send.", recording_id=str(recording_id)
        )
    if upload.state == UploadState.REFUSED:
        raise await refused_before(runtime, upload)
    if upload.state == UploadState.EXPIRED:
        raise _gone(upload)
    return upload


def _check_method(upload: Upload, methods: Sequence[UploadMethod]) -> None:
    if upload.method not in methods:
        raise Conflict(
            f"This upload was begun with the method {upload.method}; go on at the address of its ticket.",
            ErrorCode.UPLOAD_METHOD,
            recording_id=str(upload.recording_id),
            method=upload.method,
        )


def _gone(upload: Upload) -> Conflict:
    return Conflict(
        "The upload has expired; renew its ticket, and go on with what has arrived.",
        ErrorCode.UPLOAD_EXPIRED,
        recording_id=str(upload.recording_id),
    )


def _not_signed(upload: Upload, why: str) -> Conflict:
    return Conflict(
        f"This request is not signed: {why}.", ErrorCode.UPLOAD_METHOD, recording_id=str(upload.recording_id)
    )


async def _note_first(runtime: Runtime, upload: Upload, multipart_id: str) -> str:
    """Note the id unless there is one; the id that counts. The upload is told too."""
    async with runtime.database.work(upload.organization_id) as session:
        await session.execute(
            update(Upload)
            .where(
                Upload.organization_id == upload.organization_id,
                Upload.id == upload.id,
                Upload.multipart_id.is_(None),
            )
            .values(multipart_id=multipart_id)
        )
        known = await upload_of(session, upload.organization_id, upload.recording_id)
    upload.multipart_id = known.multipart_id or multipart_id
    return upload.multipart_id


async def _note_newest(runtime: Runtime, upload: Upload, multipart_id: str) -> None:
    """The browser began it itself, perhaps more than once: the one that it works on counts."""
    if upload.multipart_id == multipart_id:
        await _keep_open(runtime, upload)
        return
    expires_at = runtime.clock.now() + timedelta(
        seconds=lasts_seconds(runtime.settings, UploadMethod.MULTIPART)
    )
    async with runtime.database.work(upload.organization_id) as session:
        await session.execute(
            update(Upload)
            .where(
                Upload.organization_id == upload.organization_id,
                Upload.id == upload.id,
                Upload.state == UploadState.OPEN,
            )
            .values(multipart_id=multipart_id, method=UploadMethod.MULTIPART, expires_at=expires_at)
        )


async def _keep_open(runtime: Runtime, upload: Upload) -> None:
    """Put the end off: somebody is at work on it."""
    method = UploadMethod(upload.method)
    expires_at = runtime.clock.now() + timedelta(seconds=lasts_seconds(runtime.settings, method))
    if expires_at - upload.expires_at < KEPT_OPEN_PRECISION:
        return
    async with runtime.database.work(upload.organization_id) as session:
        await session.execute(
            update(Upload)
            .where(
                Upload.organization_id == upload.organization_id,
                Upload.id == upload.id,
                Upload.state == UploadState.OPEN,
            )
            .values(expires_at=expires_at)
        )
