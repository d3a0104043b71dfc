"""What kind of thing the values of a column are."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from domains.tables.data.dates import is_date

__all__ = ["Kind", "column_kind"]

Kind = Literal[
    "empty", "constant", "boolean", "email", "url", "date", "phone", "postcode", "identifier", "number", "short text",
    "long text",
]  # fmt: skip
_LEAST = 0.9  # share of the values that must fit
_UNIQUE = 0.95  # distinct values among the filled cells of an identifier
_LONG = 40  # characters on average of long text
_BOOLEANS = (
    {"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"}, {"0", "1"}, {"ja", "nein"}, {"oui", "non"}, {"si", "no"},
    {"sí", "no"}, {"x", "-"}, {"on", "off"},
)  # fmt: skip
_EMAIL = r"^\s*[^\s@]+@[^\s@]+\.[A-Za-z]{2,}\s*$"
_URL = r"(?i)^\s*(https?://\S+|ftp://\S+|www\.\S+\.\S+|[a-z0-9-]+(\.[a-z0-9-]+)*\.(com|org|net|edu|gov|info|de|uk|fr|eu)(/\S*)?)\s*$"
_NUMBER = r"^\s*[$€£]?\s?[+-]?(\d{1,3}([ ,.']\d{3})+([.,]\d+)?|\d+([.,]\d+)?|[.,]\d+)([eE][+-]?\d+)?\s?[%€]?\s*$"
_DIGITS = r"^\s*\d+\s*$"
_PHONE = r"^\s*(\+|00)?[\d\s().\-/]{7,22}((x|ext\.?|-)\s?\d+)?\s*$"
_PHONE_FORM = r"^\s*((\+|00)\d|\(\d+\)|\d{3}[-. ]\d{3}[-. ]\d{4}|0\d{1,4}[ /-]\d)"
_POSTCODE = (
    r"^\s*([A-Z]{1,2}-)?(\d{5}(-\d{4})?|\d{4,6}|\d{3}[- ]\d{2}|\d{4} ?[A-Z]{2}|\d{5}-\d{3}"
    r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d)\s*$"
)
_POSTCODE_FORM = r"[A-Z]|-|^\s*0"  # plain digits of one length could be anything
_CODE = r"^\s*[A-Za-z0-9][A-Za-z0-9._:/#-]{0,39}\s*$"
_LETTER, _DIGIT, _LEADING_ZERO = "[A-Za-z]", r"\d", r"^\s*0\d"
_NAMES = {
    "postcode": r"zip|post|plz|pcode|\bcp\b|cap\b",
    "phone": r"phone|tel\b|mobile|fax|telefon|cell\b",
    "identifier": r"(^|[^a-z])(id|key|code|uuid|guid|isbn|issn|isil|number|nr|no|index)([^a-z]|$)",
}  # fmt: skip


def column_kind(name: str, values: pa.Array, counts: NDArray[np.int64], rows: int) -> tuple[Kind, float]:
    """Tell the kind of a column from its distinct values and, between kinds that look alike, from its name.

    Args:
        name: of the column.
        values: ``(d,)`` distinct values, none missing.
        counts: ``(d,)`` how often each stands there.
        rows: of the table.

    Returns:
        The kind, and the share of the filled cells that have its form, in [0, 1].

    >>> column_kind("when", pa.array(["2020-01-02", "2020-02-03"]), np.array([1, 1]), 2)
    ('date', 1.0)
    """
    filled = int(counts.sum())
    if not filled:
        return "empty", 1.0
    if len(values) == 1 and filled == rows and rows > 1:
        return "constant", 1.0
    if len(values) <= 8 and {value.strip().lower() for value in values.to_pylist()} in _BOOLEANS:
        return "boolean", 1.0

    def share(pattern: str) -> float:
        hit = compute.match_substring_regex(values, pattern).to_numpy(zero_copy_only=False)
        return float(counts[np.asarray(hit, dtype=bool)].sum()) / filled

    hint = next((kind for kind, words in _NAMES.items() if re.search(words, _plain(name))), None)
    unique = len(values) >= _UNIQUE * filled and filled > 1
    keys = unique and (
        hint == "identifier"
        or min(share(_DIGIT), share(_LETTER)) >= _LEAST
        or (share(_DIGITS) >= _LEAST and (share(_LEADING_ZERO) > 0 or _counted(values)))
    )
    shares: list[tuple[Kind, float]] = [
        ("email", share(_EMAIL)),
        ("url", share(_URL)),
        ("date", float(counts[is_date(values)].sum()) / filled),
        ("phone", share(_PHONE) if hint == "phone" or share(_PHONE_FORM) >= _LEAST else 0.0),
        ("postcode", share(_POSTCODE) if hint == "postcode" or share(_POSTCODE_FORM) >= _LEAST else 0.0),
        ("identifier", share(_CODE) if keys else 0.0),
        ("number", share(_NUMBER)),
    ]
    for kind, found in shares:
        if found >= _LEAST:
            return kind, found
    length = float((compute.utf8_length(values).to_numpy(zero_copy_only=False) * counts).sum()) / filled
    return ("long text" if length > _LONG else "short text"), 1.0


def _plain(name: str) -> str:
    return re.sub(r"[_\s]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).lower()


def _counted(values: pa.Array) -> bool:
    """Whether whole numbers run without large gaps, as numbers of rows do."""
    short = values.filter(compute.match_substring_regex(values, r"^\s*\d{1,18}\s*$"))
    numbers = compute.cast(compute.utf8_trim_whitespace(short), pa.int64()).to_numpy()
    return len(numbers) > 2 and int(numbers.max() - numbers.min()) < 2 * len(numbers)
