import re
import statistics
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UserError
from domains.tables.conflicts.by_vote import Majority
from domains.tables.conflicts.resolve import resolve
from domains.tables.data.table import Table


def _table(source=None, **columns):
    return Table.of(pd.DataFrame(columns, dtype=object), source=source or "s")


def _golden(rules, source=None, labels=None, **columns):
    table = _table(source, **columns)
    labels = np.zeros(len(table), dtype=np.int64) if labels is None else np.array(labels)
    return resolve(table, labels, rules).golden


@pytest.mark.parametrize(
    ("rule", "values", "source", "expected"),
    [
        ("majority", ["x", "y", "y"], None, "y"),
        ("majority", ["x", "x", "x", "y", "y"], ["a", "a", "a", "b", "c"], "y"),  # sources before rows
        ("majority", ["b", "a"], None, "a"),
        ("majority", ["a", "bb"], None, "bb"),
        ("majority", ["Ulm", "ULM", "ULM", "Bonn", "Bonn"], None, "ULM"),
        ("longest", ["abc", "x", "x"], None, "abc"),
        ("source_priority:b>a", ["1", "2", "3"], ["a", "b", "c"], "2"),
        ("source_priority:b", [None, "2", "3"], ["b", "a", "c"], "2"),
        ("mean", ["1", "2", "6"], None, "3"),
        ("median", ["1", "2", "6.5", "7"], None, "4.25"),
        ("mean", ["1", "1", "4"], None, "2"),  # over rows
        ("mean", ["1.50", "1.5", "1.50"], None, "1.50"),  # no conflict, no mean
        ("mean", ["1", "n/a", "1"], None, "1"),
        ("union", ["b", "a", "b", "A"], ["s", "s", "s", "t"], "A; b"),
        ("union: + ", ["x", "y"], None, "x + y"),
        (min, ["b", "a", "c"], None, "a"),
        (lambda values: "+".join(values), ["b", "a", "b"], None, "a+b+b"),
    ],
)
def test_rules(rule, values, source, expected):
    assert _golden(rule, source, v=values)["v"].tolist() == [expected]


EANS = ["4006381333931", "4006381333931", "4006381333948"]
BIG = ["1" + "0" * 308, "9" + "0" * 307, "9" + "0" * 307]


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ("mean", EANS, "4006381333936.67"),
        ("mean", EANS[1:], "4006381333939.5"),
        ("median", EANS, "4006381333931"),
        ("median", ["4006381333931", "4006381333932"], "4006381333931.5"),
        ("mean", ["0.00001", "0.00002", "0.00003"], "0.00002"),
        ("median", ["0.00001", "0.00002"], "0.000015"),
        ("mean", BIG, "9" + "3" * 307 + ".333"),
        ("median", BIG, "9" + "0" * 307),
        ("mean", ["1" + "0" * 5000, "3" + "0" * 5000], "2" + "0" * 5000),
        ("median", ["1" + "0" * 400, "7", "8"], "8"),
        ("mean", ["0", "0", "1"], "0.333333333333333"),
        ("mean", ["0", "0", "0.00001"], "0.00000333333333333333"),
        ("mean", ["-1", "0", "0"], "-0.333333333333333"),
        ("mean", ["1234567890123456789", "0", "0"], "411522630041152263"),  # it ends, so no digit is lost
        ("mean", ["1234567890123456781", "0", "0.01"], "411522630041152260.33667"),
        ("mean", ["0.123456789012345", "0.2"], "0.1617283945061725"),
        ("mean", ["-1", "1"], "0"),
        ("median", ["1.50", "1.5", "2", "1"], "1.50"),  # as the candidate stands
        ("median", ["+7", "6", "8.0"], "+7"),
        ("median", ["1", "2.0", "2.0", "9"], "2.0"),
    ],
)
def test_numbers_keep_their_digits(rule, values, expected):
    assert _golden(rule, v=values)["v"].tolist() == [expected]


_NUMBERS = st.lists(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**25), max_value=10**25),
    min_size=2,
    max_size=9,
    unique=True,
)


