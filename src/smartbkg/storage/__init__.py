"""Files on disk: written whole or not at all, and what they say about what made them."""
