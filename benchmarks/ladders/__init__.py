"""Benchmark of attention's worth: the ladder of test cells, and models of several seeds."""
