"""Attributes that agree together in different things, as a town with its postcode, and what that takes off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

from domains.tables.matching.compare import BINS, MISSING, Comparison

__all__ = ["ALIKE", "Link", "dependent_attributes", "take_off"]

ALIKE = (BINS.index(0.85) + 1) * 8
"""Levels from this one on are of values that are nearly the same."""
_LEAST_PAIRS = 50
_LEAST_LIFT = 1.5


@dataclass(frozen=True)
class Link:
    """Two attributes that agree together more often than each on its own would have it.

    Attributes:
        one: position of an attribute.
        other: position of the other one.
        excess: natural logarithm of how much more often, > 0.
    """

    one: int
    other: int
    excess: float


def dependent_attributes(random: Comparison, matches: float) -> tuple[Link, ...]:
    """The strongest links that make a tree (Chow and Liu 1968), from how random pairs of rows agree.

    Log odds of attributes add up only where attributes are independent. Rare agreements hardly move a correlation, but
    of a million persons many have a town and its postcode in common.

    Where duplicates are many, some of the random pairs are matches, which agree in everything. So of the joint
    agreements twice the share of matches is not counted.

    Args:
        random: comparison of random pairs of rows.
        matches: share of matches among all pairs of rows, as far as is known, in [0, 1].
    """
    alike, known = random.level >= ALIKE, random.level != MISSING
    width = alike.shape[1]
    strength, excess = np.zeros((width, width)), np.zeros((width, width))
    for one in range(width):
        for other in range(one + 1, width):
            both = known[:, one] & known[:, other]
            count = int(both.sum())
            if count < _LEAST_PAIRS:
                continue
            a, b = ((alike[both, side].sum() + 0.5) / (count + 1) for side in (one, other))
            together = ((alike[both, one] & alike[both, other]).sum() + a * b) / (count + 1)
            lift = max(together - 2 * matches, a * b) / (a * b)
            if lift > _LEAST_LIFT:
                excess[one, other] = np.log(lift)
                strength[one, other] = lift * np.sqrt(a * b) * np.log(lift)
    tree = minimum_spanning_tree(-strength).tocoo()
    ends = sorted(zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    return tuple(Link(one, other, float(excess[one, other])) for one, other in ends)


def take_off(evidence: NDArray[np.float64], comparison: Comparison, links: tuple[Link, ...]) -> None:
    """Take what linked attributes say twice off their evidence, half from each, in place.

    Where both agree, no more is taken than the smaller one says.

    Args:
        evidence: ``(p, m)`` log odds by attribute.
        comparison: of the pairs.
        links: of `dependent_attributes`.
    """
    for link in links:
        both = (comparison.level[:, link.one] >= ALIKE) & (comparison.level[:, link.other] >= ALIKE)
        smaller = np.minimum(evidence[both, link.one], evidence[both, link.other])
        half = np.minimum(link.excess, np.maximum(smaller, 0)) / 2
        evidence[both, link.one] -= half
        evidence[both, link.other] -= half
