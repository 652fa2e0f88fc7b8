"""What Whisper is shown of a sound, its log-mel spectrogram, made in pieces.

faster-whisper makes it of all that it is given at once, through several arrays of every frame's whole
spectrum: over half a megabyte of memory for each second. Here the library's own transform and filters look
at a few seconds at a time, and only what Whisper is shown is kept.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Frames, of 10 ms each, whose whole spectra are in memory at once.
PIECE_FRAMES = 500
#: Power below which the logarithm is not taken.
POWER_MIN = 1e-10
#: Whatever is quieter than the loudest by more than this, as a power of ten, counts as so much quieter.
RANGE_DECADES = 8.0


class PiecewiseExtractor:
    """Stands in for the `FeatureExtractor` of a faster-whisper model, and gives what that gives."""

    def __init__(self, whole: Any) -> None:
        """`whole` is the model's own, whose settings and filters are used."""
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def __call__(self, waveform: Floats, padding: int = 160, chunk_length: int | None = None) -> Any:
        """Bands by frames, for Whisper; a `chunk_length`, which changes settings, is the other's to obey."""
        if chunk_length is not None:
            return self._whole(waveform, padding, chunk_length)
        shown = self._mel_power(self._padded(waveform, padding))
        np.log10(np.maximum(shown, POWER_MIN, out=shown), out=shown)
        np.maximum(shown, shown.max() - RANGE_DECADES, out=shown)
        shown += 4.0
        shown /= 4.0
        return shown

    def _padded(self, waveform: Floats, padding: int) -> Floats:
        """The first and the last frame are centred on the sound's ends."""
        longer: Floats = np.pad(waveform.astype(np.float32, copy=False), (0, padding))
        return np.pad(longer, self._whole.n_fft // 2, mode="reflect")

    def _mel_power(self, padded: Floats) -> Floats:
        """How loud each band is in each frame but the last, which Whisper is not shown."""
        width, hop = self._whole.n_fft, self._whole.hop_length
        window = np.hanning(width + 1)[:-1].astype(np.float32)
        frames = (len(padded) - width) // hop
        shown = np.empty((len(self._whole.mel_filters), frames), np.float32)
        for first in range(0, frames, PIECE_FRAMES):
            after = min(first + PIECE_FRAMES, frames)
            piece = padded[first * hop : (after - 1) * hop + width]
            spectra = self._whole.stft(piece, width, hop, window=window, center=False, return_complex=True)
            power = np.square(np.abs(spectra.astype(np.complex64, copy=False)))
            shown[:, first:after] = self._whole.mel_filters @ power
        return shown
