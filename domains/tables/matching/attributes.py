"""An attribute as its distinct values: what comparisons work on, since a column of 10^6 rows has few of them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from domains.tables.data.table import Table
from domains.tables.matching.grams import Grams, number_tokens

__all__ = ["Attribute", "attributes_of", "comparable"]

LONG = 1.5
"""Mean number of words from which values are compared as texts, by their q-grams; shorter ones as strings."""


def comparable(values: pd.Series) -> pd.Series:
    """Text as it is compared: NFKC, lower case, punctuation as one blank. What is left empty is missing.

    Args:
        values: string column.

    >>> comparable(pd.Series(["St. Mary's ", "--"], dtype="string")).tolist()
    ['st mary s', <NA>]
    """
    text = values.map(lambda value: unicodedata.normalize("NFKC", value), na_action="ignore").astype("string")
    text = text.str.lower().str.replace(r"[\W_]+", " ", regex=True).str.strip()
    return text.mask(text == "", pd.NA)


@dataclass(frozen=True, eq=False)
class Attribute:
    """One column by its distinct comparable values.

    Attributes:
        name: of the column.
        code: ``(n,)`` int32, position of each row's value in ``values``, -1 where it is missing.
        values: the distinct values in sorted order.
        count: ``(k,)`` int64, rows of the whole table with each value.
        total: rows of the whole table with any value.
        agreement: probability that two random rows of the whole table with values have the same one, at least one in
            ``total``.
        whole: whether it is the whole row, which is compared only where a value stands in one of two rows alone.
    """

    name: str
    code: NDArray[np.int32]
    values: NDArray[np.object_]
    count: NDArray[np.int64]
    total: int
    agreement: float
    whole: bool = False

    @classmethod
    def of(cls, name: str, column: pd.Series) -> Attribute:
        """An attribute from a string column of any spelling; distinct raw values are made comparable once.

        Args:
            name: of the column.
            column: text and missing values.
        """
        raw, distinct = pd.factorize(column)
        text = comparable(pd.Series(distinct, dtype="string"))
        codes, values = pd.factorize(text, sort=True)
        code = np.full(len(column), -1, dtype=np.int32)
        present = raw >= 0
        code[present] = codes[raw[present]]
        found = np.asarray(values, dtype=object)
        count = np.bincount(code[code >= 0], minlength=len(found))
        total = int(count.sum())
        same = float((count.astype(float) * (count - 1)).sum()) / max(1.0, total * (total - 1.0))
        return cls(name, code, found, count, total, max(same, 1 / max(1, total)))

    def restrict(self, rows: NDArray[np.integer]) -> Attribute:
        """The attribute of some rows: fewer values, with their counts in the whole table.

        Args:
            rows: positions.
        """
        code = self.code[rows]
        used, found = np.unique(code[code >= 0], return_inverse=True)
        short = np.full(len(code), -1, dtype=np.int32)
        short[code >= 0] = found
        return Attribute(self.name, short, self.values[used], self.count[used], self.total, self.agreement, self.whole)

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(n,)`` whether the row has a value."""
        return self.code >= 0

    @cached_property
    def frequency(self) -> NDArray[np.float64]:
        """``(k,)`` share of each value among the rows with values."""
        return self.count / max(1, self.total)

    @cached_property
    def words(self) -> float:
        """Mean number of words of the distinct values; 0 where there are none."""
        if not len(self.values):
            return 0.0
        words = np.fromiter((value.count(" ") + 1 for value in self.values), dtype=np.int64, count=len(self.values))
        return float(np.average(words))

    @property
    def is_text(self) -> bool:
        """Whether values are of several words."""
        return self.words >= LONG

    @cached_property
    def grams(self) -> Grams:
        """q-grams of the values, weighted by their rarity."""
        return Grams.of(self.values)

    @cached_property
    def numbers(self) -> csr_array:
        """``(k, t)`` which numbers stand in each value."""
        return number_tokens(self.values)


def attributes_of(table: Table) -> list[Attribute]:
    """Attributes that can tell rows apart: of two distinct values or more.

    Args:
        table: any table.
    """
    found = (Attribute.of(name, table.frame[name]) for name in table.columns)
    return [one for one in found if len(one.values) > 1]
