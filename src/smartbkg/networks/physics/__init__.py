"""Node inputs made for the physics, in torch and compiled."""
