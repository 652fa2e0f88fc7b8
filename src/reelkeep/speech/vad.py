"""Where in a recording somebody speaks.

The Silero model (MIT; its ONNX file comes inside the faster-whisper package) gives one probability for
every 32 ms. Its state is carried from block to block, so that a recording of any length is heard as one
piece, in constant memory and while it is still being decoded: a span is told as soon as nothing that comes
later can change it.
"""

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech import sound
from reelkeep.speech.protocol import SAMPLE_RATE_HZ, Pcm, Span

WINDOW_SAMPLES = 512
WINDOW_SECONDS = WINDOW_SAMPLES / SAMPLE_RATE_HZ
CONTEXT_SAMPLES = 64
BLOCK_SAMPLES = WINDOW_SAMPLES * 250

# Speech begins above the first and ends below the second: the hysteresis that Silero's authors advise.
SPEECH_BEGINS_AT = 0.5
SPEECH_ENDS_AT = 0.35
SPEECH_SECONDS_MIN = 0.1
PAUSE_SECONDS_MIN = 0.4
# Half of this costs PocketSphinx a third more errors; it hears first and last sounds badly without it.
PADDING_SECONDS = 0.4

Curve = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard in each window of 32 ms."""

    #: Probability of speech, 0 to 1.
    speech: Curve
    #: Root mean square of the samples, 0 to 1.
    loudness: Curve


class Ear:
    """Hears one recording, piece after piece."""

    def __init__(self) -> None:
        """Raises `EngineError` where the model cannot be read."""
        self._model = _SileroModel()

    def hear(self, pcm: Pcm) -> Hearing:
        """What is in the sound that follows; all but the last piece must be whole windows."""
        windows = _windows(pcm)
        loudness = np.sqrt(np.mean(np.square(windows), axis=1))
        return Hearing(self._model.probabilities(windows), loudness)


class Spans:
    """The spans in which somebody speaks, sorted and apart; each keeps a little of the pause around it."""

    def __init__(self) -> None:
        self._runs = _Runs()
        #: The last span so far, without its padding: what comes next may lie close to it.
        self._open: Span | None = None
        self._pause_before = math.inf

    @property
    def has_any(self) -> bool:
        """Whether there is one, settled or not."""
        return self._open is not None

    def hear(self, probabilities: Curve) -> list[Span]:
        """The spans that are settled by the windows that follow."""
        return [span for run in self._runs.hear(probabilities) for span in self._settled_by(run)]

    def end(self, duration_seconds: float) -> list[Span]:
        """The spans that are settled by the recording's end."""
        spans = [span for run in self._runs.end() for span in self._settled_by(run, duration_seconds)]
        if self._open is not None:
            # Padding may reach to the very end, which is no neighbour to share a pause with.
            pause = duration_seconds + PADDING_SECONDS - self._open.end
            spans.append(_padded(self._open, self._pause_before, pause, duration_seconds))
        return spans

    def _settled_by(self, run: tuple[int, int], duration_seconds: float = math.inf) -> Iterator[Span]:
        start, end = run
        if (end - start) * WINDOW_SECONDS < SPEECH_SECONDS_MIN:
            return
        span = Span(start * WINDOW_SECONDS, min(end * WINDOW_SECONDS, duration_seconds))
        pause = math.inf
        if self._open is not None:
            pause = span.start - self._open.end
            yield _padded(self._open, self._pause_before, pause, duration_seconds)
        self._open, self._pause_before = span, pause


class _Runs:
    """Runs of windows `[start, end)` with speech, joined across pauses that are too short to count."""

    PAUSE_WINDOWS = round(PAUSE_SECONDS_MIN / WINDOW_SECONDS)

    def __init__(self) -> None:
        self._heard = 0
        self._start: int | None = None
        self._silent_since: int | None = None

    def hear(self, probabilities: Curve) -> Iterator[tuple[int, int]]:
        """Runs that ended in the windows that follow."""
        for index, probability in enumerate(probabilities.tolist(), self._heard):
            if probability >= SPEECH_BEGINS_AT:
                self._start, self._silent_since = index if self._start is None else self._start, None
            elif self._start is not None and (probability < SPEECH_ENDS_AT or self._silent_since is not None):
                self._silent_since = index if self._silent_since is None else self._silent_since
                if index - self._silent_since >= self.PAUSE_WINDOWS:
                    yield self._start, self._silent_since
                    self._start = self._silent_since = None
        self._heard += len(probabilities)

    def end(self) -> Iterator[tuple[int, int]]:
        """The run that the end of the recording ends."""
        if self._start is not None:
            yield self._start, self._heard if self._silent_since is None else self._silent_since


def _padded(span: Span, pause_before: float, pause_after: float, duration_seconds: float) -> Span:
    start = max(0.0, span.start - min(PADDING_SECONDS, pause_before / 2))
    end = min(duration_seconds, span.end + min(PADDING_SECONDS, pause_after / 2))
    return Span(round(start, 3), round(end, 3))


def _windows(pcm: Pcm) -> Curve:
    whole = -(-len(pcm) // WINDOW_SAMPLES) * WINDOW_SAMPLES
    samples = np.zeros(whole, dtype=np.float32)
    samples[: len(pcm)] = pcm
    return (samples / np.float32(sound.INT16_PER_UNIT)).reshape(-1, WINDOW_SAMPLES)


class _SileroModel:
    """The model with its memory of what came before."""

    def __init__(self) -> None:
        self._session = _open_session(_model_path())
        self._state = [np.zeros((1, 1, 128), dtype=np.float32) for _ in range(2)]
        self._context: Curve = np.zeros((1, CONTEXT_SAMPLES), dtype=np.float32)

    def probabilities(self, windows: Curve) -> Curve:
        """One probability for each of the windows that follow those given before."""
        tails = windows[:, -CONTEXT_SAMPLES:]
        contexts = np.concatenate([self._context, tails[:-1]])
        self._context = tails[-1:].copy()
        given = {
            "input": np.concatenate([contexts, windows], axis=1),
            "h": self._state[0],
            "c": self._state[1],
        }
        probabilities, *self._state = self._session.run(None, given)
        return np.asarray(probabilities, dtype=np.float32).reshape(-1)


def _model_path() -> Path:
    # The package is found without being imported: importing it loads a whole inference engine.
    package = importlib.util.find_spec("faster_whisper")
    folders = (package.submodule_search_locations or []) if package else []
    for folder in folders:
        for path in sorted((Path(folder) / "assets").glob("silero_vad*.onnx")):
            return path
    raise EngineError(
        "The voice activity model is not installed: install the package faster-whisper, which carries it.",
        ErrorCode.ENGINE_NOT_READY,
    )


def _open_session(path: Path) -> Any:
    import onnxruntime  # noqa: PLC0415 - only the child process that listens needs it

    settings = onnxruntime.SessionOptions()
    settings.inter_op_num_threads = settings.intra_op_num_threads = 1
    # Without the arena memory is given back after each block.
    settings.enable_cpu_mem_arena = False
    settings.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"], sess_options=settings)
