"""Ticket, bytes and complete over HTTP under open-loop load, then details and delete."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

from bench.connection import Answer, Connection
from bench.figures import Report
from bench.installation import Installation, Server, installation, make_administrator
from bench.load import Load, Refused, offer
from bench.machine import fsync_milliseconds
from bench.processes import family, processor_seconds
from bench.registry import Setup
from bench.sound import SPEECH_RATE_HZ, speech, write_wav

CONNECTIONS = 50
RATE = 50
MILLISECONDS_MAX = 100
SECONDS, STEP_SECONDS, SETTLE_SECONDS = 30, 10, 3
WARM_RATE, WARM_SECONDS = 20, 5
#: Recordings a second; each is two API requests and the bytes.
STEPS = (10, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 100, 120, 150)
#: A rate is held when at least so much of it ended well.
HELD_SHARE = 0.97
API = "/api/v1/recordings"
BOUNDARY = "----reelkeep-bench"
COUNTED = (
    "Open loop over 50 keep-alive connections, evenly spaced. One recording is three HTTP requests on one "
    "connection: initiate, then 1 s of WAV (32 kB) as the signed form that initiate gave, then complete, "
    "which answers when the bytes are sealed, fsynced and committed. Initiate is counted from the moment "
    "the recording was due, so waiting for a free connection counts; bytes and complete from the moment "
    "the answer before them was there. `50 API requests/s` is 25 recordings a second (25 initiate + 25 "
    "complete, and 25 forms on top); `50 recordings/s` is twice that. The server, its Postgres, the "
    "generator and one worker, which transcribes at the lowest priority (SCHED_IDLE), share the machine. "
    "A rate is held when p99 of initiate and of complete is 100 ms or less and 97 % of what was offered "
    "ended well."
)


@dataclass(slots=True)
class Client:
    """What a client of the API does."""

    wav: bytes
    recording_ids: list[str] = field(default_factory=list)
    numbers: count = field(default_factory=count)  # type: ignore[type-arg]

    async def upload(self, connection: Connection, due: float, load: Load) -> None:
        """Initiate, send the bytes, complete."""
        wanted = {
            "filename": f"note-{next(self.numbers)}.wav",
            "content_type": "audio/wav",
            "size_bytes": len(self.wav),
        }
        ticket = checked(await connection.post_json(f"{API}/upload/initiate", wanted), 200).json()
        load.samples["initiate"].append((begun := time.perf_counter()) - due)
        path, form = urlsplit(ticket["upload_url"]).path, form_body(ticket["upload_fields"], self.wav)
        sent = await connection.request(
            "POST", path, form, f"multipart/form-data; boundary={BOUNDARY}", signed=False
        )
        checked(sent, 204)
        load.samples["bytes"].append((arrived := time.perf_counter()) - begun)
        recording_id = ticket["recording_id"]
        checked(await connection.post_json(f"{API}/upload/complete/{recording_id}", {}), 200)
        load.samples["complete"].append((done := time.perf_counter()) - arrived)
        load.samples["all three"].append(done - due)
        self.recording_ids.append(recording_id)

    async def look(self, connection: Connection, due: float, load: Load) -> None:
        """Details of one recording after the other."""
        recording_id = self.recording_ids[next(self.numbers) % len(self.recording_ids)]
        checked(await connection.request("GET", f"{API}/{recording_id}"), 200)
        load.samples["details"].append(time.perf_counter() - due)

    async def delete(self, connection: Connection, due: float, load: Load) -> None:
        """Move a recording to the trash that was not there."""
        checked(await connection.request("DELETE", f"{API}/{self.recording_ids.pop()}"), 204)
        load.samples["delete"].append(time.perf_counter() - due)


def checked(answer: Answer, status: int) -> Answer:
    """The answer, when it is the one that was expected."""
    if answer.status != status:
        raise Refused(f"{answer.status} instead of {status}: {answer.body[:150].decode(errors='replace')}")
    return answer


def form_body(fields: Mapping[str, str], file: bytes) -> bytes:
    """A multipart form as a browser sends it, the file last."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="note.wav"\r\n'
    type_line = "Content-Type: audio/wav\r\n\r\n"
    return f"{''.join(parts)}{head}{type_line}".encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


async def measure(setup: Setup) -> Report:
    """Measure against a server with a worker beside it."""
    report = Report("uploads", "Ticket, bytes and complete", COUNTED)
    median, worst = fsync_milliseconds(setup.scratch)
    report.add("fsync of 4 KiB here, p50", median, "ms", note="what the disk itself takes")
    report.add("fsync of 4 KiB here, p99", worst, "ms")
    wav = write_wav(setup.scratch / "note.wav", speech(1.0)).read_bytes()
    assert len(wav) > SPEECH_RATE_HZ
    with installation(setup.scratch / "installation", REELKEEP_ENGINE="pocketsphinx") as place:
        server = place.start_server("--no-worker")
        token = make_administrator(server)
        worker = place.start_worker(lowest=True)
        connections = [Connection(server.url, token) for _ in range(CONNECTIONS)]
        watched = Watched(place, server, worker.pid)
        try:
            await _measure(setup, report, Client(wav), connections, watched)
        finally:
            for connection in connections:
                connection.close()
    return report


