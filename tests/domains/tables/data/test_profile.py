"""Profiles: counts against pandas, kinds and date orders by example."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings

from domains.tables.data.dates import date_order, is_date
from domains.tables.data.profile import candidate_keys, profile
from domains.tables.data.read import read_source
from tests.domains.tables.data.tables import frames


@settings(deadline=None, max_examples=50)
@given(frames(max_rows=12))
def test_counts_are_those_of_pandas(frame):
    for one, name in zip(profile(frame), frame.columns, strict=True):
        column = frame[name]
        filled = column.dropna()
        lengths = [len(value) for value in filled]
        assert (one.name, one.rows, one.distinct) == (name, len(frame), column.nunique())
        assert one.missing == pytest.approx(column.isna().mean() if len(frame) else 0, abs=1e-6)
        assert (one.shortest, one.longest) == (min(lengths, default=0), max(lengths, default=0))
        assert one.mean_length == pytest.approx(np.mean(lengths) if lengths else 0, abs=1e-3)
        assert one.key == (len(frame) > 1 and len(filled) == len(frame) and filled.is_unique)
        counts = filled.value_counts()
        assert [counts[example] for example in one.examples] == sorted(counts, reverse=True)[:5]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", [None, None], "empty"),
        ("x", ["a", "a", "a"], "constant"),
        ("x", ["a", "a", None], "short text"),
        ("x", ["Yes", "no", "yes", None], "boolean"),
        ("x", ["0", "1", "1"], "boolean"),
        ("x", ["a@b.org", "c.d@e.co.uk"], "email"),
        ("x", ["https://a.org/x", "www.b.com", "c-d.de/e?f"], "url"),
        ("x", ["2020-01-31", "2020-12-01T10:00:00Z"], "date"),
        ("x", ["19391231", "20010203"], "date"),
        ("x", ["3/4/2020", "4/3/20 7:15 p.m."], "date"),
        ("x", ["12 March 2019", "1st Apr 2020"], "date"),
        ("phone", ["5211600", "6380773"], "phone"),
        ("x", ["(847) 245-6715", "+44 171 123456", "312-922-3337"], "phone"),
        ("ZipCode", ["60623", "60628", "60623"], "postcode"),
        ("x", ["SW1A 1AA", "N1 9GU", "N1 9GU"], "postcode"),
        ("x", ["01234", "04567", "01234"], "postcode"),
        ("person_id", ["7", "19", "1000"], "identifier"),
        ("x", ["1", "2", "3", "4"], "identifier"),
        ("x", ["rec-1-org", "rec-2-org", "rec-2-dup"], "identifier"),
        ("capacity", ["80,000", "70,240", "67000"], "number"),
        ("price", ["$5.00", "-3,50", "1e5"], "number"),
        ("town", ["Paris", "Rome"], "short text"),
        ("title", ["a long title that goes on and on and on, quite long"] * 2 + ["b" * 50], "long text"),
    ],
)
def test_kinds(name, values, kind):
    assert profile(pd.DataFrame({name: pd.Series(values, dtype="string")}))[0].kind == kind


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["31/12/1999", "1/2/2000"], "dmy"),
        (["12/31/1999", "1/2/2000"], "mdy"),
        (["1999-12-31"], "ymd"),
        (["31.12.99"], "dmy"),
        (["1/2/2000", "3/4/2001"], "ambiguous"),
        (["31/12/1999", "12/31/1999"], "ambiguous"),
        (["5 May 2001", "May 5, 2001"], "ambiguous"),
        (["Dec. 31, 1999"], "mdy"),
        (["31 December 1999"], "dmy"),
    ],
)
def test_order_of_dates(values, order):
    assert is_date(pa.array(values)).all()
    assert date_order(pa.array(values), np.ones(len(values), dtype=np.int64)) == order
    assert profile(pd.DataFrame({"d": pd.Series(values, dtype="string")}))[0].order == order or len(values) == 1


def test_one_slip_in_a_hundred_does_not_hide_the_order():
    values, counts = pa.array(["31/12/1999", "12/31/1999"]), np.array([99, 1])
    assert date_order(values, counts) == "dmy"
    assert date_order(values, np.array([1, 1])) == "ambiguous"


@pytest.mark.parametrize(
    "text", ["32/1/2000", "13/13/2000", "0/1/2000", "2000-13-01", "20001301", "abc", "1/2", "", "12345678"]
)
def test_what_is_no_date(text):
    assert not is_date(pa.array([text])).any()


def test_keys_and_long_examples():
    frame = pd.DataFrame({"name": ["a", "b"], "id": ["1", "2"], "town": ["x", "x"]}, dtype="string")
    assert candidate_keys(profile(frame)) == ["id", "name"]
    assert candidate_keys(profile(frame.head(1))) == []
    example = profile(pd.DataFrame({"x": ["y" * 100]}, dtype="string"))[0].examples[0]
    assert (len(example), example[-1]) == (60, "…")


def test_a_real_table(data_folder):
    source = read_source(data_folder / "tables/febrl/febrl_dataset3.parquet")
    found = {one.name: (one.kind, one.order) for one in profile(source)}
    assert found["rec_id"] == ("identifier", None)
    assert found["date_of_birth"] == ("date", "ymd")
    assert found["postcode"] == ("postcode", None)
    assert found["surname"] == ("short text", None)
    assert candidate_keys(profile(source)) == ["rec_id"]
