"""What is known of a recording's media, and the limits it is worked on under."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Bounds on one piece of work on media from outside."""

    #: Wall-clock seconds a child process may take before it is killed.
    seconds_max: int = 3_600
    #: Address space of the child process.
    memory_bytes_max: int = 1_500_000_000
    #: Bytes a child process may write to one file.
    output_bytes_max: int = 4_000_000_000
    #: Longest sound taken, in seconds.
    duration_seconds_max: float = 24 * 3_600
    #: Most channels taken.
    channels_max: int = 64
    #: Highest sample rate taken.
    sample_rate_hz_max: int = 768_000


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What was found by decoding, not by believing the container."""

    container: str
    codec: str
    #: Length of the sound that can really be decoded.
    duration_seconds: float
    #: What the container claims, or None where it says nothing.
    declared_duration_seconds: float | None
    sample_rate_hz: int
    channels: int
    has_video: bool
    bit_rate: int | None
    #: Codes a person is told about: "truncated" (the file ends early), "silent" (nothing above -60 dBFS),
    #: "no_duration" (the container does not say how long it is), "damaged" (parts could not be decoded and
    #: were left out), "gaps" (silence stands where the clock of the sound jumps).
    warnings: tuple[str, ...] = ()
    #: What holds the decoder in besides limits: "seccomp", or "none: " and why not.
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file made from an original, on scratch."""

    content_type: str
    size_bytes: int
    duration_seconds: float
    details: dict[str, float | int | str] = field(default_factory=dict)
