"""Upstream's networks."""
