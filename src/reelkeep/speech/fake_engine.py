"""An engine for tests: words from the sound's energy, and every way an engine can go wrong.

It understands nothing and says so. It is reached by its name only, never by `auto`. `EngineSpec.extra`
tells it how to behave:

misbehave      crash | abort | hang | fail | print | garble
at_call        the stretch, counted from 1, at which it misbehaves; every one when absent
once_file      misbehave only while this file does not exist; it is made just before
sleep_seconds  how long each stretch takes at least
marker         a file to which each stretch adds a line: process id, samples
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelkeep.errors import EngineError
from reelkeep.speech.protocol import (
    SAMPLE_RATE_HZ,
    EngineFacts,
    EngineSpec,
    LoadedEngine,
    Missing,
    Options,
    Pcm,
    Progress,
    Ready,
    Segment,
    Span,
    StretchResult,
    Word,
)

NAME = "fake"
FACTS = EngineFacts(
    name=NAME,
    quality="fake: no speech recognition, for tests",
    languages=("en",),
    word_times=True,
    needs_model=False,
    automatic=False,
)
EXTRA_NAMES = frozenset(["misbehave", "at_call", "once_file", "sleep_seconds", "marker"])
WORD_SECONDS = 0.5
QUIET_BELOW = 50.0
VOCABULARY = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet")


@dataclass(frozen=True, slots=True)
class FakeEngine:
    """Always ready; loads nothing."""

    spec: EngineSpec

    @property
    def facts(self) -> EngineFacts:
        """What it can do."""
        return FACTS

    def check(self) -> Ready | Missing:
        """Ready, unless it was told something that it does not know."""
        unknown = self.spec.extra.keys() - EXTRA_NAMES
        misbehaviour = self.spec.extra.get("misbehave")
        if unknown or (misbehaviour is not None and misbehaviour not in _MISBEHAVIOURS):
            return Missing("the fake engine was told something it does not know", "Read its module's text.")
        return Ready(model="none", device="cpu")

    def load(self) -> LoadedEngine:
        """Nothing to load."""
        return LoadedFake(self.spec.extra)


class LoadedFake:
    """Turns loud half seconds into words."""

    def __init__(self, extra: dict[str, str]) -> None:
        self._extra = extra
        self._calls = 0

    def transcribe(
        self,
        pcm: Pcm,
        options: Options,
        speech: Sequence[Span] = (),
        progress: Progress = lambda _seconds: None,
    ) -> StretchResult:
        """One word for each half second that is not quiet, one segment for each span of speech."""
        self._calls += 1
        self._mark(len(pcm))
        if self._is_to_misbehave():
            _MISBEHAVIOURS[self._extra["misbehave"]]()
        time.sleep(float(self._extra.get("sleep_seconds", "0")))
        segments = []
        for span in speech or [Span(0.0, len(pcm) / SAMPLE_RATE_HZ)]:
            words = tuple(_words(pcm, span))
            if words:
                text = " ".join(word.text for word in words)
                segments.append(Segment(words[0].start, words[-1].end, text, words, confidence=1.0))
            progress(span.end)
        return StretchResult(tuple(segments), (options.language or "en") if segments else None)

    def _mark(self, samples: int) -> None:
        if marker := self._extra.get("marker"):
            with Path(marker).open("a", encoding="ascii") as file:
                file.write(f"{os.getpid()} {samples}\n")

    def _is_to_misbehave(self) -> bool:
        if "misbehave" not in self._extra or int(self._extra.get("at_call", self._calls)) != self._calls:
            return False
        if once_file := self._extra.get("once_file"):
            try:
                Path(once_file).touch(exist_ok=False)
            except FileExistsError:
                return False
        return True


def _words(pcm: Pcm, span: Span) -> Iterator[Word]:
    step = round(WORD_SECONDS * SAMPLE_RATE_HZ)
    first, after = round(span.start * SAMPLE_RATE_HZ), round(span.end * SAMPLE_RATE_HZ)
    for start in range(first, after, step):
        end = min(start + step, after, len(pcm))
        energy = float(np.sqrt(np.mean(np.square(pcm[start:end], dtype=np.float64)))) if end > start else 0.0
        if energy >= QUIET_BELOW:
            text = VOCABULARY[int(energy) % len(VOCABULARY)]
            yield Word(round(start / SAMPLE_RATE_HZ, 3), round(end / SAMPLE_RATE_HZ, 3), text, 1.0)


def _crash() -> None:
    print("the fake engine crashes as it was told", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def _abort() -> None:
    os._exit(3)


def _hang() -> None:
    while True:
        time.sleep(3_600)


def _fail() -> None:
    raise EngineError("The fake engine failed as it was told.")


def _print() -> None:
    # Libraries do this: it must not be taken for an answer.
    print('{"ok": {"nonsense": true}}', flush=True)
    os.write(1, b"noise\n" * 10_000)
    os.write(2, b"noise\n" * 10_000)


def _garble() -> None:
    raise ZeroDivisionError("garbled as it was told")


_MISBEHAVIOURS: dict[str, Callable[[], None]] = {
    "crash": _crash,
    "abort": _abort,
    "hang": _hang,
    "fail": _fail,
    "print": _print,
    "garble": _garble,
}
