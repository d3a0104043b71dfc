"""In which order day, month and year stand in a column of dates."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

__all__ = ["DateOrder", "date_order", "is_date"]

DateOrder = Literal["dmy", "mdy", "ymd", "ambiguous"]
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = r"(?:[T ,]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]\.?m\.?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_DAY, _MONTH_NUMBER = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_SEP = r" ?[./-] ?"
_YEAR_FIRST = (
    rf"(?:\d{{4}}{_SEP}{_MONTH_NUMBER}{_SEP}{_DAY}|(?:1[6-9]|20)\d{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
)
_NUMBERS = rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}(?:\d{{4}}|\d{{2}})"
_DAY_NAME_YEAR = rf"\d{{1,2}}(?:st|nd|rd|th|\.)?[ -]?{_MONTH},?[ -]?\d{{2,4}}"
_NAME_DAY_YEAR = rf"{_MONTH} ?\d{{1,2}}(?:st|nd|rd|th)?,? ?\d{{4}}"
_CLEAR = 0.95  # of the dates that can be read in one way only


def is_date(text: pa.Array) -> NDArray[np.bool_]:
    """Which values are dates of a known form, with or without a time.

    Args:
        text: ``(n,)`` text without missing values.
    """
    found = [_matches(text, pattern) for pattern in (_YEAR_FIRST, _DAY_NAME_YEAR, _NAME_DAY_YEAR)]
    first, second = _numbers(text)
    day_and_month = (
        (np.minimum(first, second) >= 1) & (np.minimum(first, second) <= 12) & (np.maximum(first, second) <= 31)
    )
    return found[0] | found[1] | found[2] | day_and_month


def date_order(text: pa.Array, counts: NDArray[np.int64]) -> DateOrder:
    """The order that the values with only one reading tell.

    Args:
        text: ``(n,)`` distinct dates.
        counts: ``(n,)`` how often each stands in the column.

    Returns:
        The order of at least 95 % of the dates that can be read in one way only; "ambiguous" if there is none or no
        such date: 3/4/2020 alone does not tell.

    >>> date_order(pa.array(["3/4/2020", "31/4/2020"]), np.array([9, 1]))
    'dmy'
    """
    first, second = _numbers(text)
    votes: dict[DateOrder, int] = {
        "ymd": int(counts[_matches(text, _YEAR_FIRST)].sum()),
        "dmy": int(counts[(first > 12) & (second <= 12) | _matches(text, _DAY_NAME_YEAR)].sum()),
        "mdy": int(counts[(second > 12) & (first >= 1) & (first <= 12) | _matches(text, _NAME_DAY_YEAR)].sum()),
    }
    best = max(votes, key=lambda order: votes[order])
    return best if votes[best] and votes[best] >= _CLEAR * sum(votes.values()) else "ambiguous"


def _matches(text: pa.Array, pattern: str) -> NDArray[np.bool_]:
    whole = rf"(?i)^\s*{pattern}{_TIME}\s*$"
    return np.asarray(compute.match_substring_regex(text, whole).to_numpy(zero_copy_only=False), dtype=bool)


def _numbers(text: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and second number of dates like 3/4/2020, -1 elsewhere."""
    parts = compute.extract_regex(text, rf"(?i)^\s*{_NUMBERS}{_TIME}\s*$")
    pair = []
    for group in ("a", "b"):
        number = compute.cast(compute.struct_field(parts, group), pa.int64())
        pair.append(np.asarray(compute.fill_null(number, -1).to_numpy(zero_copy_only=False), dtype=np.int64))
    return pair[0], pair[1]
