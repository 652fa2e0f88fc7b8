"""The recorder and the player in WebKitGTK: Safari's engine, as far as it goes on Linux.

It records AAC in MP4, as iPhones do, and has no synchronous file access: the bytes are kept in IndexedDB.
"""

import io
import re
from pathlib import Path

import av
import pytest

from tests.e2e.conftest import Known, wait_until_settled
from tests.e2e.test_recorder_page import original
from tests.fixtures.server import Server
from tests.fixtures.webdriver import Driver
from tests.fixtures.webkit import WebKit

pytestmark = pytest.mark.browser

SHOWN_SECONDS = 20.0
END_KEY = "\ue010"
SAFE_SECONDS = 40.0
PROCESSED_SECONDS = 120.0
LAST_LETTER = """
  const paragraph = [...document.querySelectorAll('[aria-label="Transcript"] p')].at(-1);
  paragraph.scrollIntoView({ block: 'center' });
  const range = document.createRange(), text = paragraph.firstChild;
  range.setStart(text, text.length - 1);
  range.setEnd(text, text.length);
  const box = range.getBoundingClientRect();
  return [Math.round(box.x + 1), Math.round(box.y + box.height / 2)];"""
SPOKEN = "return [...(CSS.highlights.get('spoken') ?? [])].map(String)"


def found(driver: Driver, xpath: str, seconds: float = SHOWN_SECONDS) -> str:
    """The first of these that is shown."""
    return driver.until(lambda: next(filter(driver.is_shown, driver.find(xpath)), ""), xpath, seconds)


def button(name: str) -> str:
    """By its whole name."""
    return f"//button[normalize-space() = '{name}' or @aria-label = '{name}'][not(@disabled)]"


def press(driver: Driver, xpath: str, seconds: float = SHOWN_SECONDS) -> None:
    """As soon as it is there."""
    found(driver, xpath, seconds)
    driver.until(lambda: driver.click(found(driver, xpath)) is None, xpath)


def write(driver: Driver, label: str, text: str) -> None:
    """Into the field of this name."""
    driver.type(found(driver, f"//input[@id = //label[normalize-space() = '{label}']/@for]"), text)


def until_said(driver: Driver, words: str, seconds: float = SHOWN_SECONDS) -> str:
    """Until the page's text has it, which is a regular expression; what it has."""
    text = "return document.body.innerText"
    said = driver.until(lambda: re.search(words, driver.run(text)), words, seconds)
    assert said
    return said[0]


def until_time(driver: Driver, at_least: float, at_most: float = 1e9) -> None:
    """Until the sound is there."""
    now = "return document.querySelector('audio')?.currentTime ?? -1"
    driver.until(lambda: at_least <= driver.run(now) <= at_most, f"the sound at {at_least} s")


def sign_in(driver: Driver, server: Server) -> None:
    """By the form, as the administrator."""
    driver.go(f"{server.url}/login")
    write(driver, "E-mail", server.admin_email)
    write(driver, "Password", server.admin_password)
    press(driver, button("Sign in"))
    found(driver, "//h1[normalize-space() = 'Recordings']")


def record(driver: Driver, server: Server, title: str, seconds: int) -> None:
    """Until the clock, which counts what is written, shows so much."""
    driver.go(f"{server.url}/record")
    write(driver, "Title", title)
    press(driver, button("Record"))
    driver.until(lambda: seconds <= clock(driver), f"{seconds} s recorded")


def clock(driver: Driver) -> int:
    """Whole seconds, as the page counts them."""
    return int(driver.text(found(driver, "//time[starts-with(., '0:')]")).rsplit(":", 1)[1])


def stop(driver: Driver) -> None:
    """By two presses, so that an elbow ends nothing."""
    press(driver, button("Stop"))
    press(driver, button("Press again to stop"))


def recordings_of(server: Server, title: str) -> list[str]:
    """On the server; an upload whose beginning nobody heard of is none."""
    with server.client() as client:
        listed = client.get("/api/v1/recordings/", params={"q": title}).raise_for_status().json()["items"]
    return [one["id"] for one in listed if one["status"] != "uploading"]


def timeline_of(media: bytes) -> float:
    """Seconds, by its packets' times: WebKitGTK ends a file with its last fragment twice, once broken."""
    with av.open(io.BytesIO(media)) as container:
        stream = container.streams.audio[0]
        ends = [packet.pts + packet.duration for packet in container.demux(stream) if packet.pts is not None]
        return float(max(ends) * stream.time_base)


