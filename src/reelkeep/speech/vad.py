"""Where in a recording somebody speaks.

The Silero model (MIT; its ONNX file comes inside the faster-whisper package) gives one probability for
every 32 ms. Its state is carried from block to block, so that a recording of any length is heard as one
piece in constant memory.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech import sound
from reelkeep.speech.protocol import SAMPLE_RATE_HZ, Pcm, Progress, Span

WINDOW_SAMPLES = 512
WINDOW_SECONDS = WINDOW_SAMPLES / SAMPLE_RATE_HZ
CONTEXT_SAMPLES = 64
BLOCK_SAMPLES = WINDOW_SAMPLES * 1_000

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
    duration_seconds: float


def hear(pcm_path: Path, progress: Progress = lambda _seconds: None) -> Hearing:
    """Listen through the whole file once. Raises `EngineError` when the file or the model cannot be read."""
    model = _SileroModel()
    speech, loudness, done = [], [], 0
    for pcm in sound.blocks(pcm_path, BLOCK_SAMPLES):
        windows = _windows(pcm)
        speech.append(model.probabilities(windows))
        loudness.append(np.sqrt(np.mean(np.square(windows), axis=1)))
        done += len(pcm)
        progress(done / SAMPLE_RATE_HZ)
    return Hearing(_joined(speech), _joined(loudness), done / SAMPLE_RATE_HZ)


def spans_of_speech(hearing: Hearing) -> list[Span]:
    """The spans in which somebody speaks, sorted and apart; each keeps a little of the pause around it."""
    runs = [run for run in _runs(hearing.speech) if (run[1] - run[0]) * WINDOW_SECONDS >= SPEECH_SECONDS_MIN]
    spans = [
        Span(start * WINDOW_SECONDS, min(end * WINDOW_SECONDS, hearing.duration_seconds))
        for start, end in runs
    ]
    return _padded(spans, hearing.duration_seconds)


def _runs(probabilities: Curve) -> Iterator[tuple[int, int]]:
    """Runs of windows `[start, end)` with speech, joined across pauses that are too short to count."""
    pause_windows = round(PAUSE_SECONDS_MIN / WINDOW_SECONDS)
    start = silent_since = None
    for index, probability in enumerate(probabilities.tolist()):
        if probability >= SPEECH_BEGINS_AT:
            start, silent_since = index if start is None else start, None
        elif start is not None and (probability < SPEECH_ENDS_AT or silent_since is not None):
            silent_since = index if silent_since is None else silent_since
            if index - silent_since >= pause_windows:
                yield start, silent_since
                start = silent_since = None
    if start is not None:
        yield start, len(probabilities) if silent_since is None else silent_since


def _padded(spans: list[Span], duration: float) -> list[Span]:
    padded = []
    for index, span in enumerate(spans):
        before = span.start - (spans[index - 1].end if index else -2 * PADDING_SECONDS)
        after = (spans[index + 1].start if index + 1 < len(spans) else duration + PADDING_SECONDS) - span.end
        start = max(0.0, span.start - min(PADDING_SECONDS, before / 2))
        end = min(duration, span.end + min(PADDING_SECONDS, after / 2))
        padded.append(Span(round(start, 3), round(end, 3)))
    return padded


def _windows(pcm: Pcm) -> Curve:
    whole = -(-len(pcm) // WINDOW_SAMPLES) * WINDOW_SAMPLES
    samples = np.zeros(whole, dtype=np.float32)
    samples[: len(pcm)] = pcm
    return (samples / np.float32(sound.INT16_PER_UNIT)).reshape(-1, WINDOW_SAMPLES)


def _joined(curves: list[Curve]) -> Curve:
    return np.concatenate(curves) if curves else np.zeros(0, dtype=np.float32)


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
