"""What a file is by its first bytes, whatever its name or its declared type says.

Only sound and video containers are known here; everything else is None and is not processed. Pure Python,
because it runs where uploads are sealed, outside the sandbox.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Family = Literal["wav", "flac", "mp3", "ogg", "matroska", "mp4", "aac", "amr", "caf", "aiff", "asf", "avi"]

#: Bytes of a file's beginning that are enough for every rule here.
HEAD_BYTES = 65_536

ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
EBML_HEADER = bytes.fromhex("1a45dfa3")
#: The first box of QuickTime files older than `ftyp`.
OLD_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip")
#: Pictures and camera raw files that share MP4's box layout.
PICTURE_BRANDS = (
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"mif1",
    b"msf1",
    b"avif",
    b"avis",
    b"crx ",
)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A container recognised by its bytes."""

    family: Family
    #: The media type to serve it with.
    media_type: str


MAGICS = (
    (b"fLaC", Sniffed("flac", "audio/flac")),
    (b"#!AMR-WB", Sniffed("amr", "audio/amr-wb")),
    (b"#!AMR", Sniffed("amr", "audio/amr")),
    (b"caff\x00\x01", Sniffed("caf", "audio/x-caf")),
    (ASF_HEADER, Sniffed("asf", "video/x-ms-asf")),
)
WAVE = {b"WAVE": Sniffed("wav", "audio/wav")}
AIFF = Sniffed("aiff", "audio/aiff")
#: By the form that stands at byte 8.
RIFF_FORMS = {
    b"RIFF": {**WAVE, b"AVI ": Sniffed("avi", "video/x-msvideo")},
    b"RF64": WAVE,
    b"BW64": WAVE,
    b"FORM": {b"AIFF": AIFF, b"AIFC": AIFF},
}


def sniff(head: bytes, size_bytes: int) -> Sniffed | None:
    """The container that a file of `size_bytes` beginning with `head` is, or None where it is none of ours.

    Give at least `HEAD_BYTES` of it, or all where it is shorter.
    """
    if size_bytes < 4 or not head:
        return None
    return _by_magic(head) or _by_boxes(head) or _by_frames(head)


def id3_length(head: bytes) -> int:
    """Bytes of the ID3v2 tag in front, or 0 (id3.org, ID3v2.4 section 3.1)."""
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
        return 0
    body = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    footer = 10 if head[5] & 0x10 else 0
    return 10 + body + footer


def _by_magic(head: bytes) -> Sniffed | None:
    if head[:4] in RIFF_FORMS:
        return RIFF_FORMS[head[:4]].get(head[8:12])
    if head[:5] == b"OggS\0":
        return Sniffed("ogg", "video/ogg" if b"\x80theora" in head[:512] else "audio/ogg")
    if head[:4] == EBML_HEADER:
        return _matroska(head)
    return next((found for magic, found in MAGICS if head.startswith(magic)), None)


def _matroska(head: bytes) -> Sniffed | None:
    kind = "video" if b"V_" in head else "audio"
    if b"webm" in head[:64]:
        return Sniffed("matroska", f"{kind}/webm")
    if b"matroska" in head[:64]:
        return Sniffed("matroska", f"{kind}/x-matroska")
    return None


def _by_boxes(head: bytes) -> Sniffed | None:
    """MP4 and QuickTime: ISO/IEC 14496-12, section 4.2; a box is its size, then its type."""
    if len(head) < 12:
        return None
    box = head[4:8]
    if box == b"ftyp":
        return _by_brand(head)
    size = int.from_bytes(head[:4])
    if box in OLD_QUICKTIME_BOXES and (size in (0, 1) or size >= 8):
        return Sniffed("mp4", "video/quicktime")
    return None


def _by_brand(head: bytes) -> Sniffed | None:
    brand = head[8:12]
    if brand in PICTURE_BRANDS:
        return None
    sound_only = b"soun" in head and b"vide" not in head
    if brand in (b"M4A ", b"M4B ", b"M4P ", b"F4A "):
        return Sniffed("mp4", "audio/mp4")
    if brand == b"qt  ":
        return Sniffed("mp4", "video/quicktime")
    if brand[:2] == b"3g":
        return Sniffed("mp4", "audio/3gpp" if sound_only else "video/3gpp")
    return Sniffed("mp4", "audio/mp4" if sound_only else "video/mp4")


def _by_frames(head: bytes) -> Sniffed | None:
    """Raw MPEG audio and ADTS, which have no header but a sync word in each frame."""
    start = 0
    while tag := id3_length(head[start : start + 10]):
        start += tag
    if start >= len(head):
        return Sniffed("mp3", "audio/mpeg")
    body = head[start:]
    if start and body[:4] == b"fLaC":
        return Sniffed("flac", "audio/flac")
    if _frames_follow(body, _adts_frame_bytes):
        return Sniffed("aac", "audio/aac")
    if _frames_follow(body, _mpeg_frame_bytes):
        return Sniffed("mp3", "audio/mpeg")
    return None


