"""Measurements, each a ratio in one run. `python -m benchmarks` runs them all."""
