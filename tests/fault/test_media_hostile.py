"""Files made to do harm end in a clear error, inside the limits, and read nothing but themselves."""

import asyncio
import random
import struct
import zlib
from pathlib import Path

import pytest

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.media.facts import MediaLimits
from reelkeep.media.work import make_playback, probe
from tests.fixtures import media

LIMITS = MediaLimits(seconds_max=30, memory_bytes_max=800_000_000, output_bytes_max=50_000_000)
#: Every outcome that a file from outside may have; a crash is none of them.
CLEAR = {
    ErrorCode.MEDIA_UNREADABLE,
    ErrorCode.MEDIA_NO_SOUND,
    ErrorCode.MEDIA_LIMIT,
    ErrorCode.MEDIA_TOO_LONG,
}
FMT = struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16)
SECRET = "/etc/passwd"

PLAYLISTS = {
    "hls": f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile://{SECRET}\n#EXT-X-ENDLIST\n",
    "hls by concat": f"#EXTM3U\n#EXTINF:1,\nconcat:http://127.0.0.1/a|file://{SECRET}\n",
    "concat": f"ffconcat version 1.0\nfile '{SECRET}'\n",
    "dash": f"<?xml version='1.0'?><MPD type='static'><BaseURL>file://{SECRET}</BaseURL></MPD>",
    "svg": f"<svg xmlns='http://www.w3.org/2000/svg'><image href='file://{SECRET}'/></svg>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "pls": f"[playlist]\nFile1=file://{SECRET}\nNumberOfEntries=1\n",
    "html": "<!doctype html><audio src=x>",
}


@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS)
async def test_what_points_at_other_files_is_not_media(text: str, tmp_path: Path) -> None:
    source = tmp_path / "speech.wav"
    source.write_text(text)
    with pytest.raises(MediaError, match="no sound or video") as caught:
        await probe(source, LIMITS)
    assert caught.value.code == ErrorCode.MEDIA_UNREADABLE


@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS)
@pytest.mark.parametrize(
    "magic", [b"RIFF\xff\xff\xff\xffWAVE", b"ID3\x04\0\0\0\0\0\0", b"fLaC", b"OggS\0\x02"]
)
async def test_a_playlist_behind_a_media_head_opens_nothing(text: str, magic: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(magic + text.encode())
    with pytest.raises(MediaError) as caught:
        await probe(source, LIMITS)
    assert caught.value.code in CLEAR


async def test_a_quicktime_reference_to_another_file_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.raw"
    secret.write_bytes(media.wav(media.beeps(3))[44:])
    moov = media.encode(media.silence(1), "mov")
    alias = struct.pack(">I4sI", 12 + len(str(secret)), b"url ", 0) + str(secret).encode()
    source = tmp_path / "source"
    source.write_bytes(moov.replace(struct.pack(">I4sI", 12, b"url ", 1), alias))
    try:
        facts = await probe(source, LIMITS)
    except MediaError as error:
        assert error.code in CLEAR
    else:
        assert "silent" in facts.warnings


LIES = {
    "a sample rate of 1e9": struct.pack("<HHIIHH", 1, 1, 1_000_000_000, 2_000_000_000, 2, 16),
    "a sample rate of 0": struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16),
    "65,535 channels": struct.pack("<HHIIHH", 1, 65_535, 48_000, 96_000, 0xFFFE, 16),
    "200 channels": struct.pack("<HHIIHH", 1, 200, 48_000, 48_000 * 400, 400, 16),
    "no channels": struct.pack("<HHIIHH", 1, 0, 48_000, 96_000, 2, 16),
    "0 bits": struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 0),
    "an unknown coding": struct.pack("<HHIIHH", 0x7777, 1, 48_000, 96_000, 2, 16),
    "blocks of 64 KB": struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 0xFFFF, 16),
}


