"""The greedy choice of exemplars, in blocks, with the result of the plain loop over all items."""

import numpy as np

from core.samplers.near_copies import Bools, Indices, PreparedItems

__all__ = ["greedy_exemplars"]


def greedy_exemplars(items: PreparedItems, threshold: float, groups: Indices) -> Indices:
    """For each item its exemplar, which is itself or an earlier item of its group.

    The rule: the first item left is an exemplar and takes all of its near-copies with it; repeat. So an item is an
    exemplar if no earlier exemplar is near, and else belongs to the earliest that is. The first half of a group is
    reduced, the second half compared with the exemplars found, and what is left of it reduced in the same way: as many
    comparisons as the loop makes, in blocks.

    Args:
        items: prepared by a measure.
        threshold: of the measure.
        groups: ``(n,)``, any integers; items of different groups are not compared.

    Returns:
        ``(n,)`` positions.
    """
    exemplar = np.arange(len(items))
    order = np.argsort(groups, kind="stable")
    borders = np.flatnonzero(np.diff(groups[order])) + 1
    small: list[Indices] = []
    held = 0
    for members in np.split(order, borders):
        if len(members) > items.leaf:
            _reduce(items, threshold, members, exemplar)
            continue
        if held + len(members) > items.leaf:
            _reduce_together(items, threshold, small, exemplar)
            small, held = [], 0
        small.append(members)
        held += len(members)
    _reduce_together(items, threshold, small, exemplar)
    return exemplar


def _reduce(items: PreparedItems, threshold: float, members: Indices, exemplar: Indices) -> Indices:
    """Write the exemplar of each member; returns the exemplars, in order."""
    if len(members) <= items.leaf:
        if len(members) > 1:
            exemplar[members] = members[_by_matrix(items.near(members, members, threshold))]
        kept: Indices = members[exemplar[members] == members]
        return kept
    half = len(members) // 2
    first = _reduce(items, threshold, members[:half], exemplar)
    second = members[half:]
    place = items.first(second, first, threshold)
    covered = place >= 0
    exemplar[second[covered]] = first[place[covered]]
    rest = second[~covered]
    return np.concatenate([first, _reduce(items, threshold, rest, exemplar)]) if len(rest) else first


def _reduce_together(items: PreparedItems, threshold: float, groups: list[Indices], exemplar: Indices) -> None:
    """Small groups in one matrix."""
    if sum(len(members) for members in groups) < 2:
        return
    members = np.concatenate(groups)
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    near = items.near(members, members, threshold) & (owner[:, None] == owner)
    exemplar[members] = members[_by_matrix(near)]


def _by_matrix(near: Bools) -> Indices:
    """Exemplar of each row of an ``(s, s)`` matrix; a loop sees only rows whose fate hangs on undecided ones."""
    earlier = np.tril(near, -1)
    chosen: Bools = np.logical_not(earlier.any(axis=1))
    covered = (earlier & chosen).any(axis=1)
    for i in np.flatnonzero(~chosen & ~covered):
        chosen[i] = not (earlier[i] & chosen).any()
    exemplar: Indices = np.where(chosen, np.arange(len(near)), (earlier & chosen).argmax(axis=1))
    return exemplar
