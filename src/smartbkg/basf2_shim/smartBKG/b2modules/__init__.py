"""Upstream's basf2 modules."""