def test_what_is_recorded_is_sent_meanwhile_becomes_safe_and_is_played(
    webkit: WebKit, server: Server
) -> None:
    with webkit.started() as driver:
        sign_in(driver, server)
        record(driver, server, "Rex, in WebKit", 6)
        until_said(driver, "On this device")
        until_said(driver, r"Sent to 0:(0[1-9]|[1-5]\d)", SAFE_SECONDS)
        until_said(driver, "Good")
        stop(driver)
        seconds = int(until_said(driver, r"Recorded 0:\d\d")[-2:])
        until_said(driver, "Safe on the server", SAFE_SECONDS)
        press(driver, "//a[normalize-space() = 'Open the recording']")
        press(driver, "//*[@aria-label = 'Player']" + button("Play"), PROCESSED_SECONDS)
        until_time(driver, 1)
    (recording_id,) = recordings_of(server, "Rex, in WebKit")
    detail = wait_until_settled(server, recording_id)
    assert detail["status"] == "transcribed"
    assert detail["mime_type"].startswith("audio/mp4")
    # The page counts the fragment twice, and the server leaves out the one that is broken.
    assert timeline_of(original(server, recording_id)) == pytest.approx(seconds, abs=1)
    assert detail["duration_seconds"] == pytest.approx(seconds, abs=2)


def test_a_reload_in_mid_recording_loses_nothing(webkit: WebKit, server: Server) -> None:
    with webkit.started() as driver:
        sign_in(driver, server)
        record(driver, server, "Reloaded in WebKit", 4)
        driver.reload()
        until_said(driver, "Reloaded in WebKit is safe on the server", SAFE_SECONDS)
    (recording_id,) = recordings_of(server, "Reloaded in WebKit")
    assert timeline_of(original(server, recording_id)) > 3.9


def test_a_killed_webkit_loses_nothing_of_what_was_not_sent(webkit: WebKit, server: Server) -> None:
    with webkit.started() as driver:
        sign_in(driver, server)
        record(driver, server, "Killed in WebKit", 4)
        until_said(driver, "Not sent yet")
        webkit.kill()
    with webkit.started() as driver:
        sign_in(driver, server)
        until_said(driver, "Killed in WebKit is safe on the server", SAFE_SECONDS)
    (recording_id,) = recordings_of(server, "Killed in WebKit")
    assert timeline_of(original(server, recording_id)) > 3.9


def test_a_page_that_is_put_away_holds_up_no_other_and_goes_on_when_it_is_back(
    webkit: WebKit, server: Server
) -> None:
    """WebKit puts a page that is left into its cache, its worker and the worker's locks with it."""
    with webkit.started() as driver:
        sign_in(driver, server)
        until_it_sends(driver)
        record(driver, server, "Left in WebKit", 4)
        driver.run("addEventListener('pageshow', ({ persisted }) => { window.cached = persisted })")
        driver.go(f"{server.url}/trash")
        until_said(driver, "Left in WebKit is safe on the server", SAFE_SECONDS)
        driver.back()
        driver.until(lambda: driver.run("return window.cached"), "the page as it was")
        until_said(driver, "The recorder was restarted")
        before = clock(driver)
        driver.until(lambda: clock(driver) > before + 2, "more is recorded")
        stop(driver)
        until_said(driver, "Safe on the server", SAFE_SECONDS)
    parts = [wait_until_settled(server, one) for one in recordings_of(server, "Left in WebKit")]
    assert len({part["session_id"] for part in parts}) == 1
    assert sum(part["duration_seconds"] or 0 for part in parts) > 3.9 + 2


def until_it_sends(driver: Driver) -> None:
    """Until this page is the one that looks after what no page has in hand."""
    held = "return navigator.locks.query().then(({ held }) => held.some(({ name }) => name === arguments[0]))"
    driver.until(lambda: driver.run(held, "reelkeep:sender"), "it sends")


def test_a_recording_is_played_sought_and_its_words_follow(
    webkit: WebKit, server: Server, known: Known
) -> None:
    words = [word for segment in known.transcript["segments"] for word in segment["words"]]
    first, last = words[0], words[-1]
    with webkit.started() as driver:
        sign_in(driver, server)
        driver.go(f"{server.url}/recordings/{known.id}")
        press(driver, "//*[@aria-label = 'Player']" + button("Play"))
        until_time(driver, first["start"] + 0.05)
        driver.until(lambda: driver.run(SPOKEN), "a word is marked")
        driver.type(found(driver, "//input[@aria-label = 'Position']"), END_KEY)
        until_time(driver, last["end"])
        driver.click_at(*driver.run(LAST_LETTER))
        until_time(driver, last["start"] - 0.05, last["end"] + 2)
        assert driver.run(SPOKEN) == [last["text"].strip()]


def test_a_picked_file_is_sent(webkit: WebKit, server: Server, spoken_wav: Path, tmp_path: Path) -> None:
    picked = tmp_path / "Picked in WebKit.wav"
    picked.write_bytes(spoken_wav.read_bytes())
    with webkit.started() as driver:
        sign_in(driver, server)
        driver.type(driver.find("//input[@data-upload]")[0], str(picked))
        until_said(driver, "Safe on the server", SAFE_SECONDS)
    (recording_id,) = recordings_of(server, "Picked in WebKit")
    assert original(server, recording_id) == picked.read_bytes()
