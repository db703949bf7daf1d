"""Compiled building blocks that the networks share."""
