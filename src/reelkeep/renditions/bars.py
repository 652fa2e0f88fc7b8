"""The small waveform that a list shows."""

BARS = 64
FULL_SCALE = 127


def bars_of(overview: bytes) -> list[int]:
    """64 bar heights, 0 to 100, from signed pairs (lowest, highest) over the whole sound."""
    heights = [abs(value - 256 if value > FULL_SCALE else value) for value in overview]
    if not heights:
        return []
    return [_bar(heights, index) for index in range(BARS)]


def _bar(heights: list[int], index: int) -> int:
    first = index * len(heights) // BARS
    after = max((index + 1) * len(heights) // BARS, first + 1)
    return min(100, round(100 * max(heights[first:after]) / FULL_SCALE))
