"""The embedded, parametrised detector."""
