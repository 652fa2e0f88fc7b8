"""The recorder and the player in WebKitGTK: Safari's engine, as far as it goes on Linux.

It records AAC in MP4, as iPhones do, and has no synchronous file access: the bytes are kept in IndexedDB.
"""

import re
from pathlib import Path

import pytest
from selenium.common.exceptions import ElementNotInteractableException, StaleElementReferenceException
from selenium.webdriver import ActionChains, Keys, WebKitGTK
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.e2e.conftest import Known, wait_until_settled
from tests.e2e.test_recorder_page import original
from tests.e2e.test_recorder_sdk import seconds_of
from tests.fixtures.server import Server
from tests.fixtures.webkit import WebKit

pytestmark = pytest.mark.browser

SHOWN_SECONDS = 20.0
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


def waiting(driver: WebKitGTK, seconds: float = SHOWN_SECONDS) -> WebDriverWait[WebKitGTK]:
    """For what the page will show; it may be drawn anew meanwhile."""
    ignored = [StaleElementReferenceException, ElementNotInteractableException]
    return WebDriverWait(driver, seconds, poll_frequency=0.1, ignored_exceptions=ignored)


def found(driver: WebKitGTK, xpath: str, seconds: float = SHOWN_SECONDS) -> WebElement:
    """The first of these that is shown."""
    return waiting(driver, seconds).until(
        lambda page: next((one for one in page.find_elements(By.XPATH, xpath) if one.is_displayed()), None),
        xpath,
    )


def button(name: str) -> str:
    """By its whole name."""
    return f"//button[normalize-space() = '{name}' or @aria-label = '{name}'][not(@disabled)]"


def press(driver: WebKitGTK, xpath: str, seconds: float = SHOWN_SECONDS) -> None:
    """As soon as it is there."""
    waiting(driver, seconds).until(lambda page: found(page, xpath).click() or True, xpath)


def write(driver: WebKitGTK, label: str, text: str) -> None:
    """Into the field of this name."""
    found(driver, f"//input[@id = //label[normalize-space() = '{label}']/@for]").send_keys(text)


def until_said(driver: WebKitGTK, words: str, seconds: float = SHOWN_SECONDS) -> str:
    """Until the page's text has it; what it has, as a regular expression."""
    said = waiting(driver, seconds).until(
        lambda page: re.search(words, page.execute_script("return document.body.innerText")), words
    )
    return said[0]


def until_time(driver: WebKitGTK, at_least: float, at_most: float = 1e9) -> None:
    """Until the sound is there."""
    now = "return document.querySelector('audio')?.currentTime ?? -1"
    waiting(driver).until(lambda page: at_least <= page.execute_script(now) <= at_most, f"{at_least} s")


def sign_in(driver: WebKitGTK, server: Server) -> None:
    """By the form, as the administrator."""
    driver.get(f"{server.url}/login")
    write(driver, "E-mail", server.admin_email)
    write(driver, "Password", server.admin_password)
    press(driver, button("Sign in"))
    found(driver, "//h1[normalize-space() = 'Recordings']")


def record(driver: WebKitGTK, server: Server, title: str, seconds: int) -> None:
    """Until the clock, which counts what is written, shows so much."""
    driver.get(f"{server.url}/record")
    write(driver, "Title", title)
    press(driver, button("Record"))
    waiting(driver).until(lambda page: seconds <= clock(page), f"{seconds} s recorded")


def clock(driver: WebKitGTK) -> int:
    """Whole seconds, as the page counts them."""
    return int(found(driver, "//time[starts-with(., '0:')]").text.rsplit(":", 1)[1])


def stop(driver: WebKitGTK) -> None:
    """By two presses, so that an elbow ends nothing."""
    press(driver, button("Stop"))
    press(driver, button("Press again to stop"))


def recordings_of(server: Server, title: str) -> list[str]:
    """On the server; an upload whose beginning nobody heard of is none."""
    with server.client() as client:
        listed = client.get("/api/v1/recordings/", params={"q": title}).raise_for_status().json()["items"]
    return [one["id"] for one in listed if one["status"] != "uploading"]


