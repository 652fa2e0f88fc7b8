"""Real runs of the command line, each in a process of its own, on a data folder of the test's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.speech import hum, say, write_wav

DEADLINE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    notes: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


@dataclass(slots=True)
class CommandLine:
    """`reelkeep` with a data folder and an environment."""

    data: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, *arguments: object, stdin: str = "", **variables: str) -> Ran:
        """Run a command to its end."""
        process = self.start(*arguments, stdin=subprocess.PIPE, **variables)
        out, notes = process.communicate(stdin, timeout=DEADLINE_SECONDS)
        return Ran(process.returncode, out, notes)

    def ok(self, *arguments: object, stdin: str = "", **variables: str) -> Ran:
        """Run a command that must succeed."""
        ran = self(*arguments, stdin=stdin, **variables)
        assert ran.code == 0, f"{arguments}: {ran}"
        return ran

    def start(
        self, *arguments: object, stdin: int = subprocess.DEVNULL, **variables: str
    ) -> subprocess.Popen[str]:
        """Start a command, in a process group of its own as a shell does."""
        process = subprocess.Popen(
            [sys.executable, "-m", "reelkeep", *map(str, arguments)],
            env=self.environment | {"REELKEEP_DATA": str(self.data)} | variables,
            cwd=self.data.parent,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def clean_environment() -> dict[str, str]:
    """This environment without settings of Reelkeep, and the engine for tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REELKEEP_", "DATABASE_", "AWS_"))}
    return kept | {"REELKEEP_ENGINE": "fake", "NO_COLOR": "1"}


def wait_for(what: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
    """Look until it is so, or fail."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


@pytest.fixture
def reelkeep(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line on an empty folder of this test alone."""
    command_line = CommandLine(tmp_path / "data", clean_environment())
    yield command_line
    command_line.end()


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line on a folder that the tests of a module share; held open, so that starts are quick."""
    command_line = CommandLine(tmp_path_factory.mktemp("used") / "data", clean_environment())
    holder = command_line.start("serve", "--no-worker", "--port", "0")
    assert holder.stdout is not None
    for line in holder.stdout:
        if "Reelkeep is ready" in line:
            command_line.environment["REELKEEP_PUBLIC_URL"] = line.rsplit(" ", 1)[1].strip()
            break
    yield command_line
    command_line.end()


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short file with speech in it."""
    return write_wav(tmp_path_factory.mktemp("spoken") / "hello there.wav", say("Hello there, how are you?"))


@pytest.fixture(scope="session")
def humming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some size without speech."""
    return write_wav(tmp_path_factory.mktemp("humming") / "hum.wav", hum(1800))
