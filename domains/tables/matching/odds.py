"""Log odds of pairs under what was learned, and what each attribute adds to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.matching.attributes import Attribute
from domains.tables.matching.compare import compare
from domains.tables.matching.elsewhere import mark_elsewhere
from domains.tables.matching.learned import Learned
from domains.tables.matching.likelihood import Likelihood, evidence
from domains.tables.matching.whole_row import known_attributes
from domains.tables.sets.constraints import as_sources

__all__ = ["PairOdds", "group_totals", "pair_groups", "pair_odds", "source_codes"]

_WINDOW = -12.0
"""Values elsewhere are looked for where the log odds are not below this: it is the dear part."""


def pair_odds(
    likelihood: Likelihood, source: NDArray[np.int64], attributes: Sequence[Attribute], pairs: Candidates
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(p,)`` log odds of a match before attributes are weighed anew, and ``(p, m)`` what each attribute adds.

    Args:
        likelihood: what was learned of the attributes.
        source: ``(n,)`` number of the source of each row.
        attributes: of the table, m of them.
        pairs: p pairs of rows.
    """
    compared = compare(attributes, pairs.left, pairs.right)
    group = pair_groups(source, pairs)
    likely = likelihood.log_odds(compared, group) > _WINDOW
    mark_elsewhere(compared, attributes, pairs.left, pairs.right, likely)
    found = evidence(compared, likelihood)
    return likelihood.prior[group] + found.sum(axis=1), found


def source_codes(table: Table) -> NDArray[np.int64]:
    """``(n,)`` number of the source of each row."""
    return as_sources(table.source.astype(str), len(table))


def pair_groups(source: NDArray[np.int64], pairs: Candidates) -> NDArray[np.int64]:
    """``(p,)`` 0 for pairs within a source, 1 across sources.

    Args:
        source: ``(n,)`` number of the source of each row.
        pairs: p pairs of rows.
    """
    across: NDArray[np.int64] = (source[pairs.left] != source[pairs.right]).astype(np.int64)
    return across


def group_totals(source: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many pairs of rows there are within sources, and across.

    Args:
        source: ``(n,)`` number of the source of each row.

    >>> group_totals(np.array([0, 0, 1])).tolist()
    [1.0, 2.0]
    """
    size = np.bincount(source).astype(float)
    n = float(len(source))
    within = float((size * (size - 1)).sum()) / 2
    return np.array([within, n * (n - 1) / 2 - within])


class PairOdds:
    """How much each attribute of a pair speaks for or against a match.

    Args:
        learned: by a matcher.
        table: the rows; how rare their values are is counted once, here.
    """

    def __init__(self, learned: Learned, table: Table) -> None:
        self._learned, self._count = learned, len(table)
        self._source = source_codes(table)
        self._attributes = known_attributes(learned.names, table)

    def of(self, a: int, b: int) -> dict[str, float]:
        """Natural logarithm of the odds that each attribute adds, and under "" what is there before any is compared.

        Their sum is the logarithm of the odds of a match.

        Args:
            a: one row.
            b: the other.
        """
        pair = Candidates.of(self._count, np.array([a]), np.array([b]))
        odds, found = pair_odds(self._learned.likelihood, self._source, self._attributes, pair)
        shift = self._learned.shift
        parts: NDArray[np.float64] = found[0] * (1 + shift[:-1])
        start = float(odds[0] - found[0].sum() + shift[-1])
        return {"": start, **{one.name: float(part) for one, part in zip(self._attributes, parts, strict=True)}}
