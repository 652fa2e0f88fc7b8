"""Measures Reelkeep: `python -m bench` from the root of a checkout. What it found: docs/performance.md."""
