"""Benchmark of networks of genes: the published dense way, and models trained briefly."""
