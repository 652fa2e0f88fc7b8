"""The peaks file: what the page draws as the waveform.

All numbers are little-endian. A pair is two signed bytes, the lowest and the highest sample of its stretch
of sound over all channels, where 127 is full scale.

    offset  size  what
    0       4     magic `RKPK`
    4       2     version, 1
    6       2     detail pairs a second, 50
    8       4     overview pairs, always 2000
    12      4     detail pairs
    16      8     duration in milliseconds
    24      8     zero
    32      4000  overview: 2000 pairs over the whole sound
    4032    …     detail: 50 pairs for each second

The overview has a fixed size, so a window of detail is one range read of the file that needs no look at its
header: `window_range`. A window past the end is cut by the end of the file.
"""

import math
import struct
from dataclasses import dataclass

MAGIC = b"RKPK"
VERSION = 1
PAIRS_PER_SECOND = 50
OVERVIEW_PAIRS = 2_000
BYTES_PER_PAIR = 2
CONTENT_TYPE = "application/vnd.reelkeep.peaks"

HEADER = struct.Struct("<4sHHIIQ8x")
OVERVIEW_START = HEADER.size
DETAIL_START = OVERVIEW_START + OVERVIEW_PAIRS * BYTES_PER_PAIR


@dataclass(frozen=True, slots=True)
class PeaksHeader:
    """The facts in front of the pairs."""

    pairs_per_second: int
    overview_pairs: int
    detail_pairs: int
    duration_seconds: float


def write_header(detail_pairs: int, duration_seconds: float) -> bytes:
    """The 32 bytes in front of the overview."""
    milliseconds = round(duration_seconds * 1_000)
    return HEADER.pack(MAGIC, VERSION, PAIRS_PER_SECOND, OVERVIEW_PAIRS, detail_pairs, milliseconds)


def read_header(peaks: bytes) -> PeaksHeader:
    """The header of a peaks file; ValueError where the bytes are not one."""
    if len(peaks) < HEADER.size:
        raise ValueError(f"a peaks file begins with {HEADER.size} bytes of header, these are {len(peaks)}")
    magic, version, pairs_per_second, overview, detail, milliseconds = HEADER.unpack_from(peaks)
    if magic != MAGIC or version != VERSION:
        raise ValueError(
            f"not a peaks file of version {VERSION}: it begins with {magic!r}, version {version}"
        )
    return PeaksHeader(pairs_per_second, overview, detail, milliseconds / 1_000)


def read_overview(peaks: bytes) -> bytes:
    """The overview of a peaks file (its first `DETAIL_START` bytes are enough): lowest, highest, lowest, …"""
    header = read_header(peaks)
    end = OVERVIEW_START + header.overview_pairs * BYTES_PER_PAIR
    if len(peaks) < end:
        raise ValueError(f"the overview ends at byte {end}, these are {len(peaks)}")
    return peaks[OVERVIEW_START:end]


def window_range(start_seconds: float, end_seconds: float) -> tuple[int, int]:
    """The bytes [start, end) of a peaks file that hold the detail of a window of the sound."""
    if not 0 <= start_seconds <= end_seconds < math.inf:
        raise ValueError(f"a window needs 0 <= start <= end, not {start_seconds} and {end_seconds}")
    first = math.floor(start_seconds * PAIRS_PER_SECOND)
    last = math.ceil(end_seconds * PAIRS_PER_SECOND)
    return DETAIL_START + first * BYTES_PER_PAIR, DETAIL_START + last * BYTES_PER_PAIR
