"""Demonstrations and questions of a table, in the words of the template."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domains.tables.conflicts.in_context.agreed import agreed
from domains.tables.conflicts.in_context.demonstrations import (
    Selection,
    nearest,
    text_similarity,
    weighted_equality,
)
from domains.tables.conflicts.in_context.information import adjusted_information, codes
from domains.tables.conflicts.in_context.template import CONTENT_FREE, demonstration, query
from domains.tables.conflicts.problem import Problem

__all__ = ["Prompts"]

_BLOCK = 256


class Prompts:
    """Writes the prompts of one table; what an attribute needs is worked out when it is first asked for.

    Args:
        problem: everything that is claimed.
        visible: columns that may appear.
        k: demonstrations.
        selection: how they are found.
        shared: one set for each attribute.
        least_information: in nats, of attributes that stay in the sentences.
        pool: at most this many things are considered.
        seed: of everything random.
    """

    def __init__(
        self,
        problem: Problem,
        visible: Sequence[str],
        *,
        k: int,
        selection: Selection,
        shared: bool,
        least_information: float,
        pool: int,
        seed: int,
    ) -> None:
        self._problem, self._k, self._selection, self._shared = problem, k, selection, shared
        self._least, self._pool_size, self._seed = least_information, pool, seed
        self._things = agreed(problem, visible)
        self._codes = [codes(column) for column in self._things.key.T]
        self._ready: dict[str, _Attribute] = {}

    def parts(self, attribute: str, entity: int, *, content_free: bool = False) -> tuple[list[str], str]:
        """Demonstrations, the nearest last, and the question about one thing.

        Args:
            attribute: what is asked for.
            entity: number of the thing.
            content_free: put a word that says nothing in the place of every value of the question.
        """
        ready = self._attribute(attribute)
        shown = ready.shared if ready.shared is not None else self._nearest(ready, entity)
        column, texts = self._things.column(attribute), self._things.text
        sentences = [demonstration(self._known(ready, one), attribute, texts[one, column]) for one in shown.tolist()]
        known = self._known(ready, entity)
        return sentences, query([(name, CONTENT_FREE) for name, _ in known] if content_free else known, attribute)

    def kept(self, attribute: str) -> dict[str, float]:
        """Attributes that stay in the sentences about one, with their information in nats."""
        ready = self._attribute(attribute)
        names = self._things.attributes
        return {names[column]: float(nats) for column, nats in zip(ready.columns, ready.nats, strict=True)}

    def _known(self, ready: _Attribute, entity: int) -> list[tuple[str, str]]:
        row = self._things.text[entity]
        return [(self._things.attributes[c], row[c]) for c in ready.columns.tolist() if row[c] is not None]

    def _nearest(self, ready: _Attribute, entity: int) -> NDArray[np.int64]:
        return nearest(self._similarity(ready, np.array([entity]))[0], ready.pool, self._k)

    def _similarity(self, ready: _Attribute, queries: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(q, p)`` of things to the pool."""
        if self._selection == "knn":
            return text_similarity(self._things, ready.columns, queries, ready.pool)
        weight = ready.nats / ready.nats.sum() if len(ready.nats) else ready.nats
        return weighted_equality(self._things, ready.columns, weight, queries, ready.pool)

    def _attribute(self, attribute: str) -> _Attribute:
        if attribute not in self._ready:
            self._ready[attribute] = self._prepare(attribute)
        return self._ready[attribute]

    def _prepare(self, attribute: str) -> _Attribute:
        own = self._things.column(attribute)
        others = np.array([c for c in range(len(self._things.attributes)) if c != own], dtype=np.int64)
        pool = np.flatnonzero(self._codes[own] >= 0)
        if len(pool) > self._pool_size:
            pool = pool[np.linspace(0, len(pool) - 1, self._pool_size).astype(np.int64)]
        target = self._codes[own][pool]
        nats = np.array(
            [adjusted_information(self._codes[c][pool], target, seed=self._seed) for c in others], dtype=np.float64
        )
        stays = (nats >= self._least) & (nats > 0)
        ready = _Attribute(others[stays], nats[stays], pool)
        conflicts = self._problem.candidates[attribute].conflicts
        if self._selection == "random":
            rng = np.random.default_rng(self._seed)
            ready.shared = np.sort(rng.choice(pool, min(self._k, len(pool)), replace=False))
        elif self._shared:
            score = np.zeros(len(pool))
            for start in range(0, len(conflicts), _BLOCK):
                score += self._similarity(ready, conflicts[start : start + _BLOCK]).sum(0)
            ready.shared = nearest(score, pool, self._k)
        return ready


class _Attribute:
    """Columns that stay, their information, the things that may be shown, and the shared ones among them."""

    def __init__(self, columns: NDArray[np.int64], nats: NDArray[np.float64], pool: NDArray[np.int64]) -> None:
        self.columns, self.nats, self.pool = columns, nats, pool
        self.shared: NDArray[np.int64] | None = None
