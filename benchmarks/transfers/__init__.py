"""What `benchmarks/transfer.py` runs: data sets, methods, one measurement, the report."""
