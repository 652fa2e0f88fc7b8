"""Sessions: parts that arrive in any order play and read as one."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import text

from reelkeep.runtime import Runtime
from reelkeep.speech.protocol import SAMPLE_RATE_HZ, Pcm
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person, client_of, do_jobs
from tests.fixtures.speech import say, write_wav

SECONDS = {1: 2.0, 2: 3.0, 3: 1.0}


async def initiate(client: httpx.AsyncClient, number: int | None = None, **fields: Any) -> httpx.Response:
    """Ask for a ticket for a part."""
    body = {
        "filename": f"part {number}.wav",
        "content_type": "audio/wav",
        "session_id": "visit/7 ä",
        **fields,
    }
    if number is not None:
        body["part_number"] = number
    return await client.post("/api/v1/recordings/upload/initiate", json=body)


def _said(seconds: float) -> Pcm:
    """Speech of exactly so long."""
    return np.resize(say("Good morning, how are you today?"), round(seconds * SAMPLE_RATE_HZ))


async def bring(
    client: httpx.AsyncClient, number: int | None = None, *, spoken: Path | None = None, **fields: Any
) -> str:
    """Send a part whole; the recording's id."""
    answer = await initiate(client, number, **fields)
    assert answer.status_code == 200, answer.text
    ticket: dict[str, Any] = answer.json()
    seconds = SECONDS.get(number or 1, 1.0)
    body = wav(beeps(seconds)) if not spoken else write_wav(spoken / "a.wav", _said(seconds)).read_bytes()
    files = {"file": ("a.wav", body, "audio/wav")}
    sent = await client.post(ticket["upload_url"], data=ticket["upload_fields"], files=files)
    assert sent.status_code == 204, sent.text
    done = await client.post(f"/api/v1/recordings/upload/complete/{ticket['recording_id']}", json={})
    assert done.status_code == 200, done.text
    recording_id: str = ticket["recording_id"]
    return recording_id


async def only(client: httpx.AsyncClient) -> dict[str, Any]:
    """The one session there is."""
    [found] = (await client.get("/api/v1/sessions/")).json()["items"]
    return dict(found)


