"""How much space is held for an upload whose size nobody has declared."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

#: Bits a second, generous: more is held than will come, and the rest is given back at the seal. First wins.
BITS_PER_SECOND: Mapping[str, int] = {
    "audio/wav": 2_304_000,  # 48 kHz, two channels, 24 bits
    "audio/wave": 2_304_000,
    "audio/x-wav": 2_304_000,
    "audio/aiff": 2_304_000,
    "audio/x-aiff": 2_304_000,
    "audio/flac": 1_600_000,
    "audio/*": 320_000,
    "*": 12_000_000,  # full high definition video as phones record it
}
#: Headers, an index, a picture.
OVERHEAD_BYTES = 1_000_000
#: Held when neither size nor duration is declared: an hour of speech at a high quality fits.
UNKNOWN_BYTES = 100_000_000


def estimate_bytes(plain_type: str, duration_seconds: float | None, size_bytes_max: int) -> int:
    """Space to hold for so long a recording of this type, at most what may be uploaded."""
    if not duration_seconds:
        return min(UNKNOWN_BYTES, size_bytes_max)
    bits = next(bits for pattern, bits in BITS_PER_SECOND.items() if fnmatchcase(plain_type, pattern))
    return int(min(OVERHEAD_BYTES + duration_seconds * bits / 8, size_bytes_max))
