"""EDM4hep: particles and event headers of podio files."""
