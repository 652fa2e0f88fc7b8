"""Writes one AAC track as an MP4 file whose index comes first ("faststart").

FFmpeg's own muxer keeps about 80 bytes for each packet until the end, 100 MB for eight hours, and needs the
file opened anew to move the index to the front. This one keeps 4 bytes a packet and moves the sound within
the one descriptor it was given. Boxes are those of ISO/IEC 14496-12 and 14496-14.

The encoder's priming samples are in the file, as they must be, and an edit list tells players to begin after
them and to end with the last real sample: the time of a media element is the time of the sound.
"""

import os
import struct
import sys
from array import array
from dataclasses import dataclass, field

SAMPLES_PER_PACKET = 1_024
#: About one second: a player that seeks adds up no more packet sizes than this.
PACKETS_PER_CHUNK = 48
MOVE_BYTES = 4 << 20
MDAT_HEADER_BYTES = 16
UNITY_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
LANGUAGE_UNDETERMINED = 0x55C4
FILE_TYPE = b"M4A " + struct.pack(">I", 0x200) + b"M4A mp42isom"


@dataclass(frozen=True, slots=True)
class AacTrack:
    """What a player must know before it decodes."""

    sample_rate_hz: int
    channels: int
    bit_rate: int
    #: AudioSpecificConfig, ISO/IEC 14496-3.
    config: bytes


@dataclass(slots=True)
class AacFile:
    """An M4A file being written to `fd`, which must be empty, readable and writable."""

    fd: int
    _sizes: "array[int]" = field(default_factory=lambda: array("I"))
    _sound_bytes: int = 0

    def __post_init__(self) -> None:
        self._write(self._file_type() + bytes(MDAT_HEADER_BYTES))

    def add(self, packet: bytes) -> None:
        """Append one packet of 1,024 samples."""
        self._write(packet)
        self._sizes.append(len(packet))
        self._sound_bytes += len(packet)

    def finish(self, track: AacTrack, priming: int, samples: int) -> None:
        """Write the index in front: `samples` are heard, after `priming` ones that are not."""
        file_type = self._file_type()
        first = len(file_type) + MDAT_HEADER_BYTES
        index_bytes = len(self._index(track, priming, samples, 0))
        index = self._index(track, priming, samples, first + index_bytes)
        _move(self.fd, first, self._sound_bytes, by=index_bytes)
        mdat = struct.pack(">I4sQ", 1, b"mdat", MDAT_HEADER_BYTES + self._sound_bytes)
        _write_at(self.fd, file_type + index + mdat, 0)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]

    @staticmethod
    def _file_type() -> bytes:
        return _box(b"ftyp", FILE_TYPE)

    def _index(self, track: AacTrack, priming: int, samples: int, sound_start: int) -> bytes:
        packets = len(self._sizes)
        whole = packets * SAMPLES_PER_PACKET
        media = _box(
            b"mdia",
            _full_box(
                b"mdhd",
                1,
                0,
                struct.pack(">QQIQHH", 0, 0, track.sample_rate_hz, whole, LANGUAGE_UNDETERMINED, 0),
            ),
            _full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"soun") + b"Sound\0"),
            _box(
                b"minf",
                _full_box(b"smhd", 0, 0, bytes(4)),
                _box(b"dinf", _full_box(b"dref", 0, 0, struct.pack(">I", 1), _full_box(b"url ", 0, 1))),
                self._sample_table(track, sound_start),
            ),
        )
        edit = _full_box(b"elst", 1, 0, struct.pack(">IQqhh", 1, samples, priming, 1, 0))
        return _box(
            b"moov",
            _movie_header(track, samples),
            _box(b"trak", _track_header(samples), _box(b"edts", edit), media),
        )

    def _sample_table(self, track: AacTrack, sound_start: int) -> bytes:
        packets = len(self._sizes)
        return _box(
            b"stbl",
            _full_box(b"stsd", 0, 0, struct.pack(">I", 1), _sample_entry(track)),
            _full_box(b"stts", 0, 0, struct.pack(">III", 1, packets, SAMPLES_PER_PACKET)),
            _chunk_runs(packets),
            _full_box(b"stsz", 0, 0, struct.pack(">II", 0, packets), _big_endian(self._sizes)),
            self._chunk_offsets(sound_start),
            # One packet of pre-roll before a seek (ISO/IEC 14496-12, section 10.1).
            _full_box(b"sgpd", 1, 0, struct.pack(">4sIIh", b"roll", 2, 1, -1)),
            _full_box(b"sbgp", 0, 0, struct.pack(">4sIII", b"roll", 1, packets, 1)),
        )

    def _chunk_offsets(self, sound_start: int) -> bytes:
        """64-bit throughout, so that the index has the same size wherever the sound begins."""
        offsets = array("Q")
        position = sound_start
        for first in range(0, len(self._sizes), PACKETS_PER_CHUNK):
            offsets.append(position)
            position += sum(self._sizes[first : first + PACKETS_PER_CHUNK])
        count = struct.pack(">I", len(offsets))
        return _full_box(b"co64", 0, 0, count, _big_endian(offsets))


def _big_endian(numbers: "array[int]") -> bytes:
    swapped = numbers[:]
    if sys.byteorder == "little":
        swapped.byteswap()
    return swapped.tobytes()


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _movie_header(track: AacTrack, samples: int) -> bytes:
    times = struct.pack(">QQIQ", 0, 0, track.sample_rate_hz, samples)
    return _full_box(
        b"mvhd", 1, 0, times, struct.pack(">IH10x", 0x10000, 0x100), UNITY_MATRIX, bytes(24), b"\0\0\0\2"
    )


def _track_header(samples: int) -> bytes:
    enabled_in_movie = 3
    head = struct.pack(">QQI4xQ8xHHH2x", 0, 0, 1, samples, 0, 0, 0x100)
    return _full_box(b"tkhd", 1, enabled_in_movie, head, UNITY_MATRIX, bytes(8))


def _sample_entry(track: AacTrack) -> bytes:
    sound = struct.pack(">6xH8xHHI", 1, track.channels, 16, 0) + struct.pack(">I", track.sample_rate_hz << 16)
    return _box(b"mp4a", sound, _full_box(b"esds", 0, 0, _descriptors(track)))


def _descriptors(track: AacTrack) -> bytes:
    """ES_Descriptor of AAC-LC: ISO/IEC 14496-1, section 7.2.6."""
    audio_stream = struct.pack(">BBBHII", 0x40, 0x15, 0, 6_144, track.bit_rate, track.bit_rate)
    decoder = _descriptor(0x04, audio_stream + _descriptor(0x05, track.config))
    return _descriptor(0x03, struct.pack(">HB", 1, 0) + decoder + _descriptor(0x06, b"\x02"))


def _descriptor(tag: int, body: bytes) -> bytes:
    return struct.pack(">BB", tag, len(body)) + body


def _chunk_runs(packets: int) -> bytes:
    whole, rest = divmod(packets, PACKETS_PER_CHUNK)
    runs = [(1, PACKETS_PER_CHUNK, 1)] if whole else []
    if rest:
        runs.append((whole + 1, rest, 1))
    return _full_box(
        b"stsc", 0, 0, struct.pack(">I", len(runs)), *(struct.pack(">III", *run) for run in runs)
    )


def _move(fd: int, start: int, length: int, *, by: int) -> None:
    """Shift bytes toward the end, from the last block backwards, so that nothing is overwritten unread."""
    end = start + length
    while end > start:
        begin = max(start, end - MOVE_BYTES)
        _write_at(fd, os.pread(fd, end - begin, begin), begin + by)
        end = begin


def _write_at(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
