"""What a store is: a configured place that holds bytes under keys.

The contract, for every method of every store:

- A key is ASCII `A-Z a-z 0-9 . _ - /` parts joined by `/`; ids only, never a name. Others raise `Invalid`.
- No method may be called inside a unit of work; wrappers refuse it (`transactions.py`).
- Errors are `errors.StoreError`s: `ObjectNotFound`, `StoreUnavailable` (the caller may try again),
  `StoreRefused` and `StoreFull` (it may not), `WrongBytes`. Nothing else escapes but cancellation.
- A cancelled or failed write leaves nothing under its key that was not there before.
- What a service cannot do is data (`Abilities`), and an optional ability is a Protocol of its own.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a store knows of one object without reading its bytes."""

    key: str
    size_bytes: int
    #: Media type the writer declared, or None.
    content_type: str | None
    #: The store's own tag of this version of the bytes, without quotes.
    etag: str
    modified_at: datetime
    #: Lower-case hex, only when one process saw all bytes in order; never guessed.
    sha256: str | None = None
    md5: str | None = None
    #: What the service calls the class that the bytes lie in; empty where the store has no classes.
    storage_class: str = ""
    #: What it carries beside its bytes, by names in lower case. Folders tell it; other stores leave it empty.
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Abilities:
    """How this store differs from Amazon S3, as data."""

    #: A ticket asks for `x-amz-server-side-encryption`.
    encrypts_at_rest: bool = False
    #: Takes a form by POST policy; otherwise `ticket_post` gives a presigned PUT.
    post_policy: bool = True
    #: Refuses bytes whose SHA-256 is not the one that a ticket carries.
    checksums: bool = True
    #: What it has taken is proved: it has compared the bytes with a digest that was computed while sending.
    proves_writes: bool = False
    #: Every process of this installation sees the same bytes (S3: yes; a folder of one machine: no).
    shared: bool = True


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client needs to send one object: nothing in it can write anywhere but under its key."""

    method: str
    url: str
    #: Form fields for a POST, in order, the file to follow as the last part; headers for a PUT.
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TicketLimits:
    """What a ticket allows."""

    key: str
    content_type: str
    expires_in_seconds: int
    size_bytes_max: int
    size_bytes_min: int = 1
    #: Lower-case hex; the store refuses other bytes where it can check them.
    sha256: str | None = None


class Store(Protocol):
    """A place for bytes. Every store has these methods and no ability beyond them may be assumed."""

    @property
    def name(self) -> str:
        """The configured name, unique in an installation; copies point at it."""
        ...

    @property
    def bucket(self) -> str:
        """What clients are told as `bucket`."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What this store can do beyond the contract."""
        ...

    async def put(
        self,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        sha256: str | None = None,
        storage_class: str | None = None,
    ) -> ObjectFacts:
        """Write an object whole and durably, replacing any older one in one step.

        `size_bytes` and `sha256` are checked when given: a short, long or different body raises
        `WrongBytes` and leaves the key as it was. On return the bytes are fsynced (local) or confirmed
        by the service (S3). The body is never held whole in memory. The facts carry `sha256`.
        `storage_class` is one of the service's own (None: what it takes by itself); memory and folders keep
        its name as a fact, and a class that the service does not know raises `StoreRefused`.
        """
        ...

    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object, or `ObjectNotFound`."""
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end` (None: to the last), in pieces.

        Raises `ObjectNotFound` at the first step. A range past the end gives what there is. Fewer bytes
        than the object's facts promise raise `StoreUnavailable`: no short stream ends quietly.
        """
        ...

    async def copy(
        self, source_key: str, target_key: str, *, storage_class: str | None = None
    ) -> ObjectFacts:
        """Copy inside the store, without the bytes passing through this process; the source stays.

        Of two writers of the source, the target is one's bytes or the other's, whole. `storage_class` as for
        `put`; a copy of an object onto itself into another class changes its class.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        ...

    def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """Every object whose key begins with `prefix`, in key order, without holding all in memory."""
        ...

    async def check(self) -> None:
        """Prove that the store answers and may be written to, or raise the `StoreError` that says why not."""
        ...

    async def close(self) -> None:
        """Give back connections; the store is not used afterwards."""
        ...


@runtime_checkable
class SignsUrls(Protocol):
    """A store that clients can reach themselves, by URLs that carry their own authority."""

    def ticket_post(self, limits: TicketLimits) -> Ticket:
        """A POST form (S3 POST policy) with which a client may write one object."""
        ...

    def ticket_put(self, limits: TicketLimits) -> Ticket:
        """A presigned PUT; the URL cannot carry a size limit, so seal checks it."""
        ...

    def url_get(
        self,
        key: str,
        expires_in_seconds: int,
        *,
        content_type: str | None = None,
        download_as: str | None = None,
    ) -> str:
        """A presigned GET. `download_as` is the file name a browser saves under (any characters)."""
        ...

    def url_for(
        self, method: str, key: str, expires_in_seconds: int, query: Iterable[tuple[str, str]] = ()
    ) -> str:
        """A presigned URL for any other request on this key: the parts of a multipart upload."""
        ...

    @property
    def client_origin(self) -> str:
        """Scheme, host and port that a browser meets, for the page's content security policy."""
        ...


