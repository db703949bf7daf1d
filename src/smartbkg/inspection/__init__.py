"""Looking into files and installations."""
