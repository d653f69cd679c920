"""Benchmark of EpiAttention: a plain implementation, and a step of both."""
