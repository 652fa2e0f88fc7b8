"""The peaks file answers a window with one range of bytes."""

import pytest

from reelkeep.media import peaks_format


def test_a_header_comes_back_as_it_was_written() -> None:
    header = peaks_format.read_header(peaks_format.write_header(1_234, 24.68))
    assert (header.detail_pairs, header.duration_seconds) == (1_234, 24.68)
    assert (header.pairs_per_second, header.overview_pairs) == (50, 2_000)


def test_the_overview_is_the_two_thousand_pairs_behind_the_header() -> None:
    overview = bytes(range(250)) * 16
    peaks = peaks_format.write_header(1, 0.02) + overview + b"\x01\x02"
    assert peaks_format.read_overview(peaks) == overview
    assert peaks_format.read_overview(peaks[: peaks_format.DETAIL_START]) == overview


def test_a_window_is_the_bytes_of_its_pairs() -> None:
    assert peaks_format.window_range(0, 1) == (4_032, 4_132)
    assert peaks_format.window_range(0.01, 0.03) == (4_032, 4_036)
    assert peaks_format.window_range(300, 600) == (4_032 + 30_000, 4_032 + 60_000)
    assert peaks_format.window_range(5, 5) == (4_532, 4_532)


@pytest.mark.parametrize("window", [(-1.0, 2.0), (3.0, 2.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_a_window_that_is_none_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="window"):
        peaks_format.window_range(*window)


@pytest.mark.parametrize("data", [b"", b"RKPK", b"WHAT" + bytes(28), peaks_format.write_header(1, 1)])
def test_other_bytes_are_no_peaks_file(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|peaks|overview"):
        peaks_format.read_overview(data)
