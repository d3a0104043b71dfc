from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.data.table import Table
from domains.tables.models import TupleEncoder


class Counting:
    """Vectors that say which text they are of, and a list of what was asked."""

    width = 2

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float32).reshape(-1, 2)


def table() -> Table:
    return Table.of(pd.DataFrame({"a": ["x", "yy", None, "x"], "b": ["yy", "", "zzz", None]}, dtype=object))


def test_vectors_and_mask_of_each_cell():
    vectors, mask = TupleEncoder(Counting()).encode(table())
    assert mask.tolist() == [[True, True], [True, False], [False, True], [True, False]]
    assert vectors[0].tolist() == [[1, ord("x")], [2, ord("y")]]
    assert vectors[2].tolist() == [[0, 0], [3, ord("z")]]
    assert vectors.dtype == np.float32


def test_every_distinct_value_is_encoded_once():
    encoder = Counting()
    tuples = TupleEncoder(encoder)
    tuples.encode(table())
    assert sorted(encoder.asked) == ["x", "yy", "zzz"]
    again = tuples.encode_values(Table.of(pd.DataFrame({"c": ["zzz", "new", "x"]})))
    assert encoder.asked[3:] == ["new"]
    assert again.vectors[again.code[:, 0]].tolist() == [[3, ord("z")], [3, ord("n")], [1, ord("x")]]
    assert len(tuples) == 4


def test_columns_may_be_chosen_and_missing_ones_are_missing():
    encoded = TupleEncoder(Counting()).encode_values(table(), ["b", "none", "a"])
    vectors, mask = encoded.take(np.array([3, 0]))
    assert mask.tolist() == [[False, False, True], [True, False, True]]
    assert vectors[1, 0].tolist() == [2, ord("y")]
    assert encoded.columns == ("b", "none", "a")


def test_tables_without_values_rows_or_columns():
    tuples = TupleEncoder(Counting())
    no_columns = Table(pd.DataFrame(index=range(3)), np.full(3, "table", dtype=object), np.arange(3))
    for made, shape in (
        (Table.of(pd.DataFrame({"a": [None, None]}, dtype=object)), (2, 1)),
        (Table.of(pd.DataFrame({"a": []}, dtype=object)), (0, 1)),
        (no_columns, (3, 0)),
    ):
        vectors, mask = tuples.encode(made)
        assert vectors.shape == (*shape, 2)
        assert mask.shape == shape
        assert not mask.any()
