"""The M4A writer makes files that FFmpeg reads to the sample."""

import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelkeep.media import mp4
from tests.fixtures import media


def write(path: Path, samples: media.Samples, rate: int = 48_000) -> int:
    """Encode samples into an M4A file; gives the number of packets."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.format, encoder.bit_rate = rate, "fltp", 96_000
    encoder.layout, encoder.time_base = "mono", Fraction(1, rate)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    file = mp4.AacFile(fd)
    frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    packets = [bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]]
    for packet in packets:
        file.add(packet)
    track = mp4.AacTrack(rate, 1, 96_000, bytes(encoder.extradata or b""))
    file.finish(track, 1_024, samples.shape[1])
    os.close(fd)
    return len(packets)


def boxes(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Name, start and size of each box at the top level."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        size = struct.unpack_from(">Q", data, at + 8)[0] if size == 1 else size
        yield kind.decode(), at, size
        at += size


def test_the_index_stands_before_the_sound_and_the_boxes_fill_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    write(path, media.beeps(5))
    data = path.read_bytes()
    found = list(boxes(data))
    assert [kind for kind, _, _ in found] == ["ftyp", "moov", "mdat"]
    assert sum(size for _, _, size in found) == len(data)


@pytest.mark.parametrize("count", [1, 1_023, 1_024, 1_025, 48_000, 48 * 1_024 * 3, 200_001])
def test_every_sample_comes_back_at_its_time(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.m4a"
    samples = media.beeps(5)[:, :count]
    write(path, samples)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].duration == count
    heard, rate = media.decode(path)
    assert rate == 48_000
    assert 0 <= heard.shape[1] - count < 2 * mp4.SAMPLES_PER_PACKET
    if count >= 48_000:
        middle = slice(2_000, count - 2_000)
        assert np.corrcoef(heard[0, middle], samples[0, middle])[0, 1] > 0.99


def test_moving_the_sound_in_small_blocks_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "at once.m4a", media.beeps(5))
    monkeypatch.setattr(mp4, "MOVE_BYTES", 1_000)
    write(tmp_path / "in pieces.m4a", media.beeps(5))
    assert (tmp_path / "at once.m4a").read_bytes() == (tmp_path / "in pieces.m4a").read_bytes()


def test_a_seek_lands_on_the_right_packet(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    write(path, media.beeps(30))
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        container.seek(17 * av.time_base)
        for frame in container.decode(stream):
            assert frame.pts is not None
            if frame.pts * frame.time_base > 17.1:
                heard = media.loudest_tone(frame.to_ndarray()[0], 48_000)
                assert heard == pytest.approx(media.tone_of(17), abs=60)
                break
