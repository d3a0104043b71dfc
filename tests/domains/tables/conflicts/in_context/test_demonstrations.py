import numpy as np
import pandas as pd
import pytest

from domains.tables.conflicts.in_context.agreed import agreed
from domains.tables.conflicts.in_context.demonstrations import nearest, text_similarity, weighted_equality
from domains.tables.conflicts.problem import problem_of
from domains.tables.data.table import Table


@pytest.fixture
def things():
    frame = pd.DataFrame(
        {
            "city": ["Ulm", "ulm", "Ulm", "Bonn", "Bonna", None],
            "state": ["BW", "BW", None, "NW", "NW", None],
            "zip": ["1", "2", "3", "4", "5", "6"],
        },
        dtype=object,
    )
    problem = problem_of(Table.of(frame), np.array([0, 1, 2, 3, 4, 5]))
    return agreed(problem, problem.table.columns)


def test_agreed_leaves_conflicts_out():
    frame = pd.DataFrame({"a": ["x", "y", "p", "P"], "b": ["1", None, None, None]}, dtype=object)
    found = agreed(problem_of(Table.of(frame), np.array([0, 0, 1, 1])), ["a", "b"])
    assert found.text.tolist() == [[None, "1"], ["P", None]]
    assert found.code.tolist() == [[-1, 0], [0, -1]]


def test_weighted_equality_by_loops(things):
    columns, weight = np.array([0, 1]), np.array([0.3, 0.7])
    found = weighted_equality(things, columns, weight, np.arange(6), np.arange(6))
    for i in range(6):
        for j in range(6):
            expected = sum(
                w for c, w in zip(columns, weight, strict=True)
                if things.key[i, c] is not None and things.key[i, c] == things.key[j, c]
            )  # fmt: skip
            assert found[i, j] == pytest.approx(expected)


def test_text_similarity(things):
    found = text_similarity(things, np.array([0, 1]), np.array([0, 3, 5]), np.array([1, 2, 4]))
    assert found[0].argmax() == 0
    assert found[0, 0] == pytest.approx(1)
    assert found[1].argmax() == 2
    assert found[2].tolist() == [0, 0, 0]
    assert text_similarity(things, np.array([0]), np.array([0]), np.array([5])).tolist() == [[0]]


def test_nearest_breaks_ties_by_number():
    pool = np.array([9, 3, 7])
    assert nearest(np.array([0.5, 0.5, 0.5 + 1e-12]), pool, 2).tolist() == [7, 3]
    assert nearest(np.array([0.1, 0.2, 0.3]), pool, 9).tolist() == [9, 3, 7]
    assert nearest(np.zeros(3), pool, 0).tolist() == []