def test_what_is_recorded_is_sent_meanwhile_becomes_safe_and_is_played(webkit: WebKit, server: Server) -> None:
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
    assert detail["duration_seconds"] == pytest.approx(seconds + 0.5, abs=0.6)
    assert seconds_of(original(server, recording_id)) == pytest.approx(detail["duration_seconds"], abs=0.1)


def test_a_reload_in_mid_recording_loses_nothing(webkit: WebKit, server: Server) -> None:
    with webkit.started() as driver:
        sign_in(driver, server)
        record(driver, server, "Reloaded in WebKit", 4)
        driver.refresh()
        until_said(driver, "Reloaded in WebKit is safe on the server", SAFE_SECONDS)
    (recording_id,) = recordings_of(server, "Reloaded in WebKit")
    assert seconds_of(original(server, recording_id)) > 3.9


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
    assert seconds_of(original(server, recording_id)) > 3.9


def test_a_page_that_is_put_away_holds_up_no_other_and_goes_on_when_it_is_back(
    webkit: WebKit, server: Server
) -> None:
    """WebKit puts a page that is left into its cache, its worker and the worker's locks with it."""
    with webkit.started() as driver:
        sign_in(driver, server)
        until_it_sends(driver)
        record(driver, server, "Left in WebKit", 4)
        driver.execute_script("addEventListener('pageshow', ({ persisted }) => { window.cached = persisted })")
        driver.get(f"{server.url}/trash")
        until_said(driver, "Left in WebKit is safe on the server", SAFE_SECONDS)
        driver.back()
        waiting(driver).until(lambda page: page.execute_script("return window.cached"), "the page as it was")
        until_said(driver, "The recorder was restarted")
        before = clock(driver)
        waiting(driver).until(lambda page: clock(page) > before + 2, "more is recorded")
        stop(driver)
        until_said(driver, "Safe on the server", SAFE_SECONDS)
    parts = [wait_until_settled(server, one) for one in recordings_of(server, "Left in WebKit")]
    assert len({part["session_id"] for part in parts}) == 1
    assert sum(part["duration_seconds"] or 0 for part in parts) > 3.9 + 2


def until_it_sends(driver: WebKitGTK) -> None:
    """Until this page is the one that looks after what no page has in hand."""
    held = """const done = arguments[0];
      navigator.locks.query().then(({ held }) => done(held.some(({ name }) => name === 'reelkeep:sender')));"""
    waiting(driver).until(lambda page: page.execute_async_script(held), "the page sends")


def test_a_recording_is_played_sought_and_its_words_follow(
    webkit: WebKit, server: Server, known: Known
) -> None:
    words = [word for segment in known.transcript["segments"] for word in segment["words"]]
    first, last = words[0], words[-1]
    with webkit.started() as driver:
        sign_in(driver, server)
        driver.get(f"{server.url}/recordings/{known.id}")
        press(driver, "//*[@aria-label = 'Player']" + button("Play"))
        until_time(driver, first["start"] + 0.05)
        waiting(driver).until(lambda page: page.execute_script(SPOKEN))
        found(driver, "//input[@aria-label = 'Position']").send_keys(Keys.END)
        until_time(driver, last["end"])
        place = ActionChains(driver).w3c_actions
        place.pointer_action.move_to_location(*driver.execute_script(LAST_LETTER)).click()
        place.perform()
        until_time(driver, last["start"] - 0.05, last["end"] + 2)
        assert driver.execute_script(SPOKEN) == [last["text"].strip()]


def test_a_picked_file_is_sent(webkit: WebKit, server: Server, spoken_wav: Path, tmp_path: Path) -> None:
    picked = tmp_path / "Picked in WebKit.wav"
    picked.write_bytes(spoken_wav.read_bytes())
    with webkit.started() as driver:
        sign_in(driver, server)
        driver.find_element(By.CSS_SELECTOR, "input[data-upload]").send_keys(str(picked))
        until_said(driver, "Safe on the server", SAFE_SECONDS)
    (recording_id,) = recordings_of(server, "Picked in WebKit")
    assert original(server, recording_id) == picked.read_bytes()