@runtime_checkable
class CarriesFacts(Protocol):
    """A store whose objects carry a few facts beside their bytes: plain ASCII, under names of a-z and -."""

    async def copy_described(
        self, source_key: str, target_key: str, description: Mapping[str, str]
    ) -> ObjectFacts:
        """As `Store.copy`; the new object carries these facts, and none of the source's."""
        ...

    async def description_of(self, key: str) -> dict[str, str]:
        """The facts that an object carries; empty where it has none. Or `ObjectNotFound`."""
        ...


@runtime_checkable
class CopiesAcross(Protocol):
    """A store that can take an object from another one without the bytes passing through this process."""

    def can_copy_from(self, other: Store) -> bool:
        """Whether both lie in one service, under the same credentials."""
        ...

    async def copy_from(
        self,
        other: Store,
        source_key: str,
        target_key: str,
        *,
        storage_class: str | None = None,
        version_id: str | None = None,
    ) -> ObjectFacts:
        """Copy an object of `other`, or a version of it, to a key of this store; raises as `Store.copy`."""
        ...


@runtime_checkable
class PutsUndigested(Protocol):
    """A store that saves itself the digests of bytes that prove themselves, as encrypted ones do."""

    async def put_undigested(
        self,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        storage_class: str | None = None,
    ) -> ObjectFacts:
        """As `Store.put`, but the facts have no digest, and the tag is one that no other object has."""
        ...


class ColdState(StrEnum):
    """Whether an object in an archive class can be read."""

    NOT_ASKED = "not_asked"
    PENDING = "pending"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class ColdFacts:
    """How far the bringing back of an object is."""

    state: ColdState
    #: Of one that is ready: until when it can be read, where the service says so.
    until: datetime | None = None


@runtime_checkable
class RestoresCold(Protocol):
    """A store that has classes whose bytes can be read only for a while, after they were asked for."""

    async def ask_restore(self, key: str, days: int, tier: str) -> None:
        """Ask that an object can be read for so many days; asked again while it is underway, nothing happens.

        `tier` is how soon, in the service's words: `Standard`, `Bulk` or `Expedited`. Raises `StoreRefused`
        where the object is in no such class, or the service cannot do this.
        """
        ...

    async def cold_facts(self, key: str) -> ColdFacts:
        """How far it is, or `ObjectNotFound`."""
        ...


class Versioning(StrEnum):
    """Whether a store keeps what was deleted or replaced."""

    ON = "on"
    #: It did; what is deleted or replaced from now on is gone.
    SUSPENDED = "suspended"
    OFF = "off"
    #: The credentials may not ask.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """Bytes that lie or once lay under a key, as a listing tells of them."""

    version_id: str
    size_bytes: int
    modified_at: datetime
    storage_class: str = ""


@runtime_checkable
class KeepsVersions(Protocol):
    """A store that may keep what was deleted or replaced under a key, as a bucket with versions does."""

    async def versioning(self) -> Versioning:
        """Whether it does."""
        ...

    def list_versions(self, key: str) -> AsyncIterator[VersionFacts]:
        """What is kept of a key, the newest first, the object itself included; nothing where nothing is."""
        ...

    def read_version(self, key: str, version_id: str) -> AsyncIterator[bytes]:
        """The bytes of one version, whole; raises as `Store.read`."""
        ...

    async def delete_with_versions(self, key: str) -> bool:
        """Remove an object and whatever older versions are kept of it; nothing happens where there is none.

        False where the object is gone and older versions stay, because the credentials, or a lock on them,
        do not let them be removed. Where no versions are kept it is `Store.delete`.
        """
        ...


@runtime_checkable
class OpensFiles(Protocol):
    """A store whose objects are files on this machine."""

    def path_of(self, key: str) -> Path:
        """The file with the object's bytes now, or `ObjectNotFound`; open it at once and only for reading."""
        ...


