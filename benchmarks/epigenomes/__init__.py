"""Data, methods and report of the benchmark of epigenomes."""
