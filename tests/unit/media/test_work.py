"""Every kind of file ends in a right result or a clear error."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.media import peaks_format
from reelkeep.media.facts import MediaLimits
from reelkeep.media.work import extract_sound, make_peaks, make_playback, probe
from tests.fixtures import media

LIMITS = MediaLimits(seconds_max=120)
KINDS = ["wav", "flac", "mp3", "ogg", "webm", "m4a", "mov", "3gp", "aac", "aiff", "caf", "wma", "avi"]
#: Encoders without a trimmed end leave up to two packets of padding.
PADDING_SECONDS = 0.06


def real_recordings() -> list[Path]:
    """Real speech where REELKEEP_TEST_AUDIO names a folder of it, one file else made here."""
    folder = os.environ.get("REELKEEP_TEST_AUDIO")
    return sorted(Path(folder).glob("**/*.flac")) if folder else []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def read_speech(path: Path) -> media.Samples:
    return (np.fromfile(path, "<i2") / 32_768).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_container_is_probed_and_its_sound_comes_out_in_place(
    kind: str, source: Path, target: Path
) -> None:
    source.write_bytes(media.encode(media.beeps(6.5), kind))
    facts = await probe(source, LIMITS)
    assert facts.duration_seconds == pytest.approx(6.5, abs=PADDING_SECONDS)
    assert (facts.sample_rate_hz, facts.channels, facts.has_video) == (48_000, 1, False)
    assert set(facts.warnings) <= {"no_duration"}
    rendered = await extract_sound(source, target, LIMITS)
    assert rendered.size_bytes == round(rendered.duration_seconds * 32_000) == target.stat().st_size
    assert [media.second_heard(read_speech(target), 16_000, second + 0.5) for second in range(6)] == list(
        range(6)
    )


async def test_amr_of_a_telephone_is_read(source: Path) -> None:
    source.write_bytes(media.encode(media.beeps(3, 8_000), "amr", 8_000))
    facts = await probe(source, LIMITS)
    assert facts.duration_seconds == pytest.approx(3, abs=PADDING_SECONDS)
    assert facts.warnings == ("no_duration",)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
async def test_of_a_video_the_sound_is_taken(kind: str, source: Path, target: Path) -> None:
    source.write_bytes(media.with_pictures(media.beeps(4), kind))
    facts = await probe(source, LIMITS)
    assert facts.has_video
    assert facts.warnings == ()
    rendered = await make_playback(source, target, LIMITS)
    assert rendered.duration_seconds == pytest.approx(4, abs=PADDING_SECONDS)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "webm", "aac", "aiff", "caf", "wma", "avi"])
async def test_of_a_truncated_file_what_is_there_is_used_and_said_to_be_short(
    kind: str, source: Path, target: Path
) -> None:
    data = media.encode(media.beeps(10), kind)
    source.write_bytes(data[: len(data) // 2])
    facts = await probe(source, LIMITS)
    assert "truncated" in facts.warnings
    assert 4 < facts.duration_seconds < 6
    rendered = await make_playback(source, target, LIMITS)
    assert rendered.duration_seconds == pytest.approx(facts.duration_seconds, abs=0.001)


async def test_a_truncated_mp4_with_its_index_in_front_is_used(source: Path, target: Path) -> None:
    source.write_bytes(media.wav(media.beeps(10)))
    await make_playback(source, target, LIMITS)
    data = target.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    facts = await probe(source, LIMITS)
    assert "truncated" in facts.warnings
    assert facts.declared_duration_seconds == pytest.approx(10, abs=PADDING_SECONDS)
    assert 5 < facts.duration_seconds < 8


async def test_a_truncated_mp4_without_its_index_is_refused_with_the_reason(source: Path) -> None:
    data = media.encode(media.beeps(10), "m4a")
    source.write_bytes(data[: len(data) - 3_000])
    with pytest.raises(MediaError, match="ends before its index") as caught:
        await probe(source, LIMITS)
    assert caught.value.code == ErrorCode.MEDIA_UNREADABLE


async def test_a_live_recording_without_a_length_is_measured(source: Path) -> None:
    source.write_bytes(media.encode(media.beeps(5), "webm", live="1"))
    facts = await probe(source, LIMITS)
    assert facts.declared_duration_seconds is None
    assert facts.duration_seconds == pytest.approx(5, abs=PADDING_SECONDS)
    assert facts.warnings == ("no_duration",)


async def test_a_header_that_lies_about_the_length_is_found_out(source: Path) -> None:
    fmt = struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16)
    source.write_bytes(media.riff(fmt, bytes(96_000), declared=96_000 * 3_600))
    facts = await probe(source, LIMITS)
    assert facts.duration_seconds == pytest.approx(1)
    assert facts.declared_duration_seconds == pytest.approx(3_600)
    assert set(facts.warnings) == {"truncated", "silent"}


async def test_a_mislabelled_file_is_read_as_what_it_is(tmp_path: Path) -> None:
    named = tmp_path / "speech.mp3"
    named.write_bytes(media.encode(media.beeps(2), "webm"))
    assert (await probe(named, LIMITS)).codec == "opus"


@pytest.mark.parametrize("kind", ["wav", "webm"])
async def test_silence_is_a_result_that_says_so(kind: str, source: Path, target: Path) -> None:
    source.write_bytes(media.encode(media.silence(3), kind))
    facts = await probe(source, LIMITS)
    assert facts.warnings == ("silent",)
    assert (await make_playback(source, target, LIMITS)).duration_seconds == pytest.approx(
        3, abs=PADDING_SECONDS
    )
    await make_peaks(source, target, LIMITS)
    assert not any(peaks_format.read_overview(target.read_bytes()))


@pytest.mark.parametrize("work", ["probe", "playback", "peaks", "sound"])
async def test_sound_of_no_length_is_refused_by_every_work(work: str, source: Path, target: Path) -> None:
    source.write_bytes(media.wav(media.silence(0)))
    with pytest.raises(MediaError, match="empty") as caught:
        await {
            "probe": lambda: probe(source, LIMITS),
            "playback": lambda: make_playback(source, target, LIMITS),
            "peaks": lambda: make_peaks(source, target, LIMITS),
            "sound": lambda: extract_sound(source, target, LIMITS),
        }[work]()
    assert caught.value.code == ErrorCode.MEDIA_NO_SOUND
    assert not target.exists()


async def test_a_video_without_sound_is_refused(source: Path) -> None:
    data = media.with_pictures(media.beeps(1))
    source.write_bytes(data.replace(b"soun", b"text").replace(b"mp4a", b"xxxx"))
    with pytest.raises(MediaError) as caught:
        await probe(source, LIMITS)
    assert caught.value.code == ErrorCode.MEDIA_NO_SOUND


async def test_eight_channels_are_all_heard_in_the_mix(source: Path, target: Path) -> None:
    channels = [media.beeps(8)[0] * (np.arange(8 * 48_000) // 48_000 == place) for place in range(8)]
    source.write_bytes(media.wav(np.array(channels, np.float32)))
    assert (await probe(source, LIMITS)).channels == 8
    rendered = await make_playback(source, target, LIMITS)
    assert rendered.details["channels"] == 1
    heard, rate = media.decode(target)
    for second in range(8):
        part = heard[0, second * rate + 5_000 : (second + 1) * rate - 5_000]
        assert np.abs(part).max() > 0.05
        assert media.loudest_tone(part, rate) == pytest.approx(media.tone_of(second), abs=5)


async def test_stereo_stays_stereo_and_each_channel_can_be_taken_out(source: Path, target: Path) -> None:
    left = media.beeps(3)
    source.write_bytes(media.wav(np.concatenate([left, media.silence(3)])))
    assert (await make_playback(source, target, LIMITS)).details["channels"] == 2
    heard, _ = media.decode(target)
    assert np.abs(heard[0]).max() > 0.2
    assert np.abs(heard[1]).max() < 0.02
    await extract_sound(source, target, LIMITS, channel=0)
    assert np.abs(read_speech(target)).max() > 0.2
    await extract_sound(source, target, LIMITS, channel=1)
    assert not read_speech(target).any()
    with pytest.raises(MediaError, match="no channel 2"):
        await extract_sound(source, target, LIMITS, channel=2)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
async def test_every_sample_rate_keeps_its_time(rate: int, source: Path, target: Path) -> None:
    source.write_bytes(media.wav(media.beeps(3.5, rate), rate))
    rendered = await make_playback(source, target, LIMITS)
    assert rendered.details["sample_rate_hz"] in (44_100, 48_000)
    assert rendered.duration_seconds == pytest.approx(3.5, abs=0.001)
    heard, heard_rate = media.decode(target)
    for moment, second in ((0.96, 0), (1.04, 1), (1.96, 1), (2.04, 2), (2.96, 2), (3.04, 3)):
        assert media.second_heard(heard[0], heard_rate, moment) == second
    rendered = await make_peaks(source, target, LIMITS)
    assert rendered.details["pairs"] == 175


async def test_peaks_show_the_loud_and_the_quiet_at_their_times(source: Path, target: Path) -> None:
    samples = np.concatenate([media.beeps(2, level=0.8), media.silence(2), media.beeps(1, level=0.4)], axis=1)
    source.write_bytes(media.wav(samples))
    rendered = await make_peaks(source, target, LIMITS)
    peaks = target.read_bytes()
    assert rendered.content_type == peaks_format.CONTENT_TYPE
    header = peaks_format.read_header(peaks)
    assert (header.detail_pairs, header.duration_seconds) == (250, 5.0)
    for window, level in (((0.1, 1.9), 0.8), ((2.1, 3.9), 0.0), ((4.1, 4.9), 0.4)):
        start, end = peaks_format.window_range(*window)
        pairs = np.frombuffer(peaks[start:end], np.int8).reshape(-1, 2)
        assert pairs[:, 1] == pytest.approx(level * 127, abs=2)
        assert pairs[:, 0] == pytest.approx(-level * 127, abs=2)
    overview = np.frombuffer(peaks_format.read_overview(peaks), np.int8).reshape(2_000, 2)
    assert overview[:700, 1].min() > 95
    assert overview[850:1_550].max() == 0


async def test_a_pair_of_peaks_is_the_extremes_over_all_channels(source: Path, target: Path) -> None:
    up, down = np.full((1, 48_000), 0.5, np.float32), np.full((1, 48_000), -0.25, np.float32)
    source.write_bytes(media.wav(np.concatenate([up, down])))
    await make_peaks(source, target, LIMITS)
    pairs = np.frombuffer(target.read_bytes()[peaks_format.DETAIL_START :], np.int8).reshape(-1, 2)
    assert pairs.shape == (50, 2)
    assert set(map(tuple, pairs.tolist())) == {(-32, 64)} or set(map(tuple, pairs.tolist())) == {(-32, 63)}


@pytest.mark.parametrize("kind", ["mp3", "flac", "webm", "m4a", "ogg"])
async def test_damage_in_the_middle_is_passed_over_and_said(kind: str, source: Path, target: Path) -> None:
    data = bytearray(media.encode(media.beeps(20), kind))
    middle = len(data) * 2 // 5
    data[middle : middle + len(data) // 12] = np.random.default_rng(3).bytes(len(data) // 12)
    source.write_bytes(data)
    facts = await probe(source, LIMITS)
    assert {"damaged", "gaps"} & set(facts.warnings)
    assert facts.duration_seconds > 15
    await extract_sound(source, target, LIMITS)
    heard = read_speech(target)
    assert [media.second_heard(heard, 16_000, second + 0.5) for second in range(6)] == list(range(6))
    if kind != "mp3":  # an MP3 frame says nothing of its time
        late = [media.second_heard(heard, 16_000, second + 0.5) for second in range(15, 19)]
        assert late == [second % 10 for second in range(15, 19)]


async def test_hours_are_worked_on_like_minutes(source: Path, target: Path) -> None:
    media.long_flac(source, hours=1, rate=8_000)
    facts = await probe(source, LIMITS)
    assert facts.duration_seconds == pytest.approx(3_600)
    rendered = await make_peaks(source, target, LIMITS)
    assert rendered.details["pairs"] == 180_000
    rendered = await extract_sound(source, target, LIMITS)
    assert rendered.size_bytes == 3_600 * 32_000
    with target.open("rb") as file:
        file.seek(3_541 * 32_000)
        late = np.frombuffer(file.read(32_000), "<i2") / 32_768
    assert media.second_heard(late, 16_000, 0.5) == 1


async def test_progress_rises_to_the_end(source: Path) -> None:
    media.long_flac(source, hours=0.5, rate=8_000)
    told: list[float] = []
    await probe(source, LIMITS, told.append)
    assert told == sorted(told)
    assert len(told) > 1
    assert all(0 <= fraction <= 1 for fraction in told)


@pytest.mark.parametrize("index", range(3))
async def test_speech_keeps_its_length_through_every_work(index: int, source: Path, target: Path) -> None:
    recordings = real_recordings()
    if index < len(recordings):
        source = recordings[index]
    else:
        source.write_bytes(media.encode(media.beeps(7 + index, 16_000), "flac", 16_000))
    facts = await probe(source, LIMITS)
    assert facts.warnings == ()
    for work in (make_playback, make_peaks, extract_sound):
        rendered = await work(source, target, LIMITS)
        assert rendered.duration_seconds == pytest.approx(facts.duration_seconds, abs=0.001)


async def test_what_holds_the_decoder_in_is_said(source: Path) -> None:
    source.write_bytes(media.wav(media.beeps(1)))
    facts = await probe(source, LIMITS)
    assert facts.sandbox == "seccomp" or facts.sandbox.startswith("none: ")
