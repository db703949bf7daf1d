"""The whole job at a small size."""