def _frames_follow(body: bytes, frame_bytes: Callable[[bytes], int | None]) -> bool:
    """Whether the first frame is whole and the next one stands where the first one ends."""
    length = frame_bytes(body)
    if length is None:
        return False
    follower = body[length : length + 8]
    return len(follower) < 8 or frame_bytes(follower) is not None


def _adts_frame_bytes(body: bytes) -> int | None:
    """ISO/IEC 13818-7, section 6.2."""
    if len(body) < 7 or body[0] != 0xFF or body[1] & 0xF6 != 0xF0:
        return None
    if (body[2] >> 2) & 0xF > 12:
        return None
    length = (body[3] & 3) << 11 | body[4] << 3 | body[5] >> 5
    return length if length > 7 else None


MPEG1_LAYER3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG1_LAYER2_KBPS = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
MPEG2_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG1_RATES_HZ = (44_100, 48_000, 32_000)


def _mpeg_frame_bytes(body: bytes) -> int | None:
    """ISO/IEC 11172-3, section 2.4.1.3, layers II and III."""
    if len(body) < 4 or body[0] != 0xFF or body[1] & 0xE0 != 0xE0:
        return None
    version, layer = (body[1] >> 3) & 3, (body[1] >> 1) & 3
    rate_index, kbps_index = (body[2] >> 2) & 3, body[2] >> 4
    if version == 1 or layer not in (1, 2) or rate_index == 3 or kbps_index in (0, 15):
        return None
    first = version == 3
    layer3 = layer == 1
    kbps = (MPEG1_LAYER3_KBPS if layer3 else MPEG1_LAYER2_KBPS) if first else MPEG2_KBPS
    rate = MPEG1_RATES_HZ[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    samples_per_byte = 144 if first or not layer3 else 72
    return samples_per_byte * kbps[kbps_index] * 1_000 // rate + ((body[2] >> 1) & 1)


#: Declared types, without `x-`, and the families that bear them. Phones name an M4A file `audio/aac`.
DECLARED_FAMILIES: dict[str, tuple[Family, ...]] = {
    "audio/wav": ("wav",),
    "audio/wave": ("wav",),
    "audio/vnd.wave": ("wav",),
    "audio/pn-wav": ("wav",),
    "audio/flac": ("flac", "ogg"),
    "audio/mpeg": ("mp3",),
    "audio/mp3": ("mp3",),
    "audio/mpeg3": ("mp3",),
    "audio/ogg": ("ogg",),
    "video/ogg": ("ogg",),
    "application/ogg": ("ogg",),
    "audio/opus": ("ogg",),
    "audio/vorbis": ("ogg",),
    "audio/speex": ("ogg",),
    "audio/webm": ("matroska",),
    "video/webm": ("matroska",),
    "audio/matroska": ("matroska",),
    "video/matroska": ("matroska",),
    "audio/mp4": ("mp4",),
    "video/mp4": ("mp4",),
    "application/mp4": ("mp4",),
    "audio/m4a": ("mp4",),
    "audio/m4b": ("mp4",),
    "video/m4v": ("mp4",),
    "video/quicktime": ("mp4",),
    "audio/3gpp": ("mp4", "amr"),
    "video/3gpp": ("mp4",),
    "audio/3gpp2": ("mp4",),
    "video/3gpp2": ("mp4",),
    "audio/aac": ("aac", "mp4"),
    "audio/aacp": ("aac", "mp4"),
    "audio/hx-aac-adts": ("aac",),
    "audio/mp4a-latm": ("aac", "mp4"),
    "audio/amr": ("amr", "mp4"),
    "audio/amr-wb": ("amr", "mp4"),
    "audio/caf": ("caf",),
    "audio/aiff": ("aiff",),
    "audio/aifc": ("aiff",),
    "audio/wma": ("asf",),
    "audio/ms-wma": ("asf",),
    "video/ms-wmv": ("asf",),
    "video/ms-asf": ("asf",),
    "application/vnd.ms-asf": ("asf",),
    "video/avi": ("avi",),
    "video/msvideo": ("avi",),
    "video/vnd.avi": ("avi",),
}
#: Types that say nothing about what the bytes are.
UNSPECIFIC_TYPES = frozenset(["", "application/octet-stream", "binary/octet-stream"])


def types_agree(declared: str, sniffed: Sniffed) -> bool:
    """Whether a declared media type names the family that the bytes are of.

    Parameters (`;codecs=opus`), case and `x-` do not count; sound against video of one family does not
    either. A type that says nothing agrees with everything.
    """
    bare = declared.partition(";")[0].strip().lower()
    if bare in UNSPECIFIC_TYPES:
        return True
    return sniffed.family in DECLARED_FAMILIES.get(bare.replace("/x-", "/"), ())
