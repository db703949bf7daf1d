"""Measurements: `python -m benchmarks [NAME ...]` runs all, or those named."""
