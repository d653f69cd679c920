"""Benchmark of attributions: two forms of one network, their times, and how far they agree."""
