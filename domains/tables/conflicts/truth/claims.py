"""Claims of sources about items, as a sparse graph of sources and facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.errors import UserError, unknown_name
from domains.tables.conflicts.comparable import comparable

__all__ = ["ClaimGraph", "Truth", "TruthMethod", "posterior", "reliability_of", "settle"]


@dataclass(frozen=True, eq=False)
class ClaimGraph:
    """k claims of s sources; a fact is one value of one item, and an item has one true value.

    Attributes:
        sources: names, s of them.
        attributes: names of the kinds of items.
        source: ``(k,)`` int64, who claims. A source claims a fact once; it may claim several facts of an item.
        fact: ``(k,)`` int64 in [0, f), what.
        item: ``(f,)`` int64 in [0, i), ascending, the item of each fact.
        attribute: ``(i,)`` int64, kind of each item.
        text: ``(f,)`` object, the value of each fact.
    """

    sources: tuple[str, ...]
    attributes: tuple[str, ...]
    source: NDArray[np.int64]
    fact: NDArray[np.int64]
    item: NDArray[np.int64]
    attribute: NDArray[np.int64]
    text: NDArray[np.object_]

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        *,
        source: str = "source",
        item: str = "item",
        value: str = "value",
        attribute: str | None = None,
    ) -> ClaimGraph:
        """Claims from a long table, one row each; rows without a value claim nothing.

        Args:
            frame: any order of rows; values compare as in `domains.tables.conflicts.comparable`.
            source: column that names the source.
            item: column that names what the claim is about.
            value: column of values.
            attribute: column that names the kind of item; None means that all are of one kind. Items are told apart by
                both columns.

        Raises:
            UserError: a column is missing, or a row has no source or no item.
        """
        for column in (source, item, value, *([] if attribute is None else [attribute])):
            if column not in frame.columns:
                raise unknown_name("column of claims", column, map(str, frame.columns))
        frame = frame[frame[value].notna()]
        for column in (source, item):
            if frame[column].isna().any():
                raise UserError(f"a claim has no value in {column!r}; every claim needs a source and an item")
        kinds = pd.Series("value", index=frame.index) if attribute is None else frame[attribute]
        kind, kind_names = pd.factorize(kinds, sort=True)
        who, who_names = pd.factorize(frame[source], sort=True)
        texts = frame[value].astype(str)
        code, spellings = pd.factorize(texts, sort=True)
        key = pd.factorize(np.array(comparable(list(spellings)), dtype=object), sort=True)[0][code]
        about = pd.factorize(frame[item], sort=True)[0] * len(kind_names) + kind
        fact, _ = pd.factorize(pd.MultiIndex.from_arrays([about, key]), sort=True)
        numbers, first = np.unique(fact, return_index=True)
        item_code, items = pd.factorize(about[first])
        claim = np.unique(who.astype(np.int64) * max(len(numbers), 1) + fact)
        text = texts.groupby(fact).min().to_numpy(dtype=object)
        return cls(
            tuple(map(str, who_names)),
            tuple(map(str, kind_names)),
            claim // max(len(numbers), 1),
            claim % max(len(numbers), 1),
            item_code.astype(np.int64),
            (items % max(len(kind_names), 1)).astype(np.int64),
            text,
        )

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """``(i,)`` first fact of each item."""
        return np.searchsorted(self.item, np.arange(len(self.attribute)))

    @cached_property
    def facts_of_item(self) -> NDArray[np.int64]:
        """``(i,)`` number of different values of each item."""
        return np.bincount(self.item, minlength=len(self.attribute))

    @cached_property
    def votes(self) -> NDArray[np.float64]:
        """``(f,)`` number of sources of each fact."""
        return np.bincount(self.fact, minlength=len(self.item)).astype(np.float64)

    @cached_property
    def matrix(self) -> csr_array:
        """``(s, f)`` sparse, 1 where a source claims a fact."""
        ones = np.ones(len(self.source))
        return csr_array((ones, (self.source, self.fact)), shape=(len(self.sources), len(self.item)))

    def answers(self, known: Mapping[int, int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Known items as arrays.

        Args:
            known: true fact by item.

        Returns:
            ``(f,)`` bool as the second: facts of known items; the first is the true facts.

        Raises:
            ValueError: a fact that belongs to another item.
        """
        items = np.fromiter(known.keys(), np.int64, len(known))
        facts = np.fromiter(known.values(), np.int64, len(known))
        if (self.item[facts] != items).any():
            raise ValueError("known facts must belong to their items")
        return facts, np.isin(self.item, items)


@dataclass(frozen=True, eq=False)
class Truth:
    """What truth discovery found.

    Attributes:
        probability: ``(f,)`` float64 in [0, 1]; sums to 1 over the facts of an item unless the method says otherwise.
        score: ``(f,)`` float64, what the probability is made of, before rounding at 0 and 1; larger is better.
        reliability: ``(s, a)`` float64 in [0, 1], estimated share of right claims of each source in each attribute, NaN
            where it claims nothing.
        iterations: rounds until nothing changed, or the limit.
    """

    probability: NDArray[np.float64]
    score: NDArray[np.float64]
    reliability: NDArray[np.float64]
    iterations: int


@runtime_checkable
class TruthMethod(Protocol):
    """Estimates the truth of facts."""

    @property
    def name(self) -> str:
        """As reports show it."""

    def fit(self, claims: ClaimGraph, known: Mapping[int, int] | None = None) -> Truth:
        """Learn from all claims.

        Args:
            claims: items with one claim tell about sources too.
            known: true fact by item, from review.
        """


def posterior(claims: ClaimGraph, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(f,)`` softmax of the scores over the facts of each item."""
    if not len(score):
        return np.empty(0)
    top = np.maximum.reduceat(score, claims.start)
    mass = np.exp(score - top[claims.item])
    total: NDArray[np.float64] = np.add.reduceat(mass, claims.start)
    share: NDArray[np.float64] = mass / total[claims.item]
    return share


def reliability_of(claims: ClaimGraph, probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(s, a)`` mean probability of the claims of each source in each attribute, NaN where there are none."""
    shape = (len(claims.sources), len(claims.attributes))
    cell = claims.source * shape[1] + claims.attribute[claims.item[claims.fact]]
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, probability[claims.fact], shape[0] * shape[1])
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean.reshape(shape)


def settle(
    claims: ClaimGraph, probability: NDArray[np.float64], known: Mapping[int, int] | None
) -> NDArray[np.float64]:
    """The probabilities with those of known items at 1 and 0."""
    if not known:
        return probability
    facts, settled = claims.answers(known)
    probability = np.where(settled, 0.0, probability)
    probability[facts] = 1.0
    return probability