#: S3's own: every part but the last has at least so many bytes.
PART_BYTES_MIN = 5 * 1024 * 1024
PART_NUMBER_MAX = 10_000


class CountsRequests(Protocol):
    """How many requests a store makes to write a body of so many bytes, its digest known before or not."""

    def __call__(self, size_bytes: int, *, digest_known: bool) -> int: ...


@dataclass(frozen=True, slots=True)
class PartFacts:
    """One part of a multipart upload as the store has it."""

    number: int
    size_bytes: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class PartsUpload:
    """A multipart upload that has been begun and neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


@runtime_checkable
class TakesParts(Protocol):
    """A store that takes an object in parts: S3's multipart upload, with S3's rules.

    Parts come in any order, in parallel, and again (the last one of a number counts). An `upload_id` that
    is not known (any more) raises `ObjectNotFound`. Nothing is seen under the key before `complete_parts`.
    """

    async def create_parts(self, key: str, *, content_type: str | None = None) -> str:
        """Begin a multipart upload; its id."""
        ...

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> PartFacts:
        """Write one part (1 to `PART_NUMBER_MAX`) from this process; clients send theirs by `url_for`."""
        ...

    def list_parts(self, key: str, upload_id: str) -> AsyncIterator[PartFacts]:
        """The parts that have arrived, by number."""
        ...

    async def complete_parts(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> ObjectFacts:
        """Make these parts (number and etag, numbers ascending) the object, durably.

        Raises `WrongBytes` with `check="part"` for a part that is missing or has another etag, and with
        `check="part_size"` for one under `PART_BYTES_MIN` that is not the last; the parts stay. The etag
        is S3's (MD5 of the MD5s, a dash, the count); `sha256` is None. Asked again, with the same parts, it
        tells of the object made before. Whether parts that arrived may be left out is the service's to say
        (Amazon S3: yes; Ceph: no).
        """
        ...

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """Remove the parts; nothing happens where the upload is not known."""
        ...

    def list_part_uploads(self, prefix: str = "") -> AsyncIterator[PartsUpload]:
        """Every multipart upload under way whose key begins with `prefix`."""
        ...


#: What a store wants to be told again about bytes that grow; JSON, kept in the upload's row.
GrowthNotes = dict[str, Any]
#: A name in the notes that the caller may set: of what has grown only so many bytes count. Any more belong to
#: a request that was not proved right; they are cut off when the next one begins.
COUNTED = "counted"
#: Another such name: nobody has asked for a digest of all the bytes, so the store need not compute one.
UNHASHED = "unhashed"


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What can be had of bytes that were growing in a store that has failed."""

    #: As of a flush, and how many bytes they tell of: what only the store has.
    notes: GrowthNotes
    size_bytes: int
    #: The bytes after those; to be read before the growing is left.
    rest: AsyncIterator[bytes]


class Growing(Protocol):
    """An object whose bytes are being appended by this process alone."""

    @property
    def offset(self) -> int:
        """Bytes taken so far, those still in memory included."""
        ...

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes; holds back its caller while the store is slower than the client."""
        ...

    async def flush(self) -> GrowthNotes:
        """From here on the bytes taken so far survive the death of this process, if the caller keeps
        these notes (guarded by its fence). Not fsynced: that is `finish_growth`'s."""
        ...

    async def salvage(self) -> Salvaged | None:
        """After a `write` or `flush` that raised a `StoreError`: all bytes taken, without asking the store.

        None where the store alone has them. Nothing may be written or flushed afterwards.
        """
        ...


@runtime_checkable
class Grows(Protocol):
    """A store that takes an object in several goes, each from where the last one ended (tus, resumable).

    One process at a time grows a key. On a store of files that is a lock (`StoreUnavailable` with
    `retry_after_seconds` when another holds it longer than a few seconds); on S3 it is the caller's fence.
    """

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        """How many bytes are safe: the offset to go on from. 0 where nothing has come."""
        ...

    def growing(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> AbstractAsyncContextManager[Growing]:
        """Go on appending after the bytes that `grown` tells of. On leaving, also by an error or
        cancellation, nothing in memory is written any more: call `flush` first."""
        ...

    async def finish_growth(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> ObjectFacts:
        """Make the grown bytes the object under `key`, fsynced or confirmed; doing it twice is harmless.

        `sha256` is known only when one process saw all bytes in one go.
        """
        ...

    async def discard_growth(self, key: str, notes: GrowthNotes) -> None:
        """Remove what has grown; nothing happens where there is nothing."""
        ...

    def list_growths(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """What grows under a prefix, with its size and last change, so that dead ones can be cleaned away."""
        ...
