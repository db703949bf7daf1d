"""Upstream's small functions."""
