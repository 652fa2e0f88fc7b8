"""Sound to measure with: flite's speech with pauses, as WAV or as the M4A that phones make, of any length."""

import random
import shutil
import subprocess
import tempfile
import wave
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

SPEECH_RATE_HZ = 16_000
PHONE_RATE_HZ = 44_100
PHONE_BIT_RATE = 64_000
#: A longer recording is this much, again and again.
PIECE_SECONDS = 600
VOICES = ("slt", "rms", "awb")
SENTENCES = (
    "Good morning, please come in and take a seat.",
    "We met on Monday and talked about the weather and the harvest.",
    "After lunch the children walked to the park and played by the river.",
    "I have not slept well for about three weeks now.",
    "Could you tell me a little more about what happened that evening?",
    "The temperature was thirty nine and she did not want to eat.",
    "Please call me back when you have time to discuss the report.",
    "We will look at it again in two weeks, and earlier if it gets worse.",
    "The second half of the lecture is about rivers, lakes and the sea.",
    "He said that the meeting had been moved to the following Thursday.",
)


def speech(seconds: float) -> Pcm:
    """Sentences of three voices, shuffled the same way every time, with pauses of 0.5 to 1.5 s."""
    drawn = random.Random(0)
    parts: list[Pcm] = []
    length, wanted = 0, round(seconds * SPEECH_RATE_HZ)
    while length < wanted:
        clip = _say(drawn.choice(SENTENCES), drawn.choice(VOICES))
        pause = np.zeros(round(drawn.uniform(0.5, 1.5) * SPEECH_RATE_HZ), np.int16)
        parts += [clip, pause]
        length += len(clip) + len(pause)
    return np.concatenate(parts)[:wanted]


def write_wav(path: Path, samples: Pcm, channels: int = 1) -> Path:
    """A 16-bit WAV file at 16 kHz; several channels are interleaved in `samples`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(SPEECH_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_m4a(path: Path, seconds: float) -> Path:
    """Speech as AAC in MP4, mono at 44.1 kHz: encoded once for ten minutes, and packed again and again."""
    piece = path.with_suffix(".piece.m4a")
    _encode(piece, speech(min(seconds, PIECE_SECONDS)))
    _repeat(piece, path, max(1, round(seconds / PIECE_SECONDS)))
    piece.unlink()
    return path


def write_stereo_m4a(path: Path, seconds: float) -> Path:
    """Two people, one on each channel, at 44.1 kHz and 128 kbit/s."""
    left = speech(seconds)
    _encode(path, np.stack([left, np.roll(left, 30 * SPEECH_RATE_HZ)], axis=1).reshape(-1), channels=2)
    return path


def write_raw(path: Path, samples: Pcm) -> Path:
    """What an engine is given: int16 mono at 16 kHz without a header."""
    path.write_bytes(samples.astype("<i2").tobytes())
    return path


@cache
def _say(text: str, voice: str) -> Pcm:
    if shutil.which("flite") is None:
        raise RuntimeError("The speech to measure with is made by flite: install Debian's package flite.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=60)
        with wave.open(str(path)) as file:
            assert file.getframerate() == SPEECH_RATE_HZ
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def _encode(path: Path, samples: Pcm, channels: int = 1) -> None:
    layout = {1: "mono", 2: "stereo"}[channels]
    resampler = av.AudioResampler("fltp", layout, PHONE_RATE_HZ)
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=PHONE_RATE_HZ, layout=layout)
        stream.bit_rate = PHONE_BIT_RATE * channels
        step = SPEECH_RATE_HZ * channels
        for start in range(0, len(samples), step):
            block = np.ascontiguousarray(samples[start : start + step][None, :])
            frame = av.AudioFrame.from_ndarray(block, "s16", layout)
            frame.sample_rate, frame.pts = SPEECH_RATE_HZ, start // channels
            frame.time_base = Fraction(1, SPEECH_RATE_HZ)
            for resampled in resampler.resample(frame):
                output.mux(stream.encode(resampled))
        for resampled in resampler.resample(None):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))


def _repeat(piece: Path, target: Path, times: int) -> None:
    """The packets of a file so many times one after another."""
    with av.open(str(target), "w", format="mp4") as output:
        moment: int | None = None
        stream = None
        for _ in range(times):
            with av.open(str(piece)) as source:
                template = source.streams.audio[0]
                stream = stream or output.add_stream_from_template(template)
                for packet in source.demux(template):
                    if packet.dts is None:
                        continue
                    moment = int(packet.pts or 0) if moment is None else moment
                    packet.pts = packet.dts = moment
                    moment += int(packet.duration or 1024)
                    packet.stream = stream
                    output.mux(packet)
