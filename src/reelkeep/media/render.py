"""What is made from sound, block by block and in flat memory: playback, peaks, samples for speech."""

import os
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.media import peaks_format
from reelkeep.media.decode import Block, SoundReader, mix
from reelkeep.media.facts import Rendered
from reelkeep.media.measure import refuse_empty
from reelkeep.media.mp4 import SAMPLES_PER_PACKET, AacFile, AacTrack

PLAYBACK_BIT_RATES = {1: 96_000, 2: 128_000}
SPEECH_RATE_HZ = 16_000
LAYOUTS = {1: "mono", 2: "stereo"}


def playback(sound: SoundReader, target_fd: int) -> Rendered:
    """AAC-LC at a constant bit rate in MP4 with its index in front: mono as mono, stereo as stereo, more
    channels mixed into one. Every current browser and phone plays it and seeks in it to the sample."""
    encoder: AudioCodecContext | None = None
    file = AacFile(target_fd)
    channels, rate = _playback_shape(sound)
    samples, priming = 0, 0
    for frame in _resampled(sound, mixed(sound, channels), rate, "fltp"):
        encoder = encoder or _aac_encoder(rate, channels)
        frame.pts, frame.time_base = samples, Fraction(1, rate)
        samples += frame.samples
        priming = _add_packets(file, encoder, frame, priming)
    refuse_empty(sound)
    if encoder is None:
        raise MediaError("The sound is too short to be played.", ErrorCode.MEDIA_NO_SOUND)
    priming = _add_packets(file, encoder, None, priming)
    track = AacTrack(rate, channels, PLAYBACK_BIT_RATES[channels], bytes(encoder.extradata or b""))
    file.finish(track, priming, samples)
    return Rendered(
        content_type="audio/mp4",
        size_bytes=os.fstat(target_fd).st_size,
        duration_seconds=samples / rate,
        details={"codec": "aac", "sample_rate_hz": rate, "channels": channels, "bit_rate": track.bit_rate},
    )


def peaks(sound: SoundReader, target_fd: int) -> Rendered:
    """The peaks file of `peaks_format`: lowest and highest sample over all channels, 50 pairs a second."""
    detail = np.concatenate([*_pairs(sound), np.zeros((0, 2), np.int8)])
    refuse_empty(sound)
    header = peaks_format.write_header(len(detail), sound.seconds)
    _write(target_fd, header + _overview(detail).tobytes() + detail.tobytes())
    return Rendered(
        content_type=peaks_format.CONTENT_TYPE,
        size_bytes=os.fstat(target_fd).st_size,
        duration_seconds=sound.seconds,
        details={"pairs_per_second": peaks_format.PAIRS_PER_SECOND, "pairs": len(detail)},
    )


def samples_for_speech(sound: SoundReader, target_fd: int, channel: int | None = None) -> Rendered:
    """Raw int16 little-endian mono at 16 kHz: all channels mixed, or `channel` alone, counted from 0."""
    if channel is not None and channel >= sound.channels:
        raise MediaError(f"There is no channel {channel}: the sound has {sound.channels}, counted from 0.")
    blocks = mixed(sound, 1) if channel is None else (_one(block, channel) for block in sound.blocks())
    samples = 0
    for frame in _resampled(sound, blocks, SPEECH_RATE_HZ, "s16"):
        samples += frame.samples
        _write(target_fd, frame.to_ndarray().astype("<i2", copy=False).tobytes())
    refuse_empty(sound)
    return Rendered(
        content_type="audio/x-pcm",
        size_bytes=os.fstat(target_fd).st_size,
        duration_seconds=samples / SPEECH_RATE_HZ,
        details={"sample_rate_hz": SPEECH_RATE_HZ, "channels": 1, "format": "s16le"},
    )


def mixed(sound: SoundReader, channels: int) -> Iterator[Block]:
    """The blocks of a sound with 1 or 2 channels."""
    return (mix(block, channels) for block in sound.blocks())


def _one(block: Block, channel: int) -> Block:
    """One channel of a block; silence where the sound has lost it in its middle."""
    found = block[channel : channel + 1]
    return found if len(found) else np.zeros((1, block.shape[1]), np.float32)


