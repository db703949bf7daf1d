"""Compiled kernels whose machine code is kept on disk, comes with the installation, and is never out of date."""

from smartbkg.compilation.kernels import borrowing_part, kernel, part

__all__ = ["borrowing_part", "kernel", "part"]
