"""Dates written in one of the usual orders, as days that can be compared."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError

__all__ = ["Order", "days", "order_of"]

Order = Literal["ymd", "dmy", "mdy"]

_DATE = re.compile(r"\s*(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2}))?.*)?\s*")
_YEAR = re.compile(r"\s*(\d{4})(?:-(\d{2}))?\s*")
_DAY = 86400.0


def days(
    column: pd.Series, name: str, order: Order | None = None, among: pd.Series | None = None
) -> NDArray[np.float64]:
    """Days since 1970-01-01 of each text, with the time of day as a fraction; -inf where there is no date.

    Read are years, year-month, and three numbers with dashes, dots or slashes between them, with a time after them or
    without; a time zone is not read. Of two-digit years 00 to 68 are 2000 to 2068, as in POSIX.

    Args:
        column: n texts.
        name: of the column, for messages.
        order: of the three numbers; None takes year first where the first number has four digits, and finds out about
            day and month from a number above 12.
        among: the whole column, of which ``column`` is a part; it shows the order. None is the column itself.

    Raises:
        UserError: no text of the whole column is a date; or day and month cannot be told apart, or both orders occur.
    """
    whole = column if among is None else among
    order = order or order_of(whole, name)
    code, mine = pd.factorize(column, use_na_sentinel=True)
    found = np.array([*(_days(str(text), order) for text in mine), -np.inf])
    if not np.isfinite(found).any():  # only then is the whole column read: a part of a large one comes here often
        texts = [str(text) for text in pd.unique(whole.dropna())]
        if texts and all(_days(text, order) == -np.inf for text in texts):
            raise UserError(f"column {name!r} holds no dates (its first value is {texts[0]!r}); name a column of dates")
    return found[code]


def order_of(column: pd.Series, name: str) -> Order:
    """Order of day and month among the dates that do not begin with the year; any where the dates do not need one.

    Args:
        column: texts.
        name: of the column, for messages.

    Raises:
        UserError: day and month cannot be told apart, or both orders occur.
    """
    found = [_DATE.fullmatch(str(text)) for text in pd.unique(column.dropna())]
    pairs = [(int(m[1]), int(m[2])) for m in found if m is not None and len(m[1]) < 4]
    day_first = any(a > 12 for a, _ in pairs)
    month_first = any(b > 12 for _, b in pairs)
    if day_first and month_first:
        raise UserError(f"column {name!r} mixes day/month and month/day; say which with order='dmy' or order='mdy'")
    if pairs and not day_first and not month_first and any(a != b for a, b in pairs):
        raise UserError(
            f"column {name!r}: no date tells day and month apart; say which with order='dmy' or order='mdy'"
        )
    return "mdy" if month_first else "dmy"


def _days(text: str, order: Order) -> float:
    match = _DATE.fullmatch(text)
    if match is None:
        year = _YEAR.fullmatch(text)
        return -np.inf if year is None else _since_1970(int(year[1]), int(year[2] or 1), 1, 0, 0, 0)
    place = "ymd" if len(match[1]) == 4 else order
    number = {letter: match[position] for position, letter in enumerate(place, start=1)}
    when = int(number["y"])
    if len(number["y"]) <= 2:
        when += 2000 if when <= 68 else 1900
    clock = int(match[4] or 0), int(match[5] or 0), int(match[6] or 0)
    return _since_1970(when, int(number["m"]), int(number["d"]), *clock)


def _since_1970(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float:
    try:
        return (datetime(year, month, day, hour, minute, second) - datetime(1970, 1, 1)).total_seconds() / _DAY
    except ValueError:  # no such day
        return -np.inf
