"""A file is what its first bytes say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeep.media.sniff import HEAD_BYTES, id3_length, sniff, types_agree
from tests.fixtures import media

FAMILIES = {
    "wav": "wav",
    "flac": "flac",
    "mp3": "mp3",
    "ogg": "ogg",
    "webm": "matroska",
    "m4a": "mp4",
    "mov": "mp4",
    "3gp": "mp4",
    "aac": "aac",
    "aiff": "aiff",
    "caf": "caf",
    "wma": "asf",
    "avi": "avi",
}
DECLARED = {
    "wav": ["audio/wav", "audio/x-wav", "audio/vnd.wave", "audio/wave"],
    "flac": ["audio/flac", "audio/x-flac"],
    "mp3": ["audio/mpeg", "audio/mp3"],
    "ogg": ["audio/ogg", "audio/ogg;codecs=opus", "application/ogg", "audio/opus"],
    "webm": ["audio/webm", "video/webm", "audio/webm;codecs=opus", "video/x-matroska"],
    "m4a": [
        "audio/m4a",
        "audio/x-m4a",
        "audio/mp4",
        "video/mp4",
        "AUDIO/MP4",
        "audio/aac",
        "video/quicktime",
    ],
    "mov": ["video/quicktime", "video/mp4"],
    "3gp": ["video/3gpp", "audio/3gpp", "audio/mp4"],
    "aac": ["audio/aac", "audio/x-aac", "audio/aacp"],
    "aiff": ["audio/aiff", "audio/x-aiff"],
    "caf": ["audio/x-caf"],
    "wma": ["audio/x-ms-wma", "video/x-ms-asf"],
    "avi": ["video/x-msvideo", "video/avi"],
}
#: (declared as, really): FLAC also comes in Ogg, and phones call M4A files AAC.
SHARED_TYPES = {("flac", "ogg"), ("aac", "m4a"), ("aac", "mov"), ("aac", "3gp")}


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_file_is_recognised_by_its_bytes_and_agrees_with_its_usual_types_alone(kind: str) -> None:
    data = media.encode(media.beeps(1.5), kind)
    found = sniff(data[:HEAD_BYTES], len(data))
    assert found is not None
    assert found.family == FAMILIES[kind]
    for declared in DECLARED[kind]:
        assert types_agree(declared, found), declared
    for other, names in DECLARED.items():
        if FAMILIES[other] != FAMILIES[kind] and (other, kind) not in SHARED_TYPES:
            assert not types_agree(names[0], found), other


def test_amr_is_recognised() -> None:
    data = media.encode(media.beeps(1.5, 8_000), "amr", 8_000)
    found = sniff(data, len(data))
    assert found is not None
    assert (found.family, found.media_type) == ("amr", "audio/amr")
    assert types_agree("audio/AMR", found)


def test_a_type_that_says_nothing_agrees_and_one_that_is_no_media_does_not() -> None:
    found = sniff(media.wav(media.beeps(1)), 100_000)
    assert found is not None
    assert types_agree("application/octet-stream", found)
    assert types_agree("", found)
    for wrong in ("text/html", "image/png", "audio/x-unheard-of", "application/zip"):
        assert not types_agree(wrong, found)


@pytest.mark.parametrize(
    ("kind", "pictures", "media_type"),
    [
        ("webm", False, "audio/webm"),
        ("webm", True, "video/webm"),
        ("mp4", True, "video/mp4"),
    ],
)
def test_sound_and_video_of_one_family_are_told_apart(kind: str, pictures: bool, media_type: str) -> None:
    sound = media.beeps(1)
    data = media.with_pictures(sound, kind) if pictures else media.encode(sound, kind)
    found = sniff(data, len(data))
    assert found is not None
    assert found.media_type == media_type


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 4_096,
        b"just some words " * 300,
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'/>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"PK\x03\x04" + bytes(100),
        b"\x7fELF\x02\x01\x01" + bytes(100),
        b"MZ\x90\0" + bytes(100),
        b"#!/bin/sh\nrm -rf /\n",
        b"%PDF-1.7\n" + bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(100),
        b"RIFF\x24\0\0\0WEBPVP8 " + bytes(100),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        b"\0\0\0\x1cftypavif\0\0\0\0mif1avif" + bytes(100),
        b"\x1f\x8b\x08" + bytes(100),
        b"\xff\xfe" + "utf-16 text".encode("utf-16-le") * 20,
        b"\x1a\x45\xdf\xa3" + bytes(100),
    ],
)
def test_what_is_no_media_is_nothing(data: bytes) -> None:
    assert sniff(data, len(data)) is None


def test_a_tag_in_front_does_not_hide_what_follows() -> None:
    tag = b"ID3\x04\0\0\0\0\x02\0" + bytes(256)
    assert id3_length(tag) == 266
    for kind in ("mp3", "flac", "aac"):
        data = tag + media.encode(media.beeps(1), kind)
        found = sniff(data, len(data))
        assert found is not None
        assert found.family == kind


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    found = sniff(data, len(data))
    assert found is None or found.media_type.startswith(("audio/", "video/"))
