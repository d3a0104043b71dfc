"""Warnings that point at the reader's own line, past the frames of the suite and of torch."""

import sys
import warnings

__all__ = ["warn_caller"]

PASSED_OVER = ("core", "torch", "jaxtyping", "beartype")
"""Packages whose lines the reader did not write."""


def warn_caller(message: str) -> None:
    """Give a ``UserWarning`` at the nearest line outside the core, torch and the checkers of shapes.

    Args:
        message: what is odd, and what the reader can do about it.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in PASSED_OVER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
