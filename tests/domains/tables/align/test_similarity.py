"""Similarity of columns against sets and loops."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from domains.tables.align.similarity import column_similarity
from domains.tables.align.sketch import sketch

WEIGHTS = (0.8, 0.8, 0.6)


def compare(*columns, names=None):
    sketches = [sketch(pd.Series(list(c), dtype="string")) for c in columns]
    return column_similarity(names or [f"column {i}" for i in range(len(columns))], sketches, WEIGHTS)


def test_value_is_the_weighted_cosine_of_sets():
    sets = [{"a", "b", "c", "d"}, {"b", "c", "e"}, {"b", "x"}, {"q"}]
    found = compare(*sets).value
    held = {v: sum(v in one for one in sets) for one in sets for v in one}
    weight = {v: np.log1p(len(sets) / n) for v, n in held.items()}

    def mass(values):
        return sum(weight[v] for v in values)

    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            common = len(a & b)
            expected = mass(a & b) / np.sqrt(mass(a) * mass(b)) * common / (common + 1)
            assert found[i, j] == pytest.approx(expected)


def test_samples_of_large_columns_estimate_the_value_of_whole_columns():
    a, b = [str(i) for i in range(6000)], [str(i) for i in range(3000, 7000)]
    whole = compare(a, b).value[0, 1]
    sketches = [sketch(pd.Series(c, dtype="string"), sample=500) for c in (a, b)]
    sampled = column_similarity(["column 1", "column 2"], sketches, WEIGHTS).value[0, 1]
    assert sampled == pytest.approx(whole, abs=0.06)


def test_numbers_are_compared_by_distribution():
    rng = np.random.default_rng(0)
    years, sizes = rng.integers(1900, 2020, 400), rng.integers(30_000, 90_000, 400)
    more = rng.integers(1920, 2020, 300)
    found = compare(*[map(str, x) for x in (years, sizes, more)]).kind
    assert found[0, 2] > 0.9 > 0.5 > found[0, 1]
    # formats and lengths of years are equal, so what is missing is half the Kolmogorov-Smirnov distance of the values
    distance = ks_2samp(np.unique(years), np.unique(more)).statistic
    assert found[0, 2] == pytest.approx(1 - distance / 2, abs=0.03)


def test_score_follows_the_formula_and_missing_evidence_adds_nothing():
    found = compare(["ann", "bob"], ["bob", "eve"], [None], names=["name", "nome", "name"])
    name, value, content, kind = (np.nan_to_num(m) for m in (found.name, found.value, found.content, found.kind))
    by_name = 0.8 * name[0, 1] * (0.7 + 0.3 * kind[0, 1])
    common = 1 - (1 - 0.8 * value[0, 1] ** 0.5) * (1 - 0.6 * content[0, 1])
    by_values = common * (0.4 + 0.6 * kind[0, 1]) * (0.7 + 0.3 * name[0, 1])
    assert found.score[0, 1] == pytest.approx(1 - (1 - by_name) * (1 - by_values))
    assert np.isnan(found.value[0, 2])
    assert found.score[0, 2] == pytest.approx(0.8)


def test_matrices_are_symmetric_and_in_range():
    found = compare(["a1", "b2"], ["x"], ["3.5", "7"], [None], names=["a", "Ä", "", "b"])
    for matrix in (found.name, found.value, found.content, found.kind, found.score):
        np.testing.assert_allclose(matrix, matrix.T)
        assert np.nanmin(matrix) >= 0
        assert np.nanmax(matrix) <= 1
