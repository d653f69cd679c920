"""Benchmark of DeepLIFT: a network of DeepRBP's size, and the sides that explain it."""
