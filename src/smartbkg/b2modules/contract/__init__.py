"""What this package relies on in basf2, and a test of it in the user's own release."""
