"""`reelkeep add`: files become recordings, with no server, with one, together, and after a kill."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.service.cli.conftest import CommandLine, wait_for


def test_add_wait_on_an_empty_folder_prints_the_recording_with_its_transcript(
    reelkeep: CommandLine, spoken: Path
) -> None:
    recording = reelkeep.ok("add", spoken, "--wait", "--json", "--title", "A greeting").json
    assert recording["status"] == "transcribed"
    assert recording["title"] == "A greeting"
    assert recording["original_filename"] == "hello there.wav"
    assert recording["mime_type"] == "audio/wav"
    assert recording["file_size_bytes"] == spoken.stat().st_size
    assert {step["kind"]: step["state"] for step in recording["steps"]} == {
        "probe": "done",
        "playback": "done",
        "peaks": "done",
        "transcribe": "done",
    }
    transcript = recording["transcript"]
    assert transcript["engine"] == "fake"
    assert transcript["recording_id"] == recording["id"]
    assert transcript["segments"][0]["words"]
    assert recording["transcript_text"] == transcript["text"]


def test_a_person_gets_the_words_alone_on_standard_output(reelkeep: CommandLine, spoken: Path) -> None:
    ran = reelkeep.ok("add", spoken, "--wait")
    shown = reelkeep.ok("recordings", "list", "--json").json["items"][0]
    exported = reelkeep.ok("recordings", "export", shown["id"]).out
    assert ran.out == exported != ""
    assert shown["id"] in ran.notes


def test_pocketsphinx_understands_what_was_said(reelkeep: CommandLine, spoken: Path) -> None:
    words = reelkeep.ok("add", spoken, "--wait", REELKEEP_ENGINE="pocketsphinx").out
    assert "hello" in words.split()


def test_without_wait_it_says_that_nobody_is_processing(reelkeep: CommandLine, spoken: Path) -> None:
    ran = reelkeep.ok("add", spoken, "--no-transcribe")
    assert "No worker is running" in ran.notes
    shown = reelkeep.ok("recordings", "show", ran.out.split()[0], "--json").json
    assert shown["status"] == "uploaded"
    assert "transcribe" not in [step["kind"] for step in shown["steps"]]


def test_a_file_that_fails_does_not_stop_the_others(reelkeep: CommandLine, spoken: Path) -> None:
    text = spoken.with_name("notes.txt")
    text.write_text("no sound at all")
    pipe = spoken.with_name("pipe")
    os.mkfifo(pipe)
    missing = spoken.with_name("missing.wav")
    ran = reelkeep("add", text, missing, pipe, spoken, "--json")
    assert ran.code == 1
    assert set(ran.json) == {"message", "error_code", "details"}
    codes = {error["file"]: error["error_code"] for error in ran.json["details"]["errors"]}
    assert codes == {
        str(text): "UNSUPPORTED_TYPE",
        str(missing): "NOT_FOUND",
        str(pipe): "INVALID_REQUEST",
    }
    kept = [recording["original_filename"] for recording in ran.json["details"]["recordings"]]
    assert kept == ["hello there.wav"]
    listed = reelkeep.ok("recordings", "list", "--json").json["items"]
    assert [item["original_filename"] for item in listed] == kept


def test_two_at_once_on_an_empty_folder_share_one_server_and_one_organization(
    reelkeep: CommandLine, spoken: Path
) -> None:
    both = [reelkeep.start("add", spoken, "--wait", "--json") for _ in range(2)]
    ended = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert reelkeep.ok("recordings", "list", "--json").json["total"] == 2
    assert len(list((reelkeep.data / "pg").glob("[0-9]*"))) == 1


def test_after_a_kill_in_the_middle_a_second_run_goes_on(
    reelkeep: CommandLine, spoken: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "stretches"
    slow = {"REELKEEP_ENGINE_EXTRA": f"sleep_seconds=600,marker={marker}"}
    first = reelkeep.start("add", spoken, "--wait", "--json", **slow)
    in_its_engine = reelkeep.data / "scratch"
    wait_for(lambda: any(in_its_engine.glob("work-*/*")))
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    quick = {"REELKEEP_WORKER_HEARTBEAT_SECONDS": "1", "REELKEEP_WORKER_STALLED_SECONDS": "6"}
    second = reelkeep.ok("add", spoken, "--wait", "--json", **quick).json
    assert second["status"] == "transcribed"
    killed = next(
        item
        for item in reelkeep.ok("recordings", "list", "--json").json["items"]
        if item["id"] != second["id"]
    )
    assert killed["status"] in ("uploaded", "processing", "transcribed")
    again = reelkeep.ok("recordings", "show", killed["id"], "--json").json
    assert again["sha256"] == second["sha256"]


def test_a_kill_while_the_bytes_come_in_leaves_no_half_recording_in_the_way(
    reelkeep: CommandLine, humming: Path
) -> None:
    reelkeep.ok("db", "migrate")
    store = reelkeep.data / "stores" / "local"
    first = reelkeep.start("add", humming)
    wait_for(lambda: any(path.is_file() for path in store.rglob("*")) or first.poll() is not None)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second = reelkeep.ok("add", humming, "--json").json
    assert second["status"] == "uploaded"
    assert second["file_size_bytes"] == humming.stat().st_size
    statuses = [item["status"] for item in reelkeep.ok("recordings", "list", "--json").json["items"]]
    assert statuses[0] == "uploaded"
    assert len(statuses) <= 2


def test_ctrl_c_ends_at_once_with_130_and_the_recording_is_kept(
    reelkeep: CommandLine, spoken: Path, tmp_path: Path
) -> None:
    slow = {"REELKEEP_ENGINE_EXTRA": "sleep_seconds=600"}
    waiting = reelkeep.start("add", spoken, "--wait", "--json", **slow)
    wait_for(lambda: any((reelkeep.data / "scratch").glob("work-*/*")))
    os.killpg(waiting.pid, signal.SIGINT)
    out, notes = waiting.communicate(timeout=200)
    assert waiting.returncode == 130, notes
    assert "Traceback" not in notes
    assert '"interrupted": true' in out
    items = reelkeep.ok("recordings", "list", "--json").json["items"]
    assert [item["original_filename"] for item in items] == ["hello there.wav"]
    ran = reelkeep.ok("recordings", "rerun", items[0]["id"], "peaks", "--wait", "--json")
    assert ran.json["status"] == "transcribed"
    attempts = {step["kind"]: step["attempts"] for step in ran.json["steps"]}
    assert attempts["transcribe"] == 1, "an orderly stop counts as no attempt"


def test_a_wait_gives_the_work_to_a_worker_that_runs_already(reelkeep: CommandLine, spoken: Path) -> None:
    worker = reelkeep.start("worker", REELKEEP_LOG_LEVEL="INFO")
    assert worker.stderr is not None
    wait_for(lambda: "worker ready" in (worker.stderr.readline() if worker.stderr else ""))
    recording = reelkeep.ok("add", spoken, "--wait", "--json", REELKEEP_ENGINE="pocketsphinx").json
    assert recording["transcript"]["engine"] == "fake", "the worker's engine, not this command's"
    worker.terminate()
    worker.communicate(timeout=200)
    assert worker.returncode == 0


def test_a_file_at_a_url_is_fetched_with_no_server_and_its_password_is_not_shown(
    reelkeep: CommandLine, spoken: Path
) -> None:
    with served(spoken.parent) as port:
        url = f"http://me:hush@127.0.0.1:{port}/hello%20there.wav?sig=hush"
        local = {"REELKEEP_FETCH_PRIVATE_NETWORKS": "true"}
        ran = reelkeep.ok("add", url, spoken, "--wait", "--json", "--title", "Twice", **local)
        fetched, added = ran.json["recordings"]
        assert (fetched["status"], fetched["original_filename"]) == ("transcribed", "hello there.wav")
        assert fetched["sha256"] == added["sha256"]
        assert "hush" not in ran.out + ran.notes

        refused = reelkeep("add", url)
        assert (refused.code, "open internet" in refused.notes) == (1, True)
        missing = reelkeep("add", f"http://127.0.0.1:{port}/missing.wav?sig=hush", **local)
        assert (missing.code, "answered 404" in missing.notes) == (1, True)
        assert "hush" not in refused.notes + missing.notes


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """A web server with the files of a folder; its port."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
