"""The embedded generator."""
