"""Records of invented persons with duplicates and errors, any number of them, after the manner of FEBRL's generator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from core.errors import UserError
from domains.tables.data.columns_of_text import text_frame
from domains.tables.data.person_names import given_names, streets, suburbs, surnames
from domains.tables.data.table import Table
from domains.tables.data.text_errors import ERRORS, Texts

__all__ = ["FIELDS", "persons"]

# field: share of originals without it, weight of an error in it
FIELDS = {
    "given_name": (0.02, 0.18),
    "surname": (0.01, 0.20),
    "street_number": (0.04, 0.10),
    "address": (0.02, 0.20),
    "suburb": (0.01, 0.14),
    "postcode": (0.0, 0.08),
    "date_of_birth": (0.05, 0.10),
}
# what an error is, with its weight; numbers are never misheard, and only names change places
_WORDS = {"typing": 0.5, "hearing": 0.2, "scanning": 0.1, "missing": 0.15, "swap": 0.05}
_NUMBERS = {"typing": 0.7, "scanning": 0.15, "missing": 0.15}
_NUMERIC = ("street_number", "postcode", "date_of_birth")
_SIZES = np.array([0.55, 0.22, 0.12, 0.07, 0.04])  # of 1 to 5 duplicates of one original
_FIRST_BIRTH, _LAST_BIRTH = np.datetime64("1920-01-01"), np.datetime64("2006-12-31")

Columns = dict[str, Texts]


def persons(
    count: int, *, duplicates: float = 0.2, most_duplicates: int = 5, most_errors: int = 4, seed: int = 0
) -> tuple[Table, NDArray[np.int64]]:
    """Draw records of persons, some of them again with errors, in a mixed order.

    An original draws its given name, surname, street and suburb each with a probability that falls as one over its rank
    plus 2.7 (Zipf and Mandelbrot; for suburbs the root of it), the postcode goes with the suburb, street numbers are
    low more often than high (1 + 400 u^3, u uniform), dates of birth are uniform over 1920 to 2006, written yyyymmdd.
    Every field is missing with the first probability of `FIELDS`.

    Of an original with duplicates there are 1 to ``most_duplicates``, with probabilities in the ratios .55, .22, .12,
    .07, .04. A duplicate is a copy of the original with 1 to ``most_errors`` errors, any number equally likely. Each
    error strikes a field by the second weight of `FIELDS`: in words a slip of the keyboard (.5), letters as they sound
    (.2), a glyph taken for another (.1), a lost value (.15), or given name and surname, address and suburb exchanged
    (.05); in numbers the first, third and fourth (.7, .15, .15). See `domains.tables.data.text_errors`. An error may
    strike an empty field and then does nothing.

    FEBRL draws names from frequency tables and misspellings from lists; here both are made up, and there is no record
    identifier, which would hold the answer.

    Args:
        count: rows, >= 1.
        duplicates: share of the rows that are duplicates, in [0, 1).
        most_duplicates: of one original, 1 to 5.
        most_errors: in one duplicate, >= 1.
        seed: the same seed gives the same table.

    Returns:
        The table, and ``(count,)`` int64: which rows are the same person, numbered by first row.

    Raises:
        UserError: a number out of its range, or more duplicates than the originals may have.

    >>> table, labels = persons(1000, seed=7)
    >>> len(table), int(labels.max()) + 1, table.columns[:2]
    (1000, 800, ['given_name', 'surname'])
    """
    if count < 1 or not 0 <= duplicates < 1 or not 1 <= most_duplicates <= 5 or most_errors < 1:
        raise UserError(
            "persons need count >= 1, 0 <= duplicates < 1, 1 <= most_duplicates <= 5 and most_errors >= 1, got "
            f"{count}, {duplicates}, {most_duplicates}, {most_errors}"
        )
    copies = round(count * duplicates)
    originals = count - copies
    if copies > originals * most_duplicates:
        raise UserError(
            f"{originals} originals have at most {originals * most_duplicates} duplicates, and {copies} are wanted; "
            "lower duplicates or raise most_duplicates"
        )
    random = np.random.default_rng(seed)
    columns = _originals(random, originals)
    copied = _copied(random, originals, copies, most_duplicates)
    order = random.permutation(count)
    frame = _frame(columns, _with_errors(random, columns, copied, most_errors), order)
    person = np.concatenate([np.arange(originals), copied])[order]
    labels = pd.factorize(person)[0].astype(np.int64)
    return Table(frame, np.full(count, "persons", dtype=object), np.arange(count), "persons"), labels


def _originals(random: np.random.Generator, n: int) -> Columns:
    towns, postcodes = suburbs()
    town = _zipf(random, len(towns), n, 0.5)
    span = int((_LAST_BIRTH - _FIRST_BIRTH).astype(int)) + 1
    born = np.datetime_as_string(_FIRST_BIRTH + random.integers(0, span, n).astype("timedelta64[D]"), unit="D")
    columns: Columns = {
        "given_name": given_names()[_zipf(random, len(given_names()), n, 1.0)],
        "surname": surnames()[_zipf(random, len(surnames()), n, 1.0)],
        "street_number": (1 + 400 * random.random(n) ** 3).astype(np.int64).astype("S4"),
        "address": streets()[_zipf(random, len(streets()), n, 1.0)],
        "suburb": towns[town],
        "postcode": postcodes[town],
        "date_of_birth": np.char.replace(born.astype("S10"), b"-", b"").astype("S8"),
    }
    for field, (missing, _) in FIELDS.items():
        columns[field] = np.where(random.random(n) < missing, b"", columns[field])
    return columns


def _zipf(random: np.random.Generator, ranks: int, n: int, power: float) -> NDArray[np.int64]:
    weight = (np.arange(ranks) + 2.7) ** -power
    return np.searchsorted(np.cumsum(weight) / weight.sum(), random.random(n), side="right").clip(max=ranks - 1)


def _copied(random: np.random.Generator, originals: int, copies: int, most: int) -> NDArray[np.int64]:
    """``(copies,)`` the original of each duplicate, none more than ``most`` times."""
    if not copies:
        return np.empty(0, dtype=np.int64)
    share = _SIZES[:most] / _SIZES[:most].sum()
    sizes = 1 + np.searchsorted(np.cumsum(share), random.random(originals), side="right").clip(max=most - 1)
    if sizes.sum() < copies:  # so many are wanted that most originals need as many as they may have
        short = copies - int(sizes.sum())
        room = np.repeat(np.arange(originals), most - sizes)
        sizes += np.bincount(random.permutation(room)[:short], minlength=originals)
    return np.repeat(random.permutation(originals), sizes)[:copies]


def _with_errors(random: np.random.Generator, columns: Columns, copied: NDArray[np.int64], most_errors: int) -> Columns:
    made = {field: column[copied] for field, column in columns.items()}
    names = list(FIELDS)
    weights = np.array([weight for _, weight in FIELDS.values()])
    errors = random.integers(1, most_errors + 1, len(copied))
    for turn in range(1, most_errors + 1):
        struck = np.where(errors >= turn, _drawn(random, weights, len(copied)), -1)
        draw = random.random(len(copied))
        for place, field in enumerate(names):
            kinds = _NUMBERS if field in _NUMERIC else _WORDS
            edges = np.cumsum(list(kinds.values()))
            which = np.searchsorted(edges / edges[-1], draw, side="right").clip(max=len(kinds) - 1)
            for number, kind in enumerate(kinds):
                rows = np.flatnonzero((struck == place) & (which == number))
                if len(rows):
                    _strike(random, made, field, kind, rows)
    return made


def _drawn(random: np.random.Generator, weights: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    edges = np.cumsum(weights) / weights.sum()
    return np.searchsorted(edges, random.random(n), side="right").clip(max=len(weights) - 1)


_PARTNER = {"given_name": "surname", "surname": "given_name", "address": "suburb", "suburb": "address"}


def _strike(random: np.random.Generator, made: Columns, field: str, kind: str, rows: NDArray[np.int64]) -> None:
    """Put one error into some rows of a field."""
    if kind == "missing":
        made[field][rows] = b""
    elif kind == "swap":
        other = _PARTNER[field]
        mine, theirs = made[field][rows], made[other][rows]
        _put(made, field, rows, theirs)
        _put(made, other, rows, mine)
    else:
        _put(made, field, rows, ERRORS[kind](made[field][rows], random))


def _put(made: Columns, field: str, rows: NDArray[np.int64], texts: Texts) -> None:
    width = int(np.char.str_len(texts).max(initial=0))
    if width > made[field].dtype.itemsize:
        made[field] = made[field].astype(f"S{width + 4}")
    made[field][rows] = texts


def _frame(originals: Columns, copies: Columns, order: NDArray[np.int64]) -> pd.DataFrame:
    rows = pa.array(order)
    columns = []
    for field, texts in originals.items():
        parts = [pa.array(part.astype(object), pa.large_binary()) for part in (texts, copies[field])]
        whole = pa.chunked_array(parts).combine_chunks()
        columns.append(compute.cast(whole.take(rows), pa.large_string()))
    return text_frame(list(originals), columns)
