"""Giving a model a surrogate: which events are asked, what is fitted to them, and what it gains."""
