"""Reconstruction of the embedded experiment."""
