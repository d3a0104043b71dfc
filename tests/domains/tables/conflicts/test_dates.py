import numpy as np
import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.conflicts.dates import days, order_of


def _days(*texts, order=None):
    return days(pd.Series(texts, dtype="string"), "updated", order)


@pytest.mark.parametrize("text", ["2020-03-04", "2020/3/4", "2020.03.04 00:00", "2020-03-04T00:00:00Z"])
def test_year_first(text):
    assert _days(text)[0] == (np.datetime64("2020-03-04") - np.datetime64("1970-01-01")).astype(int)


def test_finds_the_order():
    assert _days("03/04/2020", "25/12/2019").argmax() == 0
    assert _days("03/04/2020", "25/12/2019")[0] == _days("2020-04-03")[0]
    assert _days("03/04/2020", "12/25/2019")[0] == _days("2020-03-04")[0]
    assert _days("03/04/20", order="dmy")[0] == _days("2020-04-03")[0]


def test_time_counts():
    assert _days("2020-01-01 10:30", "2020-01-01 9:45").argmax() == 0


def test_unreadable_is_oldest():
    found = _days("2020-01-01", pd.NA, "soon", "2020-02-30", "1999")
    assert np.isneginf(found[1:4]).all()
    assert found[4] == _days("1999-01-01")[0]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("soon", "later"), "holds no dates"),
        (("03/04/2020", "05/06/2020"), "order="),
        (("25/12/2020", "12/25/2020"), "mixes"),
    ],
)
def test_refused(texts, words):
    with pytest.raises(UserError, match=words):
        _days(*texts)


def test_equal_day_and_month_need_no_order():
    assert _days("05/05/2020")[0] == _days("2020-05-05")[0]


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (("03/04/2020", "25/12/2019"), "dmy"),
        (("03/04/2020", "12/25/2019"), "mdy"),
        (("2020-03-04", None), "dmy"),  # any does, where every date begins with the year
    ],
)
def test_the_order_that_is_found_reads_a_part_as_the_whole(texts, order):
    column = pd.Series(texts, dtype="string")
    assert order_of(column, "updated") == order
    part = days(column[:1], "updated", order_of(column, "updated"), column)
    assert part.tolist() == days(column, "updated")[:1].tolist()