@dataclass(frozen=True, slots=True)
class Watched:
    """Whose processor time is told."""

    place: Installation
    server: Server
    worker_pid: int

    def processor_seconds(self) -> dict[str, float]:
        """By part, so far."""
        return {
            "server": processor_seconds(self.server.own_pids),
            "postgres": processor_seconds(self.server.postgres_pids),
            "worker": processor_seconds(family(self.worker_pid)),
        }


async def _measure(
    setup: Setup, report: Report, client: Client, connections: Sequence[Connection], watched: Watched
) -> None:
    seconds = 3 if setup.quick else SECONDS
    await offer(client.upload, WARM_RATE, WARM_SECONDS, connections)
    held = 0.0
    for rate, name in ((RATE / 2, f"{RATE} API requests/s"), (RATE, f"{RATE} recordings/s")):
        setup.say(f"{name} for {seconds} s")
        before = watched.processor_seconds()
        load = await offer(client.upload, rate, seconds, connections)
        # The bound is for the first; the second shows what twice as much does.
        _tell_uploads(report, name, load, MILLISECONDS_MAX if rate == RATE / 2 else None)
        _tell_processors(report, name, load, before, watched.processor_seconds())
        held = rate if is_held(load) else held
        await asyncio.sleep(SETTLE_SECONDS)
    backlog = watched.place.backlog()
    report.add("worker's backlog after both", sum(backlog.values()), "jobs", note=str(backlog))
    steps = [step for step in (STEPS[:2] if setup.quick else STEPS) if step > held]
    await _find_highest(setup, report, client, connections, steps=steps, highest=held)
    for act, name in ((client.look, "details"), (client.delete, "delete")):
        setup.say(f"{name} at {RATE}/s")
        client.numbers = count()
        load = await offer(act, RATE, min(seconds, len(client.recording_ids) / RATE), connections)
        _tell(report, f"{name} at {RATE}/s", load, name, MILLISECONDS_MAX)
        _tell_failures(report, name, load)


def _tell_uploads(report: Report, name: str, load: Load, bound: float | None) -> None:
    for part, part_bound in (("initiate", bound), ("bytes", None), ("complete", bound)):
        _tell(report, f"{part} at {name}", load, part, part_bound)
    _tell(report, f"all three at {name}", load, "all three", None)
    report.add(f"achieved at {name}", load.achieved, "recordings/s", note=f"{load.offered} offered")
    _tell_failures(report, name, load)


def _tell(report: Report, name: str, load: Load, part: str, bound: float | None) -> None:
    half, most = (load.milliseconds(part, percent) for percent in (50, 95))
    told = f"p50 {half:.1f}, p95 {most:.1f}, of {len(load.samples[part])}"
    report.add(f"{name}, p99", load.milliseconds(part, 99), "ms", bound, told)


def _tell_failures(report: Report, name: str, load: Load) -> None:
    report.add(f"requests refused or lost, {name}", load.failures.total(), "", 0)
    report.notes += [f"{name}: {times} × {what}" for what, times in load.failures.most_common(3)]


def _tell_processors(
    report: Report, name: str, load: Load, before: Mapping[str, float], after: Mapping[str, float]
) -> None:
    shares = {part: (after[part] - before[part]) / load.seconds for part in before}
    shares["generator"] = load.processor_seconds / load.seconds
    told = ", ".join(f"{part} {share:.2f}" for part, share in shares.items())
    report.add(f"processors used at {name}", sum(shares.values()), "processors", note=told)
    lateness = sorted(load.late)[round(0.99 * (len(load.late) - 1))] * 1000
    report.add(f"generator's own lateness at {name}, p99", lateness, "ms", note="counted into initiate")


async def _find_highest(
    setup: Setup,
    report: Report,
    client: Client,
    connections: Sequence[Connection],
    *,
    steps: Sequence[float],
    highest: float,
) -> None:
    """Go up until a rate is not held; a rate gets a second chance, so that one hiccup does not decide."""
    for rate in steps:
        setup.say(f"is {rate} recordings/s held?")
        loads = [await _step(client, rate, connections)]
        if not is_held(loads[0]):
            loads.append(await _step(client, rate, connections))
        if not any(is_held(load) for load in loads):
            best = min(loads, key=lambda load: load.milliseconds("complete", 99))
            report.notes.append(
                f"{rate} recordings/s not held: initiate p99 {best.milliseconds('initiate', 99):.0f} ms, "
                f"complete p99 {best.milliseconds('complete', 99):.0f} ms, achieved {best.achieved:.1f}/s."
            )
            break
        highest = rate
    report.add("highest rate held", highest, "recordings/s", note=f"{2 * highest:g} API requests/s")


async def _step(client: Client, rate: float, connections: Sequence[Connection]) -> Load:
    load = await offer(client.upload, rate, STEP_SECONDS, connections)
    await asyncio.sleep(SETTLE_SECONDS)
    return load


def is_held(load: Load) -> bool:
    """Whether the server kept up within the bound."""
    quick_enough = all(load.milliseconds(part, 99) <= MILLISECONDS_MAX for part in ("initiate", "complete"))
    return quick_enough and load.achieved >= HELD_SHARE * load.rate and not load.failures
