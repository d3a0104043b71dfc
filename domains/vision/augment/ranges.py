"""The check of a range of values that recipes and crops share."""

import math

__all__ = ["check_range"]


def check_range(name: str, pair: tuple[float, float], *, limit: float = math.inf, zero: bool = False) -> None:
    """Refuse what is not two finite numbers in order, above 0 and at most ``limit``.

    Args:
        name: the argument's name, for the message.
        pair: least and largest value.
        limit: what the largest may reach.
        zero: whether the least may be 0.

    Raises:
        ValueError: with the name, what is allowed and what came.

    >>> check_range("scale", (0.5, 0.2), limit=1)
    Traceback (most recent call last):
    ValueError: scale must be two numbers, 0 < low <= high <= 1, got (0.5, 0.2)
    """
    ordered = len(pair) == 2 and pair[0] <= pair[1] <= limit and pair[1] < math.inf
    if not ordered or not (pair[0] > 0 or (zero and pair[0] == 0)):
        upper = "" if limit == math.inf else f" <= {limit}"
        raise ValueError(f"{name} must be two numbers, 0 {'<=' if zero else '<'} low <= high{upper}, got {pair!r}")
