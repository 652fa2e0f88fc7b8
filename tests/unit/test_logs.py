"""What a log line holds, and what it never holds."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog

from reelkeep.logs import HIDDEN, configure_logs, get_logger, log_context


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Leave the process's logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "reelkeep.log"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_logger(file: Path) -> None:
    configure_logs("INFO", "json", file)
    get_logger("reelkeep.stores").info("object kept", size_bytes=5)
    [line] = lines(file)
    assert line["event"] == "object kept"
    assert (line["level"], line["logger"], line["size_bytes"]) == ("info", "reelkeep.stores", 5)
    assert line["timestamp"].endswith("Z")


def test_ids_stand_on_every_line_inside_the_context_and_on_none_after(file: Path) -> None:
    configure_logs("INFO", "json", file)
    recording_id = uuid4()
    with log_context(request_id="r1", organization_id=None):
        with log_context(recording_id=recording_id):
            get_logger("a").info("inside")
            logging.getLogger("some.library").warning("also inside")
        get_logger("a").info("between")
    get_logger("a").info("after")
    inside, library, between, after = lines(file)
    for line in (inside, library):
        assert (line["request_id"], line["recording_id"]) == ("r1", str(recording_id))
        assert "organization_id" not in line
    assert (between["request_id"], "recording_id" in between) == ("r1", False)
    assert "request_id" not in after


async def test_two_tasks_never_share_their_ids(file: Path) -> None:
    configure_logs("INFO", "json", file)
    both_inside = asyncio.Barrier(2)

    async def serve(request_id: str) -> None:
        with log_context(request_id=request_id):
            await both_inside.wait()
            get_logger("a").info(request_id)

    await asyncio.gather(serve("one"), serve("two"))
    assert {line["event"]: line["request_id"] for line in lines(file)} == {"one": "one", "two": "two"}


@pytest.mark.parametrize(
    "name", ["password", "token", "secret_key", "signature", "authorization", "text", "url"]
)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_value_of_a_secret_is_never_written(name: str, log_format: Any, file: Path) -> None:
    configure_logs("DEBUG", log_format, file)
    get_logger("a").info("signed in", **{name: "hunter2"})
    assert "hunter2" not in file.read_text()
    assert HIDDEN in file.read_text()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_failure_is_written_with_its_stack(log_format: Any, file: Path) -> None:
    configure_logs("INFO", log_format, file)
    try:
        raise OSError("the disk went away")
    except OSError:
        get_logger("a").exception("copy failed")
    text = file.read_text()
    assert "the disk went away" in text
    assert "test_a_failure_is_written_with_its_stack" in text


def test_lines_below_the_level_are_not_written(file: Path) -> None:
    configure_logs("warning", "json", file)
    get_logger("a").info("quiet")
    get_logger("a").warning("loud")
    assert [line["event"] for line in lines(file)] == ["loud"]


def test_without_a_file_lines_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json")
    get_logger("a").info("here")
    out, err = capfd.readouterr()
    assert (out, json.loads(err)["event"]) == ("", "here")


def test_setting_the_logs_up_twice_writes_each_line_once(file: Path) -> None:
    configure_logs("INFO", "json", file)
    configure_logs("INFO", "json", file)
    get_logger("a").info("once")
    assert len(lines(file)) == 1
