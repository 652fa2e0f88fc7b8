"""What a container says about its own end, where FFmpeg corrects it in silence or makes a guess of it."""

import os
import struct
from dataclasses import dataclass

from reelkeep.media.sniff import HEAD_BYTES, Family, Sniffed, id3_length, sniff

#: Sizes at or above this are what recorders write that cannot go back to the header.
RIFF_SIZE_UNKNOWN = 0x7FFF_FF00
RIFF_CHUNKS_MAX = 64
EMPTY_ID3 = b"ID3\x04" + bytes(6)
OGG_TAIL_BYTES = 131_072
OGG_HEADER_BYTES = 27
OGG_END_OF_STREAM = 4
#: Families whose header says the size of the file, and in which byte order.
FORM_SIZES: dict[Family, str] = {"aiff": ">I", "avi": "<I"}
#: Families whose length FFmpeg can only guess from the bit rate.
NEVER_SAY: frozenset[Family] = frozenset(["aac", "amr"])


@dataclass(frozen=True, slots=True)
class Claims:
    """What to believe of the declared duration, and whether the end is visibly missing."""

    cut_short: bool = False
    #: False where FFmpeg's duration is a guess and not a claim of the file.
    says_duration: bool = True
    #: Length by the file's own header, where FFmpeg would cut it to the bytes that are there.
    duration_seconds: float | None = None


def identify(fd: int) -> Sniffed | None:
    """The container behind a descriptor; looks past an ID3 tag of any size."""
    size = os.fstat(fd).st_size
    head = os.pread(fd, HEAD_BYTES, 0)
    tag = id3_length(head)
    if 0 < tag < size:
        head = EMPTY_ID3 + os.pread(fd, HEAD_BYTES, tag)
    return sniff(head, size)


def read_claims(fd: int, family: Family) -> Claims:
    """What the container behind `fd` claims about its length."""
    if family == "wav":
        return _wav(fd)
    if family in FORM_SIZES:
        return Claims(cut_short=_form_bytes(fd, FORM_SIZES[family]) > os.fstat(fd).st_size)
    if family == "caf":
        return Claims(cut_short=_caf_bytes(fd) > os.fstat(fd).st_size)
    if family == "ogg":
        return Claims(cut_short=not _ogg_ends(fd))
    if family == "mp3":
        return Claims(says_duration=_has_mp3_length(fd))
    return Claims(says_duration=family not in NEVER_SAY)


def lacks_mp4_index(fd: int) -> bool:
    """Whether no `moov` box stands at the top level: the file was cut before its index was written."""
    size = os.fstat(fd).st_size
    at = 0
    for _ in range(4_096):
        header = os.pread(fd, 16, at)
        if len(header) < 8:
            return True
        length, kind = struct.unpack_from(">I4s", header)
        if kind == b"moov":
            return False
        if length == 1 and len(header) == 16:
            length = struct.unpack_from(">Q", header, 8)[0]
        if length < 8 or at + length > size:
            return True
        at += length
    return True


def _form_bytes(fd: int, layout: str) -> int:
    """The size that an IFF or RIFF file says it has; 0 where it does not know."""
    field = os.pread(fd, 4, 4)
    size = int(struct.unpack(layout, field)[0]) if len(field) == 4 else 0
    return size + 8 if 0 < size < RIFF_SIZE_UNKNOWN else 0


def _caf_bytes(fd: int) -> int:
    """Where the data chunk of a Core Audio file ends by its own word; 0 where it does not know."""
    at = 8
    length: int
    for _ in range(RIFF_CHUNKS_MAX):
        header = os.pread(fd, 12, at)
        if len(header) < 12:
            break
        kind, length = struct.unpack(">4sq", header)
        if kind == b"data":
            return at + 12 + max(0, length)
        at += 12 + max(0, length)
        if at > os.fstat(fd).st_size:
            break
    return 0


def _wav(fd: int) -> Claims:
    """RIFF (Microsoft, 1991) and RF64 (EBU Tech 3306), whose `ds64` chunk holds the long sizes."""
    size = os.fstat(fd).st_size
    at, byte_rate, long_size = 12, 0, None
    for _ in range(RIFF_CHUNKS_MAX):
        header = os.pread(fd, 36, at)
        if len(header) < 8:
            break
        kind, length = struct.unpack_from("<4sI", header)
        if kind == b"ds64" and len(header) >= 24:
            long_size = struct.unpack_from("<Q", header, 16)[0]
        elif kind == b"fmt " and len(header) >= 20:
            byte_rate = struct.unpack_from("<I", header, 16)[0]
        elif kind == b"data":
            return _wav_sound(at + 8, _sound_bytes(length, long_size), byte_rate, size)
        at += 8 + length + length % 2
    return Claims()


def _sound_bytes(length: int, long_size: int | None) -> int | None:
    if length == 0xFFFF_FFFF and long_size is not None:
        return long_size
    return length if 0 < length < RIFF_SIZE_UNKNOWN else None


def _wav_sound(start: int, sound_bytes: int | None, byte_rate: int, size: int) -> Claims:
    if sound_bytes is None:
        return Claims(says_duration=False)
    seconds = sound_bytes / byte_rate if byte_rate else None
    return Claims(cut_short=start + sound_bytes > size, duration_seconds=seconds)


def _ogg_ends(fd: int) -> bool:
    """Whether the last page is whole and marked as the last one (RFC 3533, section 6)."""
    size = os.fstat(fd).st_size
    start = max(0, size - OGG_TAIL_BYTES)
    tail = os.pread(fd, OGG_TAIL_BYTES, start)
    page = tail.rfind(b"OggS\0")
    header = tail[page : page + OGG_HEADER_BYTES]
    if page < 0 or len(header) < OGG_HEADER_BYTES or not header[5] & OGG_END_OF_STREAM:
        return False
    lacing = tail[page + OGG_HEADER_BYTES :][: header[26]]
    return len(lacing) == header[26] and page + OGG_HEADER_BYTES + header[26] + sum(lacing) <= len(tail)


def _has_mp3_length(fd: int) -> bool:
    """Whether the first frame is a Xing, Info or VBRI header, which count the frames."""
    tag = id3_length(os.pread(fd, 10, 0))
    first = os.pread(fd, 256, tag)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))
