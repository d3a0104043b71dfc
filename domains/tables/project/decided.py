"""What all decisions together say about rows: constraints for the sets, and labels to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domains.tables.project.decisions import Decision
from domains.tables.project.row_refs import RowIndex
from domains.tables.sets.constraints import pairs_among

__all__ = ["Decided", "decide"]

Pairs = list[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Decided:
    """Constraints that do not contradict each other, over positions in the table.

    Attributes:
        must: ``(k, 2)`` int64, pairs in one set; a group of k rows is a chain of k - 1 pairs.
        cannot: ``(k, 2)`` int64, pairs in different sets.
        locked: rows of each set that takes no other row.
        answered: ``{(a, b): "yes" | "no" | "unsure"}``, a < b, the last answer to each question and the constraints.
        overruled: ids of decisions of which a part contradicts a later one, and does not count.
        dormant: ids of decisions about rows that are not in the table any more.
    """

    must: NDArray[np.int64]
    cannot: NDArray[np.int64]
    locked: tuple[NDArray[np.int64], ...]
    answered: dict[tuple[int, int], str]
    overruled: tuple[str, ...]
    dormant: tuple[str, ...]

    def restricted(self, chosen: NDArray[np.bool_]) -> Decided:
        """Constraints among some rows alone, which are numbered anew; a lock needs all of its rows.

        Args:
            chosen: ``(n,)`` the rows.
        """
        place = np.cumsum(chosen, dtype=np.int64) - 1
        locked = tuple(place[rows] for rows in self.locked if chosen[rows].all())
        return Decided(pairs_among(self.must, chosen), pairs_among(self.cannot, chosen), locked, {}, (), ())

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Known pairs to learn from: two rows of each, and 1 for the same thing, 0 for different ones.

        They are what a person said of two rows: answers, must-links and cannot-links, and of each merge and split the
        pairs that it joined or took apart, one per row. Rows that merely stood in a set together are no label.
        """
        told = sorted((pair, answer) for pair, answer in self.answered.items() if answer != "unsure")
        pairs = np.array([pair for pair, _ in told], dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1], np.array([float(answer == "yes") for _, answer in told], dtype=np.float64)


def decide(decisions: Sequence[Decision], index: RowIndex) -> Decided:
    """Bring decisions together; where two contradict each other, the later one counts.

    - A yes, a must-link: both rows in one set. A no, a cannot-link: in different ones. Unsure says nothing.
    - A merge: all rows of its sets in one set. A split: each part stays together, the parts stay apart.
    - A lock: its rows stay together, and no other row joins them.

    Linear in the rows that the decisions name.

    Args:
        decisions: those that count, oldest first (`domains.tables.project.decisions.active`).
        index: of the table.
    """
    state = _State()
    overruled: list[str] = []
    dormant: list[str] = []
    answered: dict[tuple[int, int], str] = {}
    for decision in reversed(decisions):
        if not decision.groups or decision.kind == "value":
            continue
        groups = [[p for p in map(index.position, group) if p is not None] for group in decision.groups]
        if any(len(found) < len(group) for found, group in zip(groups, decision.groups, strict=True)):
            dormant.append(decision.id)
        groups = [found for found in groups if found]
        if len(groups) < len(decision.groups):
            continue
        for pair, answer in _said(decision, groups):
            answered.setdefault(pair, answer)
        if not state.take(decision, groups):
            overruled.append(decision.id)
    return Decided(
        _array(state.must),
        _array(state.cannot),
        tuple(np.array(sorted(rows), dtype=np.int64) for rows in reversed(state.locked)),
        answered,
        tuple(overruled[::-1]),
        tuple(dormant[::-1]),
    )


def _said(decision: Decision, groups: Sequence[Sequence[int]]) -> list[tuple[tuple[int, int], str]]:
    """Pairs of rows that a decision is about, and what it says of them."""
    if decision.kind == "pair":
        answer = str(decision.answer)
    elif decision.kind in ("must_link", "merge"):
        answer = "yes"
    elif decision.kind in ("cannot_link", "split"):
        answer = "no"
    else:
        return []
    found: Pairs = []
    for first, second in pairwise(groups):
        longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
        found += [(row, shorter[i % len(shorter)]) for i, row in enumerate(longer)]
    return [((min(a, b), max(a, b)), answer) for a, b in found if a != b]


class _State:
    """Constraints that were taken so far, the latest decision first; a later call cannot break an earlier one."""

    def __init__(self) -> None:
        self.must: Pairs = []
        self.cannot: Pairs = []
        self.locked: list[list[int]] = []
        self._parent: dict[int, int] = {}
        self._rows: dict[int, list[int]] = {}
        self._apart: dict[int, set[int]] = {}
        self._sealed: dict[int, int] = {}

    def take(self, decision: Decision, groups: Sequence[Sequence[int]]) -> bool:
        """Add what does not contradict anything; returns whether that is all of it."""
        if decision.kind == "lock":
            return self._lock(groups[0])
        if decision.kind == "pair" and decision.answer == "unsure":
            return True
        if decision.kind in ("must_link", "merge") or decision.answer == "yes":
            return self._join(row for group in groups for row in group)
        whole = self._separate(groups)
        for group in groups:
            whole = self._join(group) and whole
        return whole

    def _root(self, row: int) -> int:
        root = row
        while (above := self._parent.get(root, root)) != root:
            root = above
        while (above := self._parent.get(row, row)) != root:
            self._parent[row] = root
            row = above
        return root

    def _join(self, rows: Iterable[int]) -> bool:
        whole, last = True, -1
        for row in rows:
            if last >= 0 and not self._unite(last, row):
                whole = False
            last = row
        return whole

    def _unite(self, a: int, b: int) -> bool:
        one, two = self._root(a), self._root(b)
        if one == two:
            return True
        if two in self._apart.get(one, ()) or self._sealed.get(one) != self._sealed.get(two):
            return False
        if len(self._rows.get(one, ())) < len(self._rows.get(two, ())):
            one, two = two, one
        self._parent[two] = one
        self._rows.setdefault(one, [one]).extend(self._rows.pop(two, [two]))
        for other in self._apart.pop(two, set()):
            self._apart[other].discard(two)
            self._apart[other].add(one)
            self._apart.setdefault(one, set()).add(other)
        self.must.append((a, b))
        return True

    def _separate(self, groups: Sequence[Sequence[int]]) -> bool:
        """Keep groups apart, but for two that a later decision joined by any of their rows: those are one thing."""
        whole = True
        roots = [{self._root(row) for row in group} for group in groups]
        for i, first in enumerate(groups):
            for j in range(i + 1, len(groups)):
                if roots[i] & roots[j]:
                    whole = False
                    continue
                one, two = self._root(first[0]), self._root(groups[j][0])
                self._apart.setdefault(one, set()).add(two)
                self._apart.setdefault(two, set()).add(one)
                self.cannot.append((first[0], groups[j][0]))
        return whole

    def _lock(self, rows: Sequence[int]) -> bool:
        """Seal a set, if nothing later joined it with others or took it apart."""
        inside = set(rows)
        roots = {self._root(row) for row in rows}
        joined = any(not set(self._rows.get(root, [root])) <= inside for root in roots)
        apart = any(self._apart.get(root, set()) & roots for root in roots)
        if joined or apart or any(root in self._sealed for root in roots):
            return False
        self._join(rows)
        self._sealed[self._root(rows[0])] = len(self.locked)
        self.locked.append(list(rows))
        return True


def _array(pairs: Pairs) -> NDArray[np.int64]:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