@pytest.mark.parametrize("fmt", LIES.values(), ids=LIES)
async def test_a_header_that_claims_the_absurd_ends_clearly(fmt: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(media.riff(fmt, bytes(200_000), 200_000))
    try:
        facts = await probe(source, LIMITS)
    except MediaError as error:
        assert error.code in CLEAR
    else:
        assert facts.duration_seconds < 10
        assert facts.channels <= LIMITS.channels_max


async def test_a_file_that_unfolds_into_days_is_stopped_at_the_limit(tmp_path: Path) -> None:
    """FLAC says an hour of silence in a few kilobytes."""
    source = tmp_path / "source"
    media.long_flac(source, hours=0.2, rate=8_000)
    limits = MediaLimits(seconds_max=30, duration_seconds_max=120)
    with pytest.raises(MediaError) as caught:
        await make_playback(source, tmp_path / "out", limits)
    assert caught.value.code == ErrorCode.MEDIA_TOO_LONG
    assert not (tmp_path / "out").exists()


async def test_a_clock_that_jumps_by_years_makes_no_years_of_silence(tmp_path: Path) -> None:
    data = bytearray(media.encode(media.beeps(20), "webm"))
    clusters = [at for at in range(len(data)) if data[at : at + 4] == b"\x1f\x43\xb6\x75"]
    assert len(clusters) > 1
    at = data.index(b"\xe7", clusters[-1])
    size = data[at + 1] & 0x7F
    data[at + 2 : at + 2 + size] = b"\x7f" + b"\xff" * (size - 1)
    source = tmp_path / "source"
    source.write_bytes(data)
    facts = await probe(source, LIMITS)
    assert facts.duration_seconds < 3_700


async def test_a_zip_with_a_sound_suffix_is_not_unpacked(tmp_path: Path) -> None:
    source = tmp_path / "speech.m4a"
    source.write_bytes(b"PK\x03\x04" + bytes(26) + zlib.compress(bytes(10_000_000)))
    with pytest.raises(MediaError, match="no sound or video"):
        await probe(source, LIMITS)


async def test_compressed_movie_indexes_do_not_unfold(tmp_path: Path) -> None:
    """QuickTime may deflate its index (`cmov`); one that claims 4 GB must not be believed."""
    packed = zlib.compress(bytes(5_000_000), 9)
    cmvd = struct.pack(">I4sI", 12 + len(packed), b"cmvd", 0xFFFF_FFF0) + packed
    dcom = struct.pack(">I4s4s", 12, b"dcom", b"zlib")
    cmov = struct.pack(">I4s", 8 + len(dcom) + len(cmvd), b"cmov") + dcom + cmvd
    moov = struct.pack(">I4s", 8 + len(cmov), b"moov") + cmov
    source = tmp_path / "source"
    source.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"qt  ", 0) + moov)
    with pytest.raises(MediaError) as caught:
        await probe(source, LIMITS)
    assert caught.value.code in CLEAR


async def test_a_chunk_that_claims_to_end_beyond_any_file_ends_clearly(tmp_path: Path) -> None:
    data = media.encode(media.beeps(2), "caf")
    source = tmp_path / "source"
    source.write_bytes(data[:8] + struct.pack(">4sq", b"free", 2**63 - 1) + data[8:])
    assert await outcome(source) in {"read", *CLEAR}


KINDS = ["wav", "flac", "mp3", "ogg", "webm", "m4a", "aac", "aiff", "caf", "wma", "avi", "3gp"]
FUZZ_ROUNDS = 4


async def outcome(source: Path) -> str:
    try:
        facts = await probe(source, LIMITS)
    except MediaError as error:
        return error.code
    assert 0 < facts.duration_seconds < 4_000
    return "read"


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """A valid file with bytes changed at random: all of the tail, or some of the head, or here and there."""
    spoilt = bytearray(data)
    match chance.randrange(3):
        case 0:
            keep = chance.randrange(16, 400)
            spoilt[keep:] = chance.randbytes(len(spoilt) - keep)
        case 1:
            for _ in range(chance.randrange(1, 12)):
                spoilt[chance.randrange(4, min(len(spoilt), 600))] = chance.randrange(256)
        case _:
            for _ in range(200):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    return bytes(spoilt)


@pytest.mark.parametrize("kind", KINDS)
async def test_random_bytes_behind_a_valid_head_end_clearly(kind: str, tmp_path: Path) -> None:
    data = media.encode(media.beeps(2), kind)
    chance = random.Random(f"reelkeep {kind}")
    sources = [tmp_path / str(number) for number in range(FUZZ_ROUNDS)]
    for source in sources:
        source.write_bytes(spoiled(data, chance))
    for found in await asyncio.gather(*map(outcome, sources)):
        assert found == "read" or found in CLEAR
