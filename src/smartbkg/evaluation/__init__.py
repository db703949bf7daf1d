"""How good a model is, and what a policy would gain."""