@given(_NUMBERS)
def test_mean_and_median_are_those_of_exact_fractions(numbers):
    texts, fractions = [f"{one:f}" for one in numbers], [Fraction(one) for one in numbers]
    mean = _golden("mean", v=texts)["v"].iloc[0]
    exact = sum(fractions) / len(fractions)
    assert re.fullmatch(r"-?\d+(\.\d*[1-9])?", mean)
    assert abs(Fraction(mean) - exact) <= abs(exact) / 10**11
    assert abs(Fraction(mean) - exact) < Fraction(1, 10**6)
    median = _golden("median", v=texts)["v"].iloc[0]
    assert Fraction(median) == statistics.median(fractions)
    assert len(numbers) % 2 == 0 or median in texts


def test_a_median_that_is_a_candidate_is_supported_by_its_rows():
    found = resolve(_table(v=["1", "2.0", "9"]), np.zeros(3, dtype=np.int64), "median")
    assert found.provenance()["position"].tolist() == [1]
    assert found.conflicts["why"].tolist() == ["median: 1 of 3 rows"]


def test_newest():
    date = ["2019-01-01", "2021-01-01", None, "2021-01-01"]
    golden = _golden({"v": "newest:date"}, v=["old", "new", "none", "newer"], date=date)
    assert golden["v"].tolist() == ["newer"]  # the same date: the longer text
    golden = _golden({"v": "newest:date"}, v=["old", None, "none", "old"], date=date)
    assert golden["v"].tolist() == ["old"]


@pytest.mark.parametrize("rule", ["newest:updated", "source_priority:c>b>a"])
def test_a_part_is_resolved_as_in_the_whole(rule):
    frame = pd.DataFrame(
        {
            "name": ["a", "b", "c", "d", "e", "f"],
            "updated": ["01.02.2020", "03.01.2020", "25.12.2020", "26.12.2020", None, "nothing"],
        }
    )
    table = Table.of(frame, source=["a", "b", "a", "b", "a", "c"])
    labels = np.array([0, 0, 1, 1, 2, 2])
    golden = resolve(table, labels, rule).golden
    for label in (0, 1, 2):
        rows = np.flatnonzero(labels == label)
        part = resolve(table.select(rows), labels[rows], rule, whole=table).golden
        assert part.to_dict() == golden.loc[[label]].to_dict()


def test_entities_and_missing_values():
    table = _table(["a", "b", "a", "b"], v=["x", None, None, None], w=["1", "1", "2", "3"])
    found = resolve(table, np.array([9, 9, 4, 4]))
    assert found.golden.index.tolist() == [4, 9]
    assert found.golden.index.name == "entity"
    assert found.golden["v"].isna().tolist() == [True, False]
    assert found.conflicts[["entity", "attribute", "candidates"]].to_numpy().tolist() == [[4, "w", 2]]


def test_provenance_and_candidates():
    table = _table(["a", "a", "b"], v=["Ulm", "Bonn", "ulm"], w=["1", "3", None])
    found = resolve(table, np.zeros(3, dtype=np.int64), {"w": "mean"})
    rows = found.provenance()[["attribute", "rule", "source", "row", "position"]].to_numpy().tolist()
    assert rows == [
        ["v", "majority", "a", 0, 0],
        ["v", "majority", "b", 0, 2],
        ["w", "mean", "a", 0, 0],
        ["w", "mean", "a", 1, 1],
    ]
    candidates = found.candidates()
    assert candidates["value"].tolist() == ["Bonn", "Ulm", "1", "3"]
    assert candidates["rows"].tolist() == [1, 2, 1, 1]
    assert candidates["sources"].tolist() == [1, 2, 1, 1]
    assert candidates["chosen"].tolist() == [False, True, False, False]
    assert found.rows_of(0, "v") == [("a", 0, "Ulm"), ("a", 1, "Bonn"), ("b", 0, "ulm")]
    assert found.conflicts["support"].tolist() == [2, 2]
    assert found.conflicts["why"].iloc[0] == "majority: 2 of 3 rows"


