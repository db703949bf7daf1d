"""basf2's data store as this package reads and writes it."""
