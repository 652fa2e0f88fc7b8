"""The store, by using it: write, read and delete, also by the way that browsers take."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from reelkeep.cli.checks.database import clock_apart
from reelkeep.cli.checks.finding import Finding, State
from reelkeep.clock import new_id
from reelkeep.errors import ErrorCode, StoreError
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good
from reelkeep.stores.protocol import SignsUrls, Store, TicketLimits

BYTES = b"RIFF reelkeep doctor was here"
CONTENT_TYPE = "audio/wav"
SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One object that the checks write and remove, and how clients reach the store."""

    store: Store
    key: str
    origin: str
    client: httpx.AsyncClient


async def direct_finding(runtime: Runtime, name: str | None = None) -> Finding:
    """Write, look, read and delete as this process does, in the primary store or the one named."""
    store, key = runtime.stores.get(name or runtime.stores.primary_name), _fresh_key()
    try:
        await store.put(key, _once(BYTES), content_type=CONTENT_TYPE, size_bytes=len(BYTES))
        facts = await store.head(key)
        read = b"".join([piece async for piece in store.read(key)])
    finally:
        await delete_for_good(store, key)
    if facts.size_bytes != len(BYTES) or read != BYTES:
        return Finding(
            f"store {store.name}",
            State.FAILED,
            "It gave back other bytes than were written.",
            "Do not use this store.",
        )
    return Finding(f"store {store.name}", State.OK, f"bucket {store.bucket}: written, read and deleted")


async def browser_findings(runtime: Runtime, store_name: str | None = None) -> list[Finding]:
    """Write by a signed form and read by a signed URL, as a phone or a browser does."""
    store = runtime.stores.get(store_name or runtime.stores.primary_name)
    base_url, name = runtime.settings.base_url, "browser's path"
    if runtime.stores.specs[store.name].encrypted:
        return [Finding(name, State.OK, "through this server: Reelkeep encrypts what lies in the store")]
    if not isinstance(store, SignsUrls):
        return [Finding(name, State.FAILED, "This store cannot sign URLs.", "Use another store.")]
    async with httpx.AsyncClient(timeout=SECONDS_MAX, headers={"Origin": base_url}) as client:
        if _is_ours(runtime, store) and not await _answers(client, base_url):
            return [_not_running(name, base_url)]
        probe = Probe(store, _fresh_key(), base_url, client)
        try:
            answer = await _post(probe, store)
            ranged = await _get(probe, store)
        except httpx.HTTPError as error:
            return [_unreachable(name, store, error)]
        finally:
            await delete_for_good(store, probe.key)
    return [
        Finding(name, State.OK, f"at {store.client_origin}: sent by a signed form, read by a signed URL"),
        *([] if _is_ours(runtime, store) else _about_answers(base_url, answer, ranged)),
    ]


async def _post(probe: Probe, signs: SignsUrls) -> httpx.Response:
    limits = TicketLimits(probe.key, CONTENT_TYPE, 300, size_bytes_max=len(BYTES))
    ticket = signs.ticket_post(limits)
    if ticket.method == "PUT":  # of a service without forms
        answer = await probe.client.put(ticket.url, content=BYTES, headers=ticket.fields)
    else:
        files = {"file": ("doctor.wav", BYTES, CONTENT_TYPE)}
        answer = await probe.client.post(ticket.url, data=ticket.fields, files=files)
    _refuse_unless(answer, 2, "The signed form was refused")
    return answer


async def _get(probe: Probe, signs: SignsUrls) -> httpx.Response:
    url = signs.url_get(probe.key, 300)
    whole = await probe.client.get(url)
    _refuse_unless(whole, 2, "The signed URL was refused")
    ranged = await probe.client.get(url, headers={"Range": "bytes=5-12"})
    if whole.content != BYTES or ranged.status_code != 206 or ranged.content != BYTES[5:13]:
        raise StoreError(
            f"Other bytes came back than were sent, or Range does not work (status {ranged.status_code}); "
            "something between here and the store changes the answers.",
            ErrorCode.WRONG_BYTES,
        )
    return ranged


def _refuse_unless(answer: httpx.Response, hundred: int, what: str) -> None:
    if answer.status_code // 100 != hundred:
        raise StoreError(f"{what}: status {answer.status_code}, {_reason(answer)}", ErrorCode.STORE_REFUSED)


def _reason(answer: httpx.Response) -> str:
    """The code of an S3 error, else what kind of page came."""
    body = answer.text
    code = body.partition("<Code>")[2].partition("</Code>")[0]
    return code or f"not an S3 answer ({answer.headers.get('content-type', 'no type')})"


def _about_answers(base_url: str, posted: httpx.Response, read: httpx.Response) -> list[Finding]:
    """Browsers of another origin need CORS, and signatures need clocks that agree."""
    findings = []
    lacking = [
        what
        for what, answer in (("uploads", posted), ("downloads", read))
        if answer.headers.get("access-control-allow-origin") not in ("*", base_url)
    ]
    if lacking:
        findings.append(
            Finding(
                "CORS",
                State.WARNING,
                f"The bucket does not let pages at {base_url} make {' and '.join(lacking)}.",
                "`reelkeep storage provision` gives the bucket its CORS rule: the origin, the methods GET, "
                "POST, PUT, DELETE and HEAD, all headers, exposing ETag.",
            )
        )
    else:
        findings.append(Finding("CORS", State.OK, f"the bucket lets pages at {base_url} in"))
    if "date" in posted.headers:
        there = parsedate_to_datetime(posted.headers["date"])
        apart = abs((datetime.now(UTC) - there).total_seconds())
        # The header has whole seconds, and the answer has travelled.
        findings.append(clock_apart("store's clock", "the store", max(apart - 1.5, 0.0)))
    return findings


async def _answers(client: httpx.AsyncClient, base_url: str) -> bool:
    try:
        answer = await client.get(f"{base_url}/api/health/live")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def _not_running(name: str, base_url: str) -> Finding:
    return Finding(
        name,
        State.WARNING,
        f"No server answers at {base_url}, so signed forms and URLs were not tried.",
        "Start `reelkeep serve` and run this again; if clients reach it elsewhere, set REELKEEP_PUBLIC_URL.",
    )


def _unreachable(name: str, store: SignsUrls, error: httpx.HTTPError) -> Finding:
    return Finding(
        name,
        State.FAILED,
        f"{store.client_origin} does not answer: {str(error) or type(error).__name__}",
        "Check REELKEEP_PUBLIC_URL (or REELKEEP_S3_ENDPOINT_URL): clients must reach that address.",
        ErrorCode.STORE_UNAVAILABLE,
    )


def _is_ours(runtime: Runtime, store: Store) -> bool:
    """Whether clients reach it by our own server."""
    return store.name in {served.name for served in runtime.stores.on_wire.values()}


def _fresh_key() -> str:
    return f"check/doctor-{new_id()}"


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
