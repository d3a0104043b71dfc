"""Which numbers can be a seed."""

from __future__ import annotations

from core.errors import UserError

__all__ = ["check_seed"]

_MOST = 2**32 - 1
"""What NumPy, scikit-learn and torch all take: the least of their limits."""


def check_seed(seed: int, name: str = "seed") -> None:
    """Refuse a seed that a later step could not take.

    Args:
        seed: of random draws.
        name: what it is called where the person wrote it.

    Raises:
        UserError: negative, or of more than 32 bits.
    """
    if not 0 <= seed <= _MOST:
        raise UserError(f"{name} must be 0 to {_MOST}, got {seed}")
