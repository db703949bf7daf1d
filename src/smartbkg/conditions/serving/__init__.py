"""The embedded store offered over HTTP: requests, limits, uploads."""
