"""What Whisper is shown, made in pieces: the same, in less memory."""

import tracemalloc

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from reelkeep.speech import faster_whisper_features
from reelkeep.speech.faster_whisper_features import Floats, PiecewiseExtractor
from reelkeep.speech.protocol import SAMPLE_RATE_HZ

PIECE_SAMPLES = faster_whisper_features.PIECE_FRAMES * 160


def noise(samples: int, loudness: float = 0.1) -> Floats:
    """Noise whose second half is a thousand times as quiet."""
    made = (loudness * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)
    made[samples // 2 :] /= 1_000
    return made


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize(
    "samples", [1, 161, PIECE_SAMPLES - 160, PIECE_SAMPLES, PIECE_SAMPLES + 1, 3 * PIECE_SAMPLES + 77]
)
def test_the_spectrogram_is_the_librarys_wherever_a_piece_ends(samples: int, bands: int) -> None:
    whole = FeatureExtractor(feature_size=bands)
    shown = PiecewiseExtractor(whole)(noise(samples))
    expected = whole(noise(samples))
    assert shown.shape == expected.shape
    assert shown.dtype == expected.dtype
    assert np.allclose(shown, expected, atol=1e-5)


def test_digital_silence_is_shown_as_the_library_shows_it() -> None:
    silence = np.zeros(2 * PIECE_SAMPLES, np.float32)
    assert np.allclose(PiecewiseExtractor(FeatureExtractor())(silence), FeatureExtractor()(silence))


def test_settings_are_the_librarys_also_when_a_call_changes_them() -> None:
    whole = FeatureExtractor()
    extractor = PiecewiseExtractor(whole)
    assert extractor(noise(PIECE_SAMPLES), chunk_length=10).shape == whole(noise(PIECE_SAMPLES)).shape
    assert extractor.n_samples == whole.n_samples == 10 * SAMPLE_RATE_HZ


def test_two_minutes_need_little_memory_beside_themselves() -> None:
    sound = noise(120 * SAMPLE_RATE_HZ)
    tracemalloc.start()
    try:
        PiecewiseExtractor(FeatureExtractor())(sound)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * sound.nbytes
