"""Benchmark of one attention layer: what takes turns, and what is measured of it."""
