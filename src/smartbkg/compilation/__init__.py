"""Compiled kernels whose machine code is kept on disk, comes with the installation, and is never out of date."""

from smartbkg.compilation.kernels import kernel, part

__all__ = ["kernel", "part"]