def _playback_shape(sound: SoundReader) -> tuple[int, int]:
    """Channels and sample rate: rates of the 44.1 kHz family are kept from resampling by a fraction."""
    channels = 2 if sound.channels == 2 else 1
    return channels, 44_100 if sound.sample_rate % 11_025 == 0 else 48_000


def _aac_encoder(rate: int, channels: int) -> AudioCodecContext:
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate = rate
    encoder.layout = LAYOUTS[channels]
    encoder.format = "fltp"
    encoder.bit_rate = PLAYBACK_BIT_RATES[channels]
    encoder.time_base = Fraction(1, rate)
    encoder.thread_count = 1
    encoder.open()
    if encoder.frame_size != SAMPLES_PER_PACKET:
        raise RuntimeError(f"the AAC encoder makes packets of {encoder.frame_size} samples, not 1024")
    return encoder


def _add_packets(file: AacFile, encoder: AudioCodecContext, frame: AudioFrame | None, priming: int) -> int:
    """Encode and write; the first packet's time before zero is the priming, which is handed on."""
    for packet in encoder.encode(frame):
        if packet.pts is not None and packet.pts < 0:
            priming = max(priming, -packet.pts)
        file.add(bytes(packet))
    return priming


def _resampled(sound: SoundReader, blocks: Iterator[Block], rate: int, form: str) -> Iterator[AudioFrame]:
    """Frames at another rate and format; none is lost or added at the ends."""
    resampler: AudioResampler | None = None
    for block in blocks:
        layout = LAYOUTS[block.shape[0]]
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(np.clip(block, -1.0, 1.0)), "fltp", layout)
        frame.sample_rate = sound.sample_rate
        resampler = resampler or AudioResampler(form, layout, rate)
        yield from resampler.resample(frame)
    if resampler is not None:
        # Where nothing is converted, the resampler hands back what it is given, the end mark too.
        yield from (frame for frame in resampler.resample(None) if frame is not None)


def _pairs(sound: SoundReader) -> Iterator[NDArray[np.int8]]:
    """Pairs of each block; a stretch that goes on in the next block waits for it."""
    rate, taken = sound.sample_rate, 0
    waiting: Block | None = None
    for block in sound.blocks():
        envelope = np.stack([block.min(axis=0), block.max(axis=0)])
        waiting = envelope if waiting is None else np.concatenate([waiting, envelope], axis=1)
        first_pair = _pair_at(taken, rate)
        whole = _pair_at(taken + waiting.shape[1], rate) - first_pair
        if whole > 0:
            starts = _starts(first_pair, whole + 1, rate) - taken
            yield _reduced(waiting[:, : starts[-1]], starts[:-1])
            waiting, taken = waiting[:, starts[-1] :], taken + int(starts[-1])
    if waiting is not None and waiting.shape[1]:
        yield _reduced(waiting, np.zeros(1, np.int64))


def _pair_at(sample: int, rate: int) -> int:
    """The pair that a sample belongs to."""
    return sample * peaks_format.PAIRS_PER_SECOND // rate


def _starts(first: int, count: int, rate: int) -> NDArray[np.int64]:
    """First samples of `count` pairs: the pair of a sample is `floor(sample * 50 / rate)`."""
    return -(-np.arange(first, first + count, dtype=np.int64) * rate // peaks_format.PAIRS_PER_SECOND)


def _reduced(envelope: Block, starts: NDArray[np.int64]) -> NDArray[np.int8]:
    low = np.minimum.reduceat(envelope[0], starts)
    high = np.maximum.reduceat(envelope[1], starts)
    scaled = np.round(np.stack([low, high], axis=1) * 127.0)
    return np.clip(scaled, -127, 127).astype(np.int8)


def _overview(detail: NDArray[np.int8]) -> NDArray[np.int8]:
    """2,000 pairs over all of the detail; where there is less detail than that, pairs are repeated."""
    edges = (
        np.arange(peaks_format.OVERVIEW_PAIRS + 1, dtype=np.int64)
        * len(detail)
        // peaks_format.OVERVIEW_PAIRS
    )
    starts = edges[:-1]
    low = np.minimum.reduceat(detail[:, 0], starts)
    high = np.maximum.reduceat(detail[:, 1], starts)
    return np.stack([low, high], axis=1)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
