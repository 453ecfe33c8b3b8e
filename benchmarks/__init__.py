"""Benchmarks: speed as ratios against named rivals; see `python -m benchmarks`."""
