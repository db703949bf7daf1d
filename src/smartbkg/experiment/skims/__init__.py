"""Skims: registry and Belle II's ten."""
