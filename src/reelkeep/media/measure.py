"""Probe: what a file really holds, found by decoding all of it."""

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.media.decode import SoundReader
from reelkeep.media.facts import ProbeFacts

#: -60 dBFS.
SILENT_PEAK = 0.001
#: How far the decoded length may stay under the declared one: a packet or two, and rounding in headers.
SHORT_SECONDS = 0.25
SHORT_FRACTION = 0.005
#: Beside pictures the container's length is that of the longest track.
SHORT_SECONDS_BESIDE_VIDEO = 2.0
SHORT_FRACTION_BESIDE_VIDEO = 0.02


def measure(sound: SoundReader, size_bytes: int, sandbox: str) -> ProbeFacts:
    """Decode everything and say what was found. Raises `MediaError`, also where no sample comes out."""
    peak = 0.0
    for block in sound.blocks():
        peak = max(peak, float(block.max()), -float(block.min()))
    refuse_empty(sound)
    return ProbeFacts(
        container=sound.family,
        codec=sound.codec,
        duration_seconds=sound.seconds,
        declared_duration_seconds=sound.declared_seconds,
        sample_rate_hz=sound.sample_rate,
        channels=sound.channels,
        has_video=sound.has_video,
        bit_rate=round(size_bytes * 8 / sound.seconds),
        warnings=_warnings(sound, peak),
        sandbox=sandbox,
    )


def refuse_empty(sound: SoundReader) -> None:
    """Raise `MediaError` where decoding gave nothing to hear."""
    if sound.seconds > sound.gap_seconds:
        return
    if sound.damaged_packets:
        raise MediaError(
            f"None of the sound could be decoded: {sound.damaged_packets} damaged packets and no whole one. "
            "Send the file again."
        )
    raise MediaError(
        "The sound track is empty: it lasts 0 seconds. The recorder may have been stopped before it began.",
        ErrorCode.MEDIA_NO_SOUND,
    )


def _warnings(sound: SoundReader, peak: float) -> tuple[str, ...]:
    only_the_end = sound.damaged_packets == 1 and sound.last_packet_damaged
    found = {
        "truncated": sound.claims.cut_short or only_the_end or _falls_short(sound),
        "damaged": sound.damaged_packets > 0 and not only_the_end,
        "gaps": sound.gap_seconds > 0,
        "silent": peak < SILENT_PEAK,
        "no_duration": sound.declared_seconds is None,
    }
    return tuple(code for code, is_so in found.items() if is_so)


def _falls_short(sound: SoundReader) -> bool:
    declared = sound.declared_seconds
    if declared is None:
        return False
    seconds, fraction = SHORT_SECONDS, SHORT_FRACTION
    if sound.has_video:
        seconds, fraction = SHORT_SECONDS_BESIDE_VIDEO, SHORT_FRACTION_BESIDE_VIDEO
    return declared - sound.seconds > max(seconds, declared * fraction)
