"""How much one attribute says about another, without the bonus that columns of many values get."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.conflicts.comparable import number

__all__ = ["adjusted_information", "codes", "mutual_information"]

_BINS = 10
_SHUFFLES = 20
_MOSTLY = 0.9


def codes(keys: NDArray[np.object_]) -> NDArray[np.int64]:
    """``(n,)`` classes of the values of a column, -1 where there is none.

    A column in which at least nine of ten values are numbers, and more than ten different ones, is cut into at most ten
    bins of about equal size; its other values are a class of their own each.

    Args:
        keys: n texts as they compare, None where missing.
    """
    code, texts = pd.factorize(pd.Series(keys, dtype=object), sort=True)
    values = np.array([number(str(text)) for text in texts], dtype=np.float64)
    finite = np.isfinite(values)
    filled = code >= 0
    if not filled.any() or finite[code[filled]].mean() < _MOSTLY or finite.sum() <= _BINS:
        return code.astype(np.int64)
    column = np.where(filled, values[code], np.nan)
    numeric = np.isfinite(column)
    edges = np.unique(np.quantile(column[numeric], np.linspace(0, 1, _BINS + 1)[1:-1]))
    found = code.astype(np.int64) + _BINS
    found[numeric] = np.searchsorted(edges, column[numeric], side="right")
    return np.where(filled, found, -1)


def mutual_information(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """I(a; b) in nats, at least 0; rows where either is missing (-1) do not count.

    Args:
        a: ``(n,)`` classes.
        b: ``(n,)`` classes.

    >>> round(mutual_information(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])), 4)
    0.6931
    """
    both = (a >= 0) & (b >= 0)
    if not both.any():
        return 0.0
    one, two = np.unique(a[both], return_inverse=True)[1], np.unique(b[both], return_inverse=True)[1]
    joint = np.unique(one * (two.max() + 1) + two, return_counts=True)[1]
    total = _entropy(np.bincount(one)) + _entropy(np.bincount(two)) - _entropy(joint)
    return max(0.0, total)


def adjusted_information(a: NDArray[np.int64], b: NDArray[np.int64], *, seed: int = 0) -> float:
    """I(a; b) less what chance gives columns with so many values, in nats, at least 0.

    Chance is the mean of I over 20 shuffles of b: the permutation null whose exact mean adjusted mutual information
    subtracts, at a cost that is linear in the rows. An identifier has as much information about everything as there
    is, and as much by chance: it comes out at 0.

    Args:
        a: ``(n,)`` classes, -1 where missing.
        b: ``(n,)`` classes, -1 where missing.
        seed: of the shuffles.
    """
    both = (a >= 0) & (b >= 0)
    one, two = a[both], b[both]
    rng = np.random.default_rng(seed)
    chance = [mutual_information(one, rng.permutation(two)) for _ in range(_SHUFFLES)]
    return max(0.0, mutual_information(one, two) - float(np.mean(chance)))


def _entropy(counts: NDArray[np.int64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
