"""What a speech engine is, whatever its maker.

An engine is described (`EngineFacts`), asked whether it is ready (`check`, fast, no network to a model
hub) and loaded inside a child process (`load`), where it is given sound in stretches of at most five
minutes. Rules for every engine: numbers are plain Python; `0 <= start <= end <= duration`; segments are
sorted; confidence is the engine's own scale and never compared between engines; a value that the engine
does not give is None; the same stretch gives the same words whatever came before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
STRETCH_SECONDS_MAX = 300.0

Pcm = NDArray[np.int16]

#: Told how many seconds of the stretch are done.
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the sound, in seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sound that an engine is given at once: at most five minutes, cut at a pause.

    Times are in seconds from the start of the recording.
    """

    index: int
    start_seconds: float
    end_seconds: float
    #: Where speech was found, sorted, inside the stretch; its times count from the recording's start too.
    speech: tuple[Span, ...] = ()

    @property
    def duration_seconds(self) -> float:
        """How long it is."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class Heard:
    """What listening on has given."""

    #: Those that nothing later can change, and that were not told before.
    stretches: tuple[Stretch, ...]
    #: Whether anybody speaks in what was heard so far, told now or not.
    has_speech: bool


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word; times in seconds from the start of the recording."""

    start: float
    end: float
    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words that belong together; times in seconds."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller asks of the words."""

    #: ISO 639-1, or None: the engine finds out, where it can.
    language: str | None = None
    #: Names and terms to expect, where the engine takes them.
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class StretchResult:
    """What one stretch of sound gave; an empty `segments` means that no speech was found."""

    segments: tuple[Segment, ...]
    language: str | None = None
    #: 0 to 1, or None where the engine does not say.
    language_probability: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine can do, as data."""

    name: str
    #: One phrase a person understands: "basic, English".
    quality: str
    #: ISO 639-1 codes, or empty: many, found out by itself.
    languages: tuple[str, ...]
    word_times: bool
    needs_model: bool
    #: Whether `auto` may take it; an engine that is not for people's recordings is reached by its name only.
    automatic: bool = True


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine can be used now."""

    model: str
    device: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The engine cannot be used yet."""

    reason: str
    #: What a person does about it, as a sentence.
    fix: str


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine with its settings; plain data, so that it can be sent to a child process."""

    engine: str
    model_dir: str | None = None
    device: str = "auto"
    compute_type: str = "default"
    threads: int = 0
    extra: dict[str, str] = field(default_factory=dict)


class LoadedEngine(Protocol):
    """An engine in memory, inside its child process."""

    def transcribe(
        self,
        pcm: Pcm,
        options: Options,
        speech: Sequence[Span] = (),
        progress: Progress = lambda _seconds: None,
    ) -> StretchResult:
        """The words of one stretch of mono sound at 16 kHz; times count from the stretch's own start.

        `speech` says where speech was found in it; empty means that the whole stretch is to be taken.
        `progress` is called now and then with the seconds of the stretch that are done.
        """
        ...


class Engine(Protocol):
    """One kind of recogniser with its settings; cheap to make, loads nothing."""

    @property
    def facts(self) -> EngineFacts:
        """What it can do."""
        ...

    @property
    def spec(self) -> EngineSpec:
        """Plain data from which a child process makes the same engine."""
        ...

    def check(self) -> Ready | Missing:
        """Whether it can be used now, in well under a second and without a network."""
        ...

    def load(self) -> LoadedEngine:
        """Load the model; only in a child process. Raises `EngineError`."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which engine `auto` took, and why the better ones were not."""

    engine: Engine
    ready: Ready
    why: str
    passed_over: Sequence[tuple[str, Missing]] = ()
