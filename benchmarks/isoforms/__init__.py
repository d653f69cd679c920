"""Benchmark of isoforms: cohorts on which contexts are pretrained."""
