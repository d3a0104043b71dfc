"""Full disjunction: every maximal set of rows that fit together, joined into one row; exact equality only."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.align.compatible import CodedRows, compatible_pairs, encode, subsumed
from domains.tables.data.table import Table

__all__ = ["FullDisjunction", "full_disjunction"]


@dataclass(frozen=True, eq=False)
class FullDisjunction:
    """Joined rows and what they were made of.

    Attributes:
        frame: m joined rows of string columns, sorted by their values; a cell is missing where no row of the set has
            one.
        members: for each joined row the positions of the rows of the union that it joins, ascending. A row of the union
            may stand in several; rows with equal values stand together.
        subsumed: positions of the rows of the union that stand in none, because a joined row says all that they say.
    """

    frame: pd.DataFrame
    members: tuple[tuple[int, ...], ...]
    subsumed: tuple[int, ...]


def full_disjunction(
    table: Table, *, fill_missing: bool = False, max_pairs: int = 50_000_000, max_rows: int = 1_000_000
) -> FullDisjunction:
    """Join an outer union into its full disjunction.

    As in ALITE (Khatiwada et al., PVLDB 2022): complementation of rows that share a value and contradict each other
    nowhere, then removal of subsumed rows.

    ALITE complements pairs until nothing new appears, which makes every intermediate row too. Here the result is
    enumerated directly: its rows are the maximal connected sets of rows that do not contradict each other, found one
    from the other by exchanging a row (the scheme of Cohen, Kimelfeld and Sagiv, JCSS 2008, for connected hereditary
    properties), so work and memory grow with the size of the result.

    The result does not depend on the order of rows or sources, and no row of it is subsumed by another. A row without
    any value is subsumed.

    Args:
        table: outer union of the sources. A column in which a source has no value at all counts as not its own.
        fill_missing: whether a cell that is missing in a column that its source has may be filled from other rows.
            False, as in ALITE, treats it as a value of its own that equals no other.
        max_pairs: the most pairs of rows with a common value that are compared; time and memory grow with it.
        max_rows: the most joined rows.

    Raises:
        UserError: more pairs or joined rows than that; the message names the value that most rows share.

    >>> frame = pd.DataFrame({"city": ["Bonn", "Bonn", "Ulm"], "land": ["DE", None, None], "cases": [None, "7", "9"]})
    >>> full_disjunction(Table.of(frame, source=["a", "b", "b"])).frame.values.tolist()
    [['Bonn', 'DE', '7'], ['Ulm', <NA>, '9']]
    """
    rows = encode(table, fill_missing)
    neighbours = compatible_pairs(rows, max_pairs)
    sets = _maximal_sets(rows, neighbours, max_rows)
    return _joined(table, rows, sets)


def _maximal_sets(rows: CodedRows, neighbours: list[NDArray[np.int64]], limit: int) -> list[tuple[int, ...]]:
    """All maximal sets of rows that are connected by common values and hold no contradiction.

    Complete: let M be such a set, S the found one whose overlap with M has the largest connected part C. If C is not M,
    a row t of M outside C shares a value with C, so t is a neighbour of a member of S; exchanging t keeps C, and what
    grows from it overlaps M in C and t. Starting once from every row makes C non-empty.
    """
    found: dict[tuple[int, ...], None] = {}
    queue: deque[tuple[int, ...]] = deque()

    def keep(members: set[int]) -> None:
        key = tuple(sorted(members))
        if key not in found:
            if len(found) >= limit:
                raise UserError(
                    f"the full disjunction has more than {limit} rows, for rows combine in many ways; "
                    f"{rows.most_shared()}. Leave such columns out of the mapping, or raise max_rows"
                )
            found[key] = None
            queue.append(key)

    for row in range(len(rows.codes)):
        keep(_grown({row}, rows, neighbours))
    while queue:
        members = queue.popleft()
        if len(members) < 2:
            continue  # what a single row is exchanged for started a set of its own
        inside = set(members)
        around = {int(t) for m in members for t in neighbours[m]} - inside
        for t in sorted(around):
            keep(_grown(_exchanged(inside, t, rows, neighbours), rows, neighbours))
    return list(found)


def _exchanged(members: set[int], t: int, rows: CodedRows, neighbours: list[NDArray[np.int64]]) -> set[int]:
    """Row t and the members that it does not contradict and is connected with through each other."""
    fitting = {m for m in members if not rows.contradict(m, t)}
    connected, border = {t}, [t]
    while border:
        reached = {int(n) for n in neighbours[border.pop()]} & fitting - connected
        connected |= reached
        border.extend(reached)
    return connected


def _grown(members: set[int], rows: CodedRows, neighbours: list[NDArray[np.int64]]) -> set[int]:
    """The set with every row that connects and fits, the first row first, until none does."""
    members = set(members)
    joined = rows.join(sorted(members))
    around = {int(t) for m in members for t in neighbours[m]} - members
    while around:
        candidates = np.array(sorted(around), dtype=np.int64)
        fitting = candidates[~rows.contradicts(joined, candidates)]
        if not fitting.size:
            break
        row = int(fitting[0])
        members.add(row)
        joined = np.where(joined >= 0, joined, rows.codes[row])
        # what contradicts the joined row now will do so for ever
        around = ({int(t) for t in fitting} | {int(t) for t in neighbours[row]}) - members
    return members


def _joined(table: Table, rows: CodedRows, sets: list[tuple[int, ...]]) -> FullDisjunction:
    codes = np.array([rows.shown(rows.join(members)) for members in sets], dtype=np.int64).reshape(-1, rows.width)
    codes, at = np.unique(codes, axis=0, return_inverse=True)
    grouped: list[set[int]] = [set() for _ in codes]
    for group, members in zip(at.ravel(), sets, strict=True):
        for member in members:
            grouped[group].update(rows.positions[member])
    kept = np.flatnonzero(~subsumed(codes))
    frame = rows.decode(codes[kept], table.columns)
    text = frame.fillna("").astype(object)
    order = text.sort_values(list(frame.columns), kind="stable").index if len(frame) else frame.index
    joins = tuple(tuple(sorted(grouped[int(kept[i])])) for i in order)
    lost = set(range(len(table))).difference(*joins)
    return FullDisjunction(frame.loc[order].reset_index(drop=True), joins, tuple(sorted(lost)))
