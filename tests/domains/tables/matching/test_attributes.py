"""Distinct values, their chances of agreeing, and parts of a column."""

import numpy as np
import pandas as pd

from domains.tables.matching.attributes import Attribute

COLUMN = pd.Series(["St. Ives", "st ives", "Leeds", None, "Leeds", "Leeds"], dtype="string")


def test_spellings_become_one_value():
    found = Attribute.of("town", COLUMN)
    assert found.values.tolist() == ["leeds", "st ives"]
    assert found.code.tolist() == [1, 1, 0, -1, 0, 0]
    assert found.count.tolist() == [3, 2]


def test_agreement_is_that_of_two_random_rows():
    found = Attribute.of("town", COLUMN)
    code = found.code[found.present]
    pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
    assert np.isclose(found.agreement, np.mean([code[a] == code[b] for a, b in pairs]).clip(min=1 / 5))


def test_a_part_keeps_the_counts_of_the_whole():
    part = Attribute.of("town", COLUMN).restrict(np.array([4, 3, 2]))
    assert part.values.tolist() == ["leeds"]
    assert part.code.tolist() == [0, -1, 0]
    assert (part.count.tolist(), part.total) == ([3], 5)
