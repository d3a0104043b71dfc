import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.tables.conflicts.comparable import comparable, number


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ("New York", " new  YORK\t", True),
        ("Straße", "STRASSE", True),
        ("café", unicodedata.normalize("NFD", "CAFÉ"), True),
        ("7", "7.00", True),
        ("+7", "7", True),
        ("-0.0", "0", True),
        ("100000000000000000000001", "100000000000000000000002", False),
        ("007", "7", False),
        ("1,000", "1000", False),
        ("1e3", "1000", False),
        ("7.5", "7.05", False),
        ("٣", "3", False),
    ],
)
def test_equal(one, two, equal):
    a, b = comparable([one, two])
    assert (a == b) is equal


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.integers(0, 5))
def test_numbers_by_value(value, zeros):
    text = f"{value:f}"
    padded = text + "0" * zeros
    a, b = comparable([text, padded])
    assert a == b
    assert Decimal(a) == value


@given(st.text())
def test_idempotent(text):
    once = comparable([text])
    assert comparable(once) == once


def test_number():
    assert number(" 2.50 ") == Decimal("2.5")
    assert number("1" * 5000) == Decimal("1" * 5000)
    assert number("007") is number("1e3") is number("inf") is None
