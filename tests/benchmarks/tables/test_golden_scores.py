"""The scores of a golden table by hand and by brute force."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from benchmarks.tables.golden_scores import golden_scores
from core.errors import UserError

GOLD = pd.DataFrame({"name": ["Ada", "Grace", "Alan"], "born": ["1815", "1906", None]}, dtype="string")


def test_the_same_table_in_any_order_is_perfect():
    scores = golden_scores(GOLD.iloc[[2, 0, 1]][["born", "name"]], GOLD)
    assert scores == {"cell F1": 1, "cell precision": 1, "cell recall": 1, "rows found": 1, "rows": 3}


def test_a_row_twice_costs_precision_only():
    scores = golden_scores(pd.concat([GOLD, GOLD.iloc[:1]]), GOLD)
    assert scores["cell recall"] == 1
    assert scores["cell precision"] == 5 / 7
    assert scores["rows found"] == 1


def test_a_row_less_costs_recall_only():
    scores = golden_scores(GOLD.iloc[:2], GOLD)
    assert (scores["cell precision"], scores["cell recall"], scores["rows found"]) == (1, 4 / 5, 2 / 3)


def test_a_cell_too_many_spoils_its_row():
    found = GOLD.assign(born=["1815", "1906", "1912"]).astype("string")
    scores = golden_scores(found, GOLD)
    assert scores["rows found"] == 2 / 3
    assert scores["cell precision"] == 5 / 6


def test_a_column_that_is_not_there_costs_recall():
    scores = golden_scores(GOLD[["name"]], GOLD)
    assert (scores["cell precision"], scores["cell recall"]) == (1, 3 / 5)
    assert scores["rows found"] == 1 / 3


def test_other_columns_play_no_part():
    assert golden_scores(GOLD.assign(more="x"), GOLD)["cell F1"] == 1
    with pytest.raises(UserError, match="no column in common: more and name, born"):
        golden_scores(pd.DataFrame({"more": ["x"]}, dtype="string"), GOLD)


def test_rows_are_paired_as_well_as_can_be():
    rng = np.random.default_rng(0)
    draw = lambda: pd.DataFrame(rng.integers(0, 2, (4, 3)).astype(str), columns=list("abc")).astype("string")  # noqa: E731
    for _ in range(5):
        gold, found = draw(), draw()
        best = max(
            sum((gold.iloc[i] == found.iloc[j]).sum() for i, j in enumerate(order)) for order in permutations(range(4))
        )
        assert golden_scores(found, gold)["cell recall"] == pytest.approx(best / 12)
