"""Sketches: what is normalised, sampled and counted."""

import numpy as np
import pandas as pd
import pytest

from domains.tables.align.sketch import sketch


def column(*values):
    return pd.Series(list(values), dtype="string")


def test_order_repeats_case_and_white_space_play_no_part():
    a = sketch(column("Ada  Lovelace", "Grace", None, "GRACE", "ﬁn", "  "))
    b = sketch(column("grace", "fin", "ada lovelace"))
    assert a.distinct == b.distinct == 3
    for field in ("value", "token", "gram", "gram_count", "pattern", "pattern_share", "shares"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def test_an_empty_column_has_nothing():
    for empty in (column(), column(None, None), column("", "  ")):
        its = sketch(empty)
        assert (its.distinct, its.value.size, its.gram.size, its.numeric) == (0, 0, 0, 0)


def test_samples_are_the_same_in_every_column():
    numbers = pd.Series(range(5000)).astype(str).astype("string")
    whole, half = sketch(numbers, sample=200), sketch(numbers[:2500], sample=200)
    assert whole.value.size == half.value.size == 200
    assert (np.diff(whole.value.astype(object)) > 0).all()
    assert whole.limit == whole.value[-1]
    below = min(whole.limit, half.limit)
    assert set(half.value[half.value <= below]) <= set(whole.value[whole.value <= below])
    # of the whole column's sample, half should be in the half column
    shared = np.isin(whole.value, half.value).mean()
    assert shared == pytest.approx(0.5, abs=0.15)


def test_numbers_and_formats():
    its = sketch(column("1,250", "-3.5", "40%", "abc", "1.2.3", "."))
    assert its.numeric == pytest.approx(3 / 6)
    assert (its.quantiles[0], its.quantiles[-1]) == (-3.5, 1250)
    assert its.pattern_share.sum() == pytest.approx(1)
    names = sketch(column("ada lovelace", "grace hopper"))
    assert names.pattern_share.tolist() == [1.0]
    assert names.shares[1] == 0


def test_grams_count_values_once():
    its = sketch(column("aaaa"))
    assert its.gram.size == 3  # " aa", "aaa", "aa "
    assert its.gram_count.tolist() == [1, 1, 1]


@pytest.mark.slow
def test_a_million_rows_in_seconds():
    import time

    values = pd.Series(np.random.default_rng(0).integers(0, 10**6, 10**6)).astype(str).astype("string")
    start = time.perf_counter()
    assert sketch(values).value.size == 10_000
    assert time.perf_counter() - start < 10
