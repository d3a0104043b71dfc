"""Readers of graph formats, the two containers, splits, samplers and the embedded data."""
