"""The greedy choice of exemplars as it is told: one loop, one pair at a time."""

import numpy as np

__all__ = ["assert_exemplars", "greedy"]


def greedy(near, groups):
    """Exemplar of each item; ``near(i, j)`` says whether two items are near-copies."""
    exemplar = [-1] * len(groups)
    left = list(range(len(groups)))
    while left:
        first = left[0]
        taken = [x for x in left if x == first or (groups[x] == groups[first] and near(first, x))]
        for x in taken:
            exemplar[x] = first
        left = [x for x in left if x not in set(taken)]
    return exemplar


def assert_exemplars(fitted, near, groups):
    """What the rule promises: coverage by the earliest exemplar, separation, and attributes that agree."""
    exemplar = np.asarray(fitted.representative_)
    kept = np.flatnonzero(exemplar == np.arange(len(exemplar)))
    assert fitted.keep_indices_.tolist() == kept.tolist()
    assert fitted.ratio_ == len(kept) / len(exemplar)
    for i, own in enumerate(exemplar):
        before = [k for k in kept if k < i and groups[k] == groups[i]]
        close = [k for k in before if near(k, i)]
        if own == i:
            assert not close
        else:
            assert own == close[0]
