"""Everything that Reelkeep asks of a store, tried for real: what the doctor's short look leaves out."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import httpx

from reelkeep.cli.checks import store as short_look
from reelkeep.cli.checks.finding import Finding, State
from reelkeep.clock import new_id
from reelkeep.errors import ErrorCode, ReelkeepError, StoreError, StoreRefused
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good
from reelkeep.stores.protocol import (
    PART_BYTES_MIN,
    KeepsVersions,
    SignsUrls,
    Store,
    TakesParts,
    TicketLimits,
    Versioning,
)
from reelkeep.stores_config import LocalSpec, S3Spec, StoreSpec

BYTES = short_look.BYTES
TYPE = short_look.CONTENT_TYPE
EXPIRES_SECONDS = 300
FIX = "Compare docs/storage.md, and run `reelkeep storage provision` for a bucket."


@dataclass(frozen=True, slots=True)
class Trial:
    """One store under trial, and keys that belong to this trial alone."""

    runtime: Runtime
    store: Store
    spec: StoreSpec
    folder: str
    client: httpx.AsyncClient

    def key(self, name: str) -> str:
        """A key of this trial."""
        return f"{self.folder}/{name}"

    @property
    def signs(self) -> SignsUrls | None:
        """The store where clients can reach it themselves."""
        return self.store if isinstance(self.store, SignsUrls) else None


async def probe_findings(runtime: Runtime, name: str) -> list[Finding]:
    """What came of each trial; everything that was written is removed again."""
    store = runtime.stores.get(name)
    findings = await _tried("store", short_look.direct_finding(runtime, name))
    if findings[0].state == State.FAILED:
        return findings
    try:
        findings += await short_look.browser_findings(runtime, name)
    except ReelkeepError as error:
        findings.append(Finding("browser's path", State.FAILED, error.message, FIX, error.code))
    reached = not any(f.name == "browser's path" and f.state != State.OK for f in findings)
    async with httpx.AsyncClient(timeout=short_look.SECONDS_MAX) as client:
        trial = Trial(runtime, store, runtime.stores.specs[name], f"check/probe-{new_id()}", client)
        try:
            for what, look, by_clients in TRIALS:
                if reached or not by_clients:
                    findings += await _tried(what, look(trial))
        finally:
            await _remove(trial)
    return findings


async def _tried(name: str, look: Awaitable[Finding | None]) -> list[Finding]:
    """What a trial found: nothing where it does not apply, an error as a failure."""
    try:
        finding = await look
    except ReelkeepError as error:
        finding = Finding(name, State.FAILED, error.message, FIX, error.code)
    except httpx.HTTPError as error:
        said = str(error) or type(error).__name__
        finding = Finding(name, State.FAILED, said, FIX, ErrorCode.STORE_UNAVAILABLE)
    return [] if finding is None else [finding]


async def _copies(trial: Trial) -> Finding:
    await trial.store.put(trial.key("a"), _once(BYTES), content_type=TYPE, size_bytes=len(BYTES))
    await trial.store.copy(trial.key("a"), trial.key("b"))
    if await _whole(trial.store, trial.key("b")) != BYTES:
        raise StoreError("A copy has other bytes than its source.", ErrorCode.WRONG_BYTES)
    return Finding("copy", State.OK, "copied inside the store")


async def _lists(trial: Trial) -> Finding:
    listed = [facts.key async for facts in trial.store.list_objects(trial.folder)]
    if listed != [trial.key("a"), trial.key("b")]:
        raise StoreError(f"A listing shows {listed}, not the two objects written.", ErrorCode.STORE_REFUSED)
    return Finding("list", State.OK, "shows what was written")


async def _ranges(trial: Trial) -> Finding:
    pieces = [piece async for piece in trial.store.read(trial.key("a"), 5, 13)]
    if b"".join(pieces) != BYTES[5:13]:
        raise StoreError("A range has other bytes.", ErrorCode.WRONG_BYTES)
    return Finding("range", State.OK, "gives a part of an object")


async def _parts(trial: Trial) -> Finding | None:
    """Two parts, the first by a signed URL where clients can reach the store: as a browser sends them."""
    store, key = trial.store, trial.key("parts")
    if not isinstance(store, TakesParts):
        return None
    first = b"0" * PART_BYTES_MIN
    upload_id = await store.create_parts(key, content_type=TYPE)
    how = "by this process"
    try:
        if trial.signs is not None and not isinstance(trial.spec, LocalSpec):
            query = [("partNumber", "1"), ("uploadId", upload_id)]
            url = trial.signs.url_for("PUT", key, EXPIRES_SECONDS, query)
            answer = await trial.client.put(url, content=first, timeout=120)
            _refuse_unless(answer.is_success, f"A part by signed URL was answered {answer.status_code}.")
            how = "by a signed URL"
        else:
            await store.put_part(key, upload_id, 1, first)
        last = await store.put_part(key, upload_id, 2, BYTES)
        parts = [(part.number, part.etag) async for part in store.list_parts(key, upload_id)]
        if [number for number, _ in parts] != [1, last.number]:
            raise StoreError("The parts that were sent are not listed.", ErrorCode.STORE_REFUSED)
        facts = await store.complete_parts(key, upload_id, parts)
    except BaseException:
        with suppress(StoreError):
            await store.abort_parts(key, upload_id)
        raise
    _refuse_unless(facts.size_bytes == len(first) + len(BYTES), "The object made of parts has another size.")
    return Finding("parts", State.OK, f"two parts, the first {how}, made one object")


async def _part_uploads(trial: Trial) -> Finding | None:
    """Uploads that nobody ended are found by listing them; MinIO lists those of one exact key only."""
    store = trial.store
    if not isinstance(store, TakesParts):
        return None
    upload_id = await store.create_parts(trial.key("open"))
    try:
        listed = {upload.upload_id async for upload in store.list_part_uploads(trial.folder)}
    finally:
        await store.abort_parts(trial.key("open"), upload_id)
    if upload_id in listed:
        return Finding("unfinished parts", State.OK, "are listed and removed")
    return Finding(
        "unfinished parts",
        State.WARNING,
        "The service does not list uploads in parts by prefix.",
        "Let the service remove them itself, later than uploads may pause; docs/storage.md says how.",
    )


async def _classes(trial: Trial) -> Finding | None:
    """Each class but the cold ones, which keep an object for months."""
    spec = trial.spec
    if not isinstance(spec, S3Spec) or not spec.storage_classes:
        return None
    warm = [name for name in spec.storage_classes if name not in spec.cold_classes]
    for name in warm:
        key = trial.key("class")
        await trial.store.put(key, _once(BYTES), content_type=TYPE, storage_class=name)
        found = (await trial.store.head(key)).storage_class
        _refuse_unless(found == name, f"What was put into {name} lies in {found}.")
    return Finding("storage classes", State.OK, f"taken: {', '.join(warm)}")


async def _preflight(trial: Trial) -> Finding | None:
    """The question that a browser asks before it sends."""
    signs, origin = trial.signs, trial.runtime.settings.base_url
    if signs is None or isinstance(trial.spec, LocalSpec):
        return None
    ticket = signs.ticket_put(TicketLimits(trial.key("a"), TYPE, EXPIRES_SECONDS, len(BYTES)))
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ",".join(ticket.fields),
    }
    answer = await trial.client.options(ticket.url, headers=asked)
    allowed = answer.headers.get("access-control-allow-origin")
    stranger = await trial.client.options(ticket.url, headers={**asked, "Origin": "https://stranger.invalid"})
    if not answer.is_success or allowed not in (origin, "*"):
        return Finding(
            "preflight", State.FAILED, f"Pages at {origin} may not send ({answer.status_code}).", FIX
        )
    if stranger.is_success and stranger.headers.get("access-control-allow-origin") in (
        "*",
        "https://stranger.invalid",
    ):
        return Finding("preflight", State.WARNING, "Pages of everybody may send and play.", FIX)
    return Finding("preflight", State.OK, f"pages at {origin} may send, others may not")


async def _put(trial: Trial) -> Finding | None:
    """A presigned PUT as the client sends it; where checksums are believed, wrong bytes must be refused."""
    signs = trial.signs
    if signs is None:
        return None
    limits = TicketLimits(
        trial.key("put"),
        TYPE,
        EXPIRES_SECONDS,
        len(BYTES),
        sha256=hashlib.sha256(BYTES).hexdigest(),
    )
    ticket = signs.ticket_put(limits)
    good = await trial.client.put(ticket.url, content=BYTES, headers=ticket.fields)
    _refuse_unless(good.is_success, f"A presigned PUT was answered {good.status_code}.")
    wrong = await trial.client.put(ticket.url, content=BYTES[::-1], headers=ticket.fields)
    if not trial.store.abilities.checksums:
        return Finding("presigned PUT", State.OK, "taken; checksums are not asked for")
    if wrong.is_success:
        return Finding(
            "presigned PUT",
            State.WARNING,
            "Bytes with another SHA-256 than declared were taken; they are found out when they are sealed.",
            "Say checksums = false for this store.",
        )
    return Finding("presigned PUT", State.OK, "taken, and refused with other bytes than declared")


async def _form_limit(trial: Trial) -> Finding | None:
    """A form must not bring more than it allows: nothing else stops a client from filling the store."""
    signs = trial.signs
    if signs is None or not trial.store.abilities.post_policy:
        return None
    ticket = signs.ticket_post(TicketLimits(trial.key("form"), TYPE, EXPIRES_SECONDS, len(BYTES) - 1))
    files = {"file": ("probe.wav", BYTES, TYPE)}
    answer = await trial.client.post(ticket.url, data=ticket.fields, files=files)
    _refuse_unless(not answer.is_success, "A form took more bytes than its policy allows.")
    return Finding("form's limit", State.OK, "more bytes than allowed are refused")


async def _private(trial: Trial) -> Finding | None:
    """Without a signature nothing may be had."""
    if trial.signs is None:
        return None
    address = trial.signs.url_get(trial.key("a"), EXPIRES_SECONDS).partition("?")[0]
    answer = await trial.client.get(address)
    _refuse_unless(not answer.is_success, "Anybody can read the objects, without a signature.")
    return Finding("private", State.OK, "nothing is given without a signature")


async def _encrypted(trial: Trial) -> Finding | None:
    spec = trial.spec
    if not isinstance(spec, S3Spec) or spec.encryption == "none" or trial.signs is None:
        return None
    answer = await trial.client.get(trial.signs.url_get(trial.key("a"), EXPIRES_SECONDS))
    found = answer.headers.get("x-amz-server-side-encryption")
    if found == spec.encryption:
        return Finding("encryption", State.OK, f"objects lie encrypted: {found}")
    return Finding(
        "encryption",
        State.WARNING,
        f"Asked for {spec.encryption}, and the service tells of {found or 'none'}.",
        'Say encryption = "none" for a service that does not encrypt, or let Reelkeep encrypt.',
    )


async def _conditional(trial: Trial) -> Finding | None:
    """Whether a second writer of a key can be refused, as `conditional_writes` says."""
    spec, signs = trial.spec, trial.signs
    if not isinstance(spec, S3Spec) or signs is None:
        return None
    ticket = signs.ticket_put(TicketLimits(trial.key("once"), TYPE, EXPIRES_SECONDS, len(BYTES)))
    headers = {**ticket.fields, "If-None-Match": "*"}
    answers = [await trial.client.put(ticket.url, content=BYTES, headers=headers) for _ in range(2)]
    works = answers[0].is_success and answers[1].status_code in (409, 412)
    if works == spec.conditional_writes:
        return Finding("conditional writes", State.OK, "work" if works else "are not there, as configured")
    return Finding(
        "conditional writes",
        State.WARNING,
        f"They {'work' if works else 'do not work'}, and the configuration says otherwise.",
        f"Say conditional_writes = {str(works).lower()} for this store.",
    )


async def _versions(trial: Trial) -> Finding | None:
    """What was replaced can be had back, and what is erased cannot, as far as the bucket keeps versions."""
    store, key = trial.store, trial.key("versions")
    if not isinstance(store, KeepsVersions) or isinstance(trial.spec, LocalSpec):
        return None
    for body in (BYTES, BYTES[::-1]):
        await store.put(key, _once(body), content_type=TYPE, size_bytes=len(body))
    versioning = await store.versioning()
    try:
        if versioning == Versioning.ON:
            oldest = [version async for version in store.list_versions(key)][-1]
            read = b"".join([piece async for piece in store.read_version(key, oldest.version_id)])
            _refuse_unless(read == BYTES, "The oldest version has other bytes than were written first.")
    except StoreRefused:
        await store.delete_with_versions(key)
        return _limited("The credentials may not list and read older versions: they help nobody", trial)
    if not await store.delete_with_versions(key):
        return _limited(
            "The credentials may not remove older versions: what is erased can be had back", trial
        )
    if versioning == Versioning.UNKNOWN:
        return _limited(
            "The credentials may not ask whether the bucket keeps versions; if it does, they stay", trial
        )
    told = {
        Versioning.ON: "what was replaced can be had back, what is erased cannot",
        Versioning.SUSPENDED: "suspended: what others delete now is gone, unless another store has a copy",
        Versioning.OFF: "none are kept: what others delete is gone, unless another store has a copy",
    }
    return Finding("versions", State.OK, told[versioning])


def _limited(what: str, trial: Trial) -> Finding:
    return Finding(
        "versions",
        State.WARNING,
        f"{what} until the bucket's own rules remove them (after 30 days, as `provision` sets them).",
        f"Give them the rights that `reelkeep storage provision {trial.store.name} --policy-only` prints.",
    )


async def _remove(trial: Trial) -> None:
    """Remove what the trial wrote; what cannot be removed now is an orphan that `storage check` finds."""
    with suppress(ReelkeepError):
        for key in [facts.key async for facts in trial.store.list_objects(trial.folder)]:
            await delete_for_good(trial.store, key)


def _refuse_unless(right: bool, what: str) -> None:
    if not right:
        raise StoreError(what, ErrorCode.STORE_REFUSED)


async def _whole(store: Store, key: str) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


#: Each trial in order, and whether clients must reach the store for it.
TRIALS: tuple[tuple[str, Callable[[Trial], Awaitable[Finding | None]], bool], ...] = (
    ("copy", _copies, False),
    ("list", _lists, False),
    ("range", _ranges, False),
    ("parts", _parts, False),
    ("unfinished parts", _part_uploads, False),
    ("storage classes", _classes, False),
    ("versions", _versions, False),
    ("preflight", _preflight, True),
    ("presigned PUT", _put, True),
    ("form's limit", _form_limit, True),
    ("private", _private, True),
    ("encryption", _encrypted, True),
    ("conditional writes", _conditional, True),
)
