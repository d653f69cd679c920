"""Cells, hubs and markers of the benchmark of hubs."""