async def test_parts_that_arrive_out_of_order_are_one_timeline(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        third = await bring(client, 3, session_title="Rex, check-up")
        first = await bring(client, 1)
        await do_jobs(runtime)

        early = await only(client)
        assert (early["missing_part_numbers"], early["status"], early["title"]) == (
            [2],
            "ready",
            "Rex, check-up",
        )
        assert [(p["part_number"], p["start_seconds"]) for p in early["parts"]] == [
            (1, 0),
            (3, pytest.approx(2, abs=0.05)),
        ]

        second = await bring(client, 2)
        assert (await only(client))["status"] == "processing"
        await do_jobs(runtime)

        whole = await only(client)
        assert [part["recording_id"] for part in whole["parts"]] == [first, second, third]
        starts = [part["start_seconds"] for part in whole["parts"]]
        assert starts == pytest.approx([0, 2, 5], abs=0.05)
        assert (whole["duration_seconds"], whole["duration_is_known"]) == (pytest.approx(6, abs=0.05), True)
        assert (whole["missing_part_numbers"], whole["external_id"]) == ([], "visit/7 ä")
        assert all(
            p["playback_ready"] and p["transcript_ready"] and len(p["waveform"]) == 64 for p in whole["parts"]
        )

        assert (await client.get(f"/api/v1/sessions/{whole['id']}")).json() == whole
        named = await client.get("/api/v1/sessions/", params={"external_id": "visit/7 ä"})
        assert named.json()["items"] == [whole]
        assert (await client.get("/api/v1/sessions/", params={"q": "rex"})).json()["total"] == 1
        assert (await client.get("/api/v1/sessions/", params={"q": "r_x"})).json()["total"] == 0

        shown = (await client.get(f"/api/v1/recordings/{second}")).json()
        assert (shown["session_id"], shown["session_external_id"], shown["part_number"]) == (
            whole["id"],
            "visit/7 ä",
            2,
        )
        for name in (whole["id"], "visit/7 ä"):
            mine = (await client.get("/api/v1/recordings/", params={"session": name})).json()
            assert {item["id"] for item in mine["items"]} == {first, second, third}
        assert (await client.get("/api/v1/recordings/", params={"session": "other"})).json()["total"] == 0


async def test_the_words_of_all_parts_read_as_one_with_times_of_the_whole(
    runtime: Runtime, tmp_path: Path
) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        ids = {number: await bring(client, number, session_id="s", spoken=tmp_path) for number in (2, 1, 3)}
        assert (await client.get("/api/v1/sessions/s/transcript")).json()[
            "error_code"
        ] == "TRANSCRIPT_NOT_READY"
        await do_jobs(runtime)

        spoken = (await client.get("/api/v1/sessions/s/transcript")).json()
        for number, shift in ((1, 0.0), (2, 2.0), (3, 5.0)):
            alone = (await client.get(f"/api/v1/recordings/{ids[number]}/transcript")).json()["segments"]
            here = [one for one in spoken["segments"] if one["part_number"] == number]
            assert [one["recording_id"] for one in here] == [ids[number]] * len(alone)
            assert [one["start"] for one in here] == pytest.approx(
                [one["start"] + shift for one in alone], abs=0.05
            )
            assert [w["end"] for one in here for w in one["words"]] == pytest.approx(
                [w["end"] + shift for one in alone for w in one["words"]], abs=0.05
            )
        order = [one["start"] for one in spoken["segments"]]
        assert order == sorted(order)
        assert spoken["text"] == "\n".join(one["text"] for one in spoken["segments"])

        for kind, words in (
            ("srt", "-->"),
            ("vtt", "WEBVTT"),
            ("txt", spoken["segments"][0]["text"].split()[0]),
        ):
            written = await client.get("/api/v1/sessions/s/transcript", params={"format": kind})
            assert words in written.text
            assert f".{kind}" in written.headers["content-disposition"]
        captions = (await client.get("/api/v1/sessions/s/transcript", params={"format": "vtt"})).text
        assert "00:00:05" in captions


async def test_a_part_without_words_or_in_the_trash_holds_up_nothing(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        ids = {
            number: await bring(client, number, session_id="s", transcribe=number != 2)
            for number in (1, 2, 3)
        }
        ticket = (await initiate(client, 5, session_id="s")).json()
        await do_jobs(runtime)

        spoken = (await client.get("/api/v1/sessions/s/transcript")).json()
        assert [one["part_number"] for one in spoken["parts_without_transcript"]] == [2, 5]
        played = (await client.get("/api/v1/sessions/s/playback")).json()
        assert [(p["part_number"], p["url"] is not None) for p in played["parts"]] == [
            (1, True), (2, True), (3, True), (5, False),
        ]  # fmt: skip
        for part in played["parts"][:3]:
            sound = await client.get(part["url"], headers={"Authorization": ""})
            assert (sound.status_code, len(sound.content)) == (200, part["file_size_bytes"])
        whole = await only(client)
        assert (whole["status"], whole["duration_is_known"], whole["missing_part_numbers"]) == (
            "uploading",
            False,
            [4],
        )
        assert ticket["recording_id"] == whole["parts"][3]["recording_id"]

        await client.delete(f"/api/v1/recordings/{ids[2]}")
        whole = await only(client)
        assert whole["missing_part_numbers"] == [2, 4]
        assert [p["start_seconds"] for p in whole["parts"]] == pytest.approx([0, 2, 3], abs=0.05)

        taken = await initiate(client, 2, session_id="s")
        assert (taken.status_code, taken.json()["error_code"]) == (409, "PART_NUMBER_TAKEN")
        assert "trash" in taken.json()["message"]


async def test_a_number_is_given_once_and_the_next_one_when_none_is_asked_for(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        answers = await asyncio.gather(*(initiate(client, session_id="s") for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        whole = await only(client)
        assert [part["part_number"] for part in whole["parts"]] == list(range(1, 9))

        again = await asyncio.gather(*(initiate(client, 12, session_id="s") for _ in range(4)))
        assert sorted(answer.status_code for answer in again) == [200, 409, 409, 409]
        assert {a.json()["error_code"] for a in again if a.status_code == 409} == {"PART_NUMBER_TAKEN"}
        assert (await only(client))["missing_part_numbers"] == [9, 10, 11]

        alone = await initiate(client, 1, session_id=None)
        assert (alone.status_code, alone.json()["error_code"]) == (422, "INVALID_REQUEST")
        assert (await initiate(client, 0, session_id="s")).status_code == 422
        by_our_id = await initiate(client, session_id=whole["id"])
        assert by_our_id.status_code == 200
        assert (await client.get("/api/v1/sessions/")).json()["total"] == 1


async def test_a_part_whose_bytes_never_came_gives_its_number_to_the_one_that_brings_them(
    runtime: Runtime,
) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        failed = (await initiate(client, 1, session_id="s")).json()["recording_id"]
        async with runtime.database.owner() as session:
            await session.execute(text("update recording set status = 'failed'"))
        again = await bring(client, 1, session_id="s")
        [part] = (await only(client))["parts"]
        assert part["recording_id"] == again
        shown = (await client.get(f"/api/v1/recordings/{failed}")).json()
        assert (shown["session_id"], shown["part_number"]) == (None, None)


async def test_a_session_is_seen_in_its_own_organization_alone(runtime: Runtime) -> None:
    person, stranger = await add_person(runtime), await add_person(runtime)
    async with client_of(runtime, person) as client, client_of(runtime, stranger) as other:
        mine = await bring(client, 1, session_id="same")
        theirs = await bring(other, 1, session_id="same")
        await do_jobs(runtime)
        whole = await only(client)
        assert [p["recording_id"] for p in whole["parts"]] == [mine]
        assert [p["recording_id"] for p in (await only(other))["parts"]] == [theirs]
        for path in ("", "/playback", "/transcript"):
            hidden = await other.get(f"/api/v1/sessions/{whole['id']}{path}")
            assert (hidden.status_code, hidden.json()["error_code"]) == (404, "SESSION_NOT_FOUND")
        assert (await other.get("/api/v1/recordings/", params={"session": whole["id"]})).json()["total"] == 0
        by_their_hand = await initiate(other, 2, session_id=whole["id"])
        assert by_their_hand.status_code == 200
        assert len((await only(client))["parts"]) == 1

    async with client_of(runtime) as nobody:
        assert (await nobody.get("/api/v1/sessions/")).status_code == 401


async def test_sessions_come_in_pages_newest_first(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        for number in range(5):
            await initiate(client, session_id=f"s{number}")
        first = (await client.get("/api/v1/sessions/", params={"limit": 2})).json()
        rest = (
            await client.get("/api/v1/sessions/", params={"limit": 9, "cursor": first["next_cursor"]})
        ).json()
        assert [s["external_id"] for s in first["items"] + rest["items"]] == ["s4", "s3", "s2", "s1", "s0"]
        assert (first["total"], rest["next_cursor"]) == (5, None)
        assert (await client.get("/api/v1/sessions/", params={"cursor": "x"})).status_code == 422
