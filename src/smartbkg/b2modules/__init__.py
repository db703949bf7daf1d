"""Modules for Belle II's basf2, with upstream's names and signatures. Importing one of them needs basf2."""
