"""Correlation clustering: the partition that agrees best with signed evidence for and against each pair."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.linkage import Rule, agglomerate
from domains.tables.sets.problem import Problem, connected

__all__ = ["UNKNOWN", "correlation"]

UNKNOWN = -1.0
"""Evidence of a pair that was never scored, in log-odds: blocking saw no reason to compare the two."""
_SWEEPS = 20


class _EvidenceRule(Rule):
    """Sum of the evidence over all pairs of rows of the two sets.

    What is kept is the sum over known pairs of evidence - UNKNOWN: then the value follows from the sizes alone.
    """

    def start(self, problem: Problem) -> list[Any]:
        return list((problem.evidence - UNKNOWN * problem.known).tolist())

    def join(self, first: Any, second: Any) -> Any:
        return first + second

    def value(self, kept: Any, first: int, second: int) -> float:
        return float(kept + UNKNOWN * first * second)


def correlation(problem: Problem) -> NDArray[np.int64]:
    """Greedy correlation clustering on signed log-odds, then moves of single rows while they gain.

    Bansal et al. 2004 state the problem: maximise the evidence within sets,::

        sum over pairs in one set of  log(p / (1 - p)) - log(t / (1 - t))

    with p the probability of the pair, t the threshold, both clipped to [0.01, 0.99], and -1 for pairs without a
    probability. The merges are greedy additive edge contraction (Keuper et al. 2015, arXiv 1505.06973): always the two
    sets with the most evidence for each other, while it is not negative.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    rule = _EvidenceRule()
    labels = agglomerate(problem, rule, 0.0)
    if problem.constraints:
        # A move would have to ask what the whole set may hold; merges have asked already.
        return labels
    component = problem.components()
    few = problem.keep(~problem.complete(component)[component[problem.left]])
    kept, strong = rule.start(few), problem.strong()
    for _ in range(_SWEEPS):
        labels = _moved(few, kept, labels)
        # A move can leave two parts behind without a strong pair between them: evidence speaks for taking them apart.
        inside = labels[strong.left] == labels[strong.right]
        apart = connected(problem.count, strong.left[inside], strong.right[inside])
        whole = apart.max() == np.unique(labels).size - 1
        labels = apart
        if whole:
            break
    return labels


def _moved(problem: Problem, kept: list[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move single groups to the set with the most evidence for them, or out, until no move gains."""
    size, label = problem.size.tolist(), labels.tolist()
    rows = np.bincount(labels, problem.size, problem.count).astype(np.int64).tolist()
    around: dict[int, list[tuple[int, Any]]] = {}
    for a, b, link in zip(problem.left.tolist(), problem.right.tolist(), kept, strict=True):
        around.setdefault(a, []).append((b, link))
        around.setdefault(b, []).append((a, link))
    empty = [i for i, count in enumerate(rows) if count == 0]
    order = sorted(around)
    for _ in range(_SWEEPS):
        still = True
        for a in order:
            home, own = label[a], size[a]
            sums: dict[int, Any] = {home: 0.0}
            for b, link in around[a]:
                sums[label[b]] = sums.get(label[b], 0.0) + link
            gains = {s: total + UNKNOWN * own * (rows[s] - (own if s == home else 0)) for s, total in sums.items()}
            best = max(gains, key=lambda s: (gains[s], s == home, -s))
            # Strictly better by more than rounding, or moves could go round for ever.
            if max(gains[best], 0.0) <= gains[home] + 1e-9:
                continue
            if gains[best] < 0:
                best = empty.pop()
            rows[home] -= own
            rows[best] += own
            if rows[home] == 0:
                empty.append(home)
            label[a] = best
            still = False
        if still:
            break
    return np.array(label, dtype=np.int64)
