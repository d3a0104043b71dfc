"""What is certain about each thing: the values on which its rows agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.problem import Problem

__all__ = ["Agreed", "agreed"]


@dataclass(frozen=True, eq=False)
class Agreed:
    """g things with the attributes of which all of their rows say the same.

    Attributes:
        attributes: names, m of them.
        text: ``(g, m)`` object, the agreed value, None where rows disagree or none has a value.
        key: ``(g, m)`` object, the same as values compare.
        code: ``(g, m)`` int64, equal where two values of an attribute are equal; -1 where there is none.
    """

    attributes: tuple[str, ...]
    text: NDArray[np.object_]
    key: NDArray[np.object_]
    code: NDArray[np.int64]

    def column(self, attribute: str) -> int:
        """Number of an attribute."""
        return self.attributes.index(attribute)


def agreed(problem: Problem, attributes: Sequence[str]) -> Agreed:
    """The agreed values of some attributes.

    Args:
        problem: everything that is claimed.
        attributes: columns that a language model may see.
    """
    found = [_column(problem.candidates[attribute]) for attribute in attributes]
    shape = (len(problem.labels), len(attributes))
    text, key = np.full(shape, None, dtype=object), np.full(shape, None, dtype=object)
    code = np.full(shape, -1, dtype=np.int64)
    for number, (texts, keys) in enumerate(found):
        text[:, number], key[:, number] = texts, keys
        code[:, number] = pd.factorize(pd.Series(keys, dtype=object))[0]
    return Agreed(tuple(attributes), text, key, code)


def _column(candidates: Candidates) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    one = candidates.count == 1
    first = candidates.start[:-1][one]
    text, key = (np.full(len(candidates.count), None, dtype=object) for _ in range(2))
    text[one], key[one] = candidates.text[first], candidates.key[first]
    return text, key
