"""How long and how much an engine process may take."""

from dataclasses import dataclass

from reelkeep.speech.protocol import Stretch


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds on an engine process; past one of them it is killed."""

    #: Wall-clock seconds for a stretch: this many for each second of its sound...
    seconds_per_second: float = 10.0
    #: ...and never less than this.
    seconds_min: float = 120.0
    #: Wall-clock seconds for starting the process and loading the model.
    load_seconds_max: float = 300.0
    #: Wall-clock seconds for finding the speech, for each second of sound, on top of `seconds_min`.
    plan_seconds_per_second: float = 0.5
    #: Address space, or None: no bound. Model and card decide what is right.
    memory_bytes_max: int | None = None
    #: Added to the worker's own niceness, so that requests go first.
    nice: int = 10

    def stretch_seconds_max(self, stretch: Stretch) -> float:
        """How long the engine may take for a stretch."""
        return max(self.seconds_min, self.seconds_per_second * stretch.duration_seconds)

    def plan_seconds_max(self, duration_seconds: float) -> float:
        """How long finding the speech may take."""
        return self.seconds_min + self.plan_seconds_per_second * duration_seconds