def test_margin_leaves_open():
    table = _table(["a", "b", "c", "a", "b", "c"], v=["x", "x", "y", "p", "q", None])
    found = resolve(table, np.array([0, 0, 0, 1, 1, 1]), Majority(least_margin=0.2))
    assert found.golden["v"].isna().tolist() == [False, True]
    assert found.conflicts["open"].tolist() == [False, True]
    assert found.conflicts["margin"].tolist() == pytest.approx([1 / 3, 0])
    assert "left open" in found.conflicts["why"].iloc[1]
    assert (found.provenance()["entity"] == 0).all()


def test_own_function_may_leave_open():
    found = resolve(_table(v=["a", "b"]), np.zeros(2, dtype=np.int64), lambda values: None)
    assert found.golden["v"].isna().all()
    assert found.conflicts["open"].all()


def test_known_values_win():
    table = _table(["a", "b", "c"], v=["x", "y", "y"])
    found = resolve(table, np.full(3, 5), known={(5, "v"): "X"})
    assert found.golden["v"].tolist() == ["X"]
    assert found.provenance()["position"].tolist() == [0]
    assert found.conflicts["rule"].tolist() == ["known"]
    typed = resolve(table, np.full(3, 5), known={(5, "v"): "z"})
    assert typed.golden["v"].tolist() == ["z"]
    assert len(typed.provenance()) == 0
    assert not typed.conflicts["open"].any()


_COLUMN = st.lists(
    st.one_of(st.none(), st.sampled_from(["a", "A", "1", "1.0", "2", "x y", "ü"])), min_size=9, max_size=9
)


@given(_COLUMN, _COLUMN, st.randoms(), st.sampled_from(["majority", "longest", "mean", "union", "truth"]))
def test_order_of_rows_changes_nothing_and_values_stay(v, w, random, rule):
    labels, source = [0, 0, 0, 0, 1, 1, 1, 2, 2], ["a", "b", "c", "a", "a", "b", "c", "a", "b"]
    order = list(range(9))
    random.shuffle(order)

    def run(rows):
        table = _table([source[i] for i in rows], v=[v[i] for i in rows], w=[w[i] for i in rows])
        return resolve(table, np.array([labels[i] for i in rows]), rule)

    one, two = run(range(9)), run(order)
    pd.testing.assert_frame_equal(one.golden, two.golden)
    pd.testing.assert_frame_equal(one.conflicts, two.conflicts)
    if rule in ("majority", "longest", "truth"):
        for name, column in (("v", v), ("w", w)):
            for entity in range(3):
                own = [value for value, label in zip(column, labels, strict=True) if label == entity and value]
                golden = one.golden[name][entity]
                assert golden in own if own else pd.isna(golden)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": np.zeros(2, dtype=np.int64)}, "3 rows need"),
        ({"labels": np.zeros(3)}, "whole numbers"),
        ({"rules": {"V": "longest"}}, "did you mean 'v'"),
        ({"rules": "newest:dat"}, "date column"),
        ({"rules": "source_priority:x"}, "source"),
        ({"rules": "source_priority:s>s"}, "twice"),
        ({"rules": len}, "must return text"),
        ({"known": {(3, "v"): "x"}}, "no label"),
        ({"known": {(0, "u"): "x"}}, "known value"),
    ],
)
def test_refused(arguments, words, unchecked):
    given = {"labels": np.zeros(3, dtype=np.int64), **arguments}
    with pytest.raises(UserError, match=words):
        resolve(_table(v=["x", "y", "z"]), **given)


def test_rows_of_refuses():
    found = resolve(_table(v=["x"]), np.zeros(1, dtype=np.int64))
    with pytest.raises(UserError, match="no entity 3"):
        found.rows_of(3, "v")
    with pytest.raises(UserError, match="attribute"):
        found.rows_of(0, "u")


@pytest.mark.parametrize(
    "rule", ["majority", "longest", "mean", "union", "truth", "truth:slimfast", "truth:truth_finder"]
)
@pytest.mark.parametrize("values", [[], ["x"], [None, None]])
def test_small_tables(rule, values):
    found = resolve(_table(v=values), np.arange(len(values)), rule)
    assert len(found.golden) == len(values)
    assert len(found.conflicts) == len(found.provenance()) - len([v for v in values if v]) == 0
    assert len(found.candidates()) == 0
