"""Time from complete to transcribed, and how much of it is not the engine's."""

import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from bench import processing
from bench.engines import TINY_IS, Alone, Engine, pocketsphinx, run_alone, tiny_whisper
from bench.figures import Report, percentile
from bench.installation import Look, installation, make_administrator
from bench.processing import Processed
from bench.registry import Setup
from bench.sound import PIECE_SECONDS, speech, write_m4a, write_raw

SHARE_MAX, SECONDS_MORE = 0.15, 1.0
WHISPER_SECONDS, SPHINX_SECONDS = (10, 300, 3600), (10, 300)
DETAIL_LOOKS = 100
COUNTED = (
    "One recording at a time (M4A, 44.1 kHz mono), in an otherwise idle installation as `reelkeep serve` "
    "starts it. From the moment `complete` has answered until the status is seen to be `transcribed` "
    "(looked for every 50 ms), minus the time inside the engine (loading its model and transcribing), as "
    "the step's own result tells it. The probe, decoding the sound for speech, finding the speech and the "
    "engine go on at the same time; so do playback and waveform. Beyond the engine's time are: waiting for "
    "the worker, what comes before the first stretch, and keeping the words. At most 15 % of the engine's "
    f"time and 1 s. {TINY_IS}"
)


async def measure(setup: Setup) -> Report:
    """Each engine on each length."""
    report = Report("overhead", "From complete to transcribed, beyond the engine", COUNTED)
    whisper, sphinx = tiny_whisper(setup.scratch / "model"), pocketsphinx()
    for engine, seconds in ((whisper, WHISPER_SECONDS), (sphinx, SPHINX_SECONDS)):
        await _measure_engine(setup, report, engine, seconds[:1] if setup.quick else seconds)
    return report


async def _measure_engine(setup: Setup, report: Report, engine: Engine, lengths: Sequence[int]) -> None:
    folder = setup.scratch / engine.name.replace(" ", "-")
    with installation(folder, **engine.settings) as place:
        server = place.start_server()
        token = make_administrator(server)
        headers = {"Authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=server.url, headers=headers, timeout=120) as client,
            place.database() as database,
        ):
            warm = write_m4a(folder / "warm.m4a", 5)
            await processing.process(client, database, warm)
            for seconds in lengths:
                setup.say(f"{engine.name}, {_length(seconds)} of speech")
                await _measure_length(
                    report, engine, seconds, folder=folder, client=client, database=database
                )
            if not setup.quick and engine.name == "tiny Whisper":
                _tell_details(report, client, database)


async def _measure_length(
    report: Report, engine: Engine, seconds: int, *, folder: Path, client: httpx.Client, database: Look
) -> None:
    file = write_m4a(folder / f"speech-{seconds}.m4a", seconds)
    done = await processing.process(client, database, file)
    alone = await run_alone(engine, _raw(folder, seconds))
    file.unlink()
    _tell(report, f"{engine.name}, {_length(seconds)}", done, alone)


def _raw(folder: Path, seconds: int) -> Path:
    """The same speech as the engine gets it, written piece by piece."""
    path, piece = folder / "speech.raw", speech(min(seconds, PIECE_SECONDS))
    write_raw(path, piece)
    with path.open("ab") as file:
        for _ in range(round(seconds / PIECE_SECONDS) - 1):
            file.write(piece.astype("<i2").tobytes())
    return path


def _tell(report: Report, name: str, done: Processed, alone: Alone) -> None:
    words, probe = done.steps["transcribe"], done.steps["probe"]
    laps = words.result["seconds"]
    engine = laps.get("engine", 0.0)
    beyond = done.seconds - engine
    report.add(f"{name}: complete to transcribed", done.seconds, "s")
    report.add(
        f"{name}: inside the engine",
        engine,
        "s",
        note=f"alone on the same sound {alone.engine_seconds:.2f} s",
    )
    note = f"{beyond / engine:.0%} of the engine's time" if engine else ""
    report.add(f"{name}: beyond the engine", beyond, "s", SHARE_MAX * engine + SECONDS_MORE, note)
    waited = (probe.started_at - done.uploaded_at).total_seconds()
    parts = {
        "wait for the worker": waited,
        "probe": probe.seconds,
        "all sound decoded after": laps.get("sound", 0.0),
        f"all speech found after (alone in {alone.plan_seconds:.2f})": laps.get("plan", 0.0),
        "engine without a stretch": laps.get("wait", 0.0),
        "keeping stretches": laps.get("keep", 0.0),
    }
    told = ", ".join(f"{part} {seconds:.2f}" for part, seconds in parts.items())
    rest = ", ".join(f"{kind} {done.steps[kind].seconds:.2f}" for kind in ("playback", "peaks"))
    report.notes.append(f"{name}, in seconds: {told}. Meanwhile: {rest}.")


def _tell_details(report: Report, client: httpx.Client, database: Look) -> None:
    """How quickly the answer about the longest recording comes, its text included."""
    query = "select id from recording order by duration_seconds desc limit 1"
    (recording_id,) = database.execute(query).fetchone() or (None,)
    taken = []
    for _ in range(DETAIL_LOOKS):
        started = time.perf_counter()
        client.get(f"{processing.API}/{recording_id}").raise_for_status()
        taken.append((time.perf_counter() - started) * 1000)
    report.add("details of the hour with its text, p99", percentile(taken, 99), "ms", 100, "one at a time")


def _length(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"
