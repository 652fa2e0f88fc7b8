"""Opens media from a descriptor and gives its sound in blocks of about a second, as float32.

One clock for everything that is made from a recording: where the timestamps of the sound jump ahead,
silence takes the missing place, so that a word, a peak and the playback position stay together.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import av

# PyAV imports this at its first subtitle or unknown track, when the sandbox opens no more files.
import av.subtitles.stream
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.media.claims import identify, lacks_mp4_index, read_claims
from reelkeep.media.facts import MediaLimits
from reelkeep.media.sniff import Family

#: (channels, samples), full scale 1.0.
Block = NDArray[np.float32]

#: The one demuxer for each family; none of them opens a second file.
DEMUXERS: dict[Family, str] = {"mp4": "mov"}
OTHER_DECODERS = frozenset(
    [
        "aac",
        "aac_fixed",
        "aac_latm",
        "mp1",
        "mp1float",
        "mp2",
        "mp2float",
        "mp3",
        "mp3float",
        "opus",
        "libopus",
        "vorbis",
        "flac",
        "alac",
        "amrnb",
        "amrwb",
        "libopencore_amrnb",
        "libopencore_amrwb",
        "wmav1",
        "wmav2",
        "wmapro",
        "wmalossless",
        "wmavoice",
        "ac3",
        "eac3",
        "speex",
        "gsm",
        "gsm_ms",
    ]
)
DECODERS = OTHER_DECODERS | {name for name in av.codecs_available if name.startswith(("pcm_", "adpcm_"))}

#: A jump of the sound's clock below this is jitter.
GAP_SECONDS_MIN = 0.25
#: Beside pictures, sound that starts later than they do keeps its place.
LATE_START_SECONDS_MIN = 0.02
#: A jump above this is a broken clock, not a pause.
GAP_SECONDS_MAX = 3_600.0
#: Errors in a row after which the rest of a file is given up.
ERRORS_IN_ROW_MAX = 200


class SoundReader:
    """The sound of one file: its facts when opened, its samples from `blocks`, what went wrong afterwards."""

    def __init__(self, fd: int, limits: MediaLimits, report: Callable[[float], None] | None = None) -> None:
        """Open the media behind `fd`; `report` is told the fraction read. Raises `MediaError`."""
        self._fd = fd
        self._limits = limits
        self._report = report
        self._size = os.fstat(fd).st_size
        self.family = _known_family(fd)
        self.claims = read_claims(fd, self.family)
        self._container = _open_container(fd, self.family)
        self._stream = self._choose_stream()
        self._has_clock = self._stream.time_base is not None
        #: Samples given so far at `sample_rate`, the silence in gaps counted in.
        self.samples = 0
        self.gap_seconds = 0.0
        self.damaged_packets = 0
        self.last_packet_damaged = False
        self._origin: float | None = None
        self._batch = AudioFifo()
        self._batch_shape: tuple[Any, ...] = ()
        self._resampler: AudioResampler | None = None

    @property
    def codec(self) -> str:
        """FFmpeg's name of the coding."""
        return str(self._stream.codec_context.codec.canonical_name)

    @property
    def sample_rate(self) -> int:
        """Samples a second of every block."""
        # Asked for every frame, and twenty times as fast as by way of the stream.
        return int(self._stream.codec_context.sample_rate)

    @property
    def seconds(self) -> float:
        """Length of what was given so far."""
        return self.samples / self.sample_rate

    @property
    def channels(self) -> int:
        """Channels that the container declares."""
        return int(self._stream.channels)

    @property
    def has_video(self) -> bool:
        """Whether there are moving pictures; a cover picture is none."""
        pictures = av.stream.Disposition.attached_pic
        return any(not stream.disposition & pictures for stream in self._container.streams.video)

    @property
    def declared_seconds(self) -> float | None:
        """What the container claims the sound to last, or None."""
        if not self.claims.says_duration:
            return None
        if self.claims.duration_seconds is not None:
            return self.claims.duration_seconds
        stream = self._stream
        if stream.duration and stream.time_base and stream.duration > 0:
            return float(stream.duration * stream.time_base)
        whole = self._container.duration
        return whole / av.time_base if whole and whole > 0 else None

    def blocks(self) -> Iterator[Block]:
        """The sound at its own rate, in order; raises `MediaError` where it is longer than allowed."""
        for frame in self._frames():
            rate = self.sample_rate
            missing = self._missing_before(frame, self.samples / rate)
            if missing > 0:
                yield from self._drained()
                yield from self._silence(missing)
            self.samples += round(frame.samples * rate / frame.sample_rate)
            self._refuse_longer(self.samples / rate)
            yield from self._converted(frame)
        yield from self._drained()
        self._tell_progress()

    def _choose_stream(self) -> AudioStream:
        stream = next(iter(self._container.streams.audio), None)
        if stream is None:
            raise MediaError(
                "The file holds no sound. Send a recording with a sound track.", ErrorCode.MEDIA_NO_SOUND
            )
        for other in self._container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        context = stream.codec_context
        if context is None or context.name not in DECODERS:
            name = context.name if context else "an unknown coding"
            raise MediaError(
                f"The sound is coded as {name}, which is not read here. Send AAC, MP3, Opus, FLAC or WAV."
            )
        self._refuse_out_of_bounds(stream)
        context.thread_count = 1
        return stream

    def _refuse_out_of_bounds(self, stream: AudioStream) -> None:
        for found, most, unit in (
            (stream.channels, self._limits.channels_max, "channels"),
            (stream.rate, self._limits.sample_rate_hz_max, "samples a second"),
        ):
            if found > most:
                raise MediaError(
                    f"The sound has {found} {unit}; at most {most} are taken.",
                    ErrorCode.MEDIA_LIMIT,
                    limit=most,
                    unit=unit,
                )
        if stream.channels < 1 or stream.rate < 1:
            raise MediaError(
                "The file says that its sound has no channels or no sample rate; it cannot be decoded."
            )

    def _refuse_longer(self, seconds: float) -> None:
        most = self._limits.duration_seconds_max
        if seconds > most:
            raise MediaError(
                f"The sound is longer than the {most:g} seconds that are taken. Split it.",
                ErrorCode.MEDIA_TOO_LONG,
                limit=most,
                unit="seconds",
            )

    def _packets(self) -> "Iterator[av.Packet[AudioStream]]":
        demux = self._container.demux(self._stream)
        errors_in_row = 0
        while errors_in_row < ERRORS_IN_ROW_MAX:
            try:
                packet = next(demux, None)
            except FFmpegError as error:
                self._count_damage(error)
                errors_in_row += 1
                demux = self._container.demux(self._stream)
                continue
            if packet is None:
                return
            errors_in_row = 0
            yield packet

    def _frames(self) -> Iterator[AudioFrame]:
        for packet in self._packets():
            try:
                frames = packet.decode()
            except FFmpegError as error:
                self._count_damage(error)
                continue
            if packet.size:
                self.last_packet_damaged = False
            for frame in frames:
                if frame.samples > 0 and frame.sample_rate > 0:
                    yield frame

    def _count_damage(self, error: FFmpegError) -> None:
        if isinstance(error, MemoryError):
            raise error
        self.damaged_packets += 1
        self.last_packet_damaged = True

    def _tell_progress(self) -> None:
        if self._report and self._size:
            self._report(min(1.0, os.lseek(self._fd, 0, os.SEEK_CUR) / self._size))

    def _missing_before(self, frame: AudioFrame, given: float) -> float:
        """Seconds of silence that belong, after the seconds given, before this frame by its timestamp."""
        # As exact as the product of the frame's fractions, and much faster.
        at = frame.time if self._has_clock else None
        if at is None:
            return 0.0
        first = self._origin is None
        if self._origin is None:
            self._origin = self._timeline_start(at)
        ahead = at - self._origin - given
        least = LATE_START_SECONDS_MIN if first and self.has_video else GAP_SECONDS_MIN
        if abs(ahead) < least:
            return 0.0
        if 0 < ahead <= GAP_SECONDS_MAX:
            return ahead
        self._origin = at - given
        return 0.0

    def _timeline_start(self, at: float) -> float:
        start = self._container.start_time
        return start / av.time_base if start is not None and self.has_video else at

    def _silence(self, seconds: float) -> Iterator[Block]:
        left = round(seconds * self.sample_rate)
        self.gap_seconds += seconds
        while left > 0:
            count = min(left, self.sample_rate)
            self.samples += count
            self._refuse_longer(self.seconds)
            left -= count
            yield np.zeros((self.channels, count), np.float32)

    def _converted(self, frame: AudioFrame) -> Iterator[Block]:
        """Batches of a second: one look from Python costs as much as a whole frame of decoding."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._batch_shape:
            yield from self._drained()
            self._batch_shape = shape
        frame.pts = None
        self._batch.write(frame)
        if self._batch.samples >= frame.sample_rate:
            self._tell_progress()
            yield from self._resampled(self._batch.read())

    def _resampled(self, batch: AudioFrame | None) -> Iterator[Block]:
        if self._resampler is None and batch is not None:
            # PyAV reads past its array of planes when there are 8 or more, so many channels come interleaved.
            form = "fltp" if batch.layout.nb_channels <= 2 else "flt"
            self._resampler = AudioResampler(form, batch.layout, self.sample_rate)
        if self._resampler is not None:
            # Where nothing is converted, the resampler hands back what it is given, the end mark too.
            yield from (_samples(frame) for frame in self._resampler.resample(batch) if frame is not None)

    def _drained(self) -> Iterator[Block]:
        rest = self._batch.read()
        if rest is not None:
            yield from self._resampled(rest)
        yield from self._resampled(None)
        self._batch, self._resampler = AudioFifo(), None


def _known_family(fd: int) -> Family:
    sniffed = identify(fd)
    if sniffed is None:
        raise MediaError(
            "The file is no sound or video that is read here, whatever its name says. "
            "Send WAV, FLAC, MP3, Ogg, WebM, MP4, M4A, AAC, AMR, CAF, AIFF, WMA or AVI."
        )
    return sniffed.family


def _open_container(fd: int, family: Family) -> InputContainer:
    os.lseek(fd, 0, os.SEEK_SET)
    demuxer = DEMUXERS.get(family, family)
    options = {
        # The bytes come through the descriptor alone: no protocol is needed.
        "protocol_whitelist": "fd",
        "format_whitelist": demuxer,
        "codec_whitelist": ",".join(sorted(DECODERS)),
        "max_streams": "64",
        "enable_drefs": "0",
        "use_absolute_path": "0",
    }
    try:
        file = os.fdopen(fd, "rb", buffering=0, closefd=False)
        return av.open(
            file, "r", format=demuxer, options=options, metadata_errors="replace", buffer_size=262_144
        )
    except FFmpegError as error:
        raise _unreadable(fd, family, error) from error


def _unreadable(fd: int, family: Family, error: FFmpegError) -> Exception:
    if isinstance(error, MemoryError):
        return error
    if family == "mp4" and lacks_mp4_index(fd):
        return MediaError(
            "The file ends before its index (the moov box): it was cut off while it was recorded or sent. "
            "Nothing in it can be played; send the whole file again."
        )
    return MediaError(
        f"The file begins like {family} but cannot be read ({error.strerror}). Send it again, whole."
    )


def _samples(frame: AudioFrame) -> Block:
    """Float files may hold values that are no numbers; encoders refuse them."""
    block = frame.to_ndarray().astype(np.float32, copy=False)
    if not frame.format.is_planar:
        block = np.ascontiguousarray(block.reshape(-1, frame.layout.nb_channels).T)
    if not np.isfinite(block).all():
        np.nan_to_num(block, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    return block


def mix(block: Block, channels: int) -> Block:
    """A block with 1 or 2 channels. Two become one by their mean; more than two are mixed with equal power,
    because in recordings they are microphones and not a cinema's places."""
    given = block.shape[0]
    if given == channels:
        return block
    if given == 2:
        one = block.mean(axis=0, keepdims=True, dtype=np.float32)
    elif given > 2:
        one = block.sum(axis=0, keepdims=True, dtype=np.float32) / np.float32(given**0.5)
    else:
        one = block
    return one if channels == 1 else np.repeat(one, channels, axis=0)
