"""A small summary of a column by which it is compared with any other: sampled values, 3-grams, formats, numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["GRAM_BUCKETS", "PATTERN_BUCKETS", "SHARES", "ColumnSketch", "sketch"]

GRAM_BUCKETS = 1 << 14
PATTERN_BUCKETS = 1 << 10
SHARES = ("letters", "digits", "spaces", "other signs")
_QUANTILES = np.linspace(0, 1, 33)
_MAX_CHARACTERS = 200  # of each value: a column of long texts costs no more than its sample
_NUMBER = r"^[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)?([.][0-9]+)?%?$"


@dataclass(frozen=True, eq=False)
class ColumnSketch:
    """What is kept of one column.

    Attributes:
        distinct: number of distinct values after normalising (NFKC, lower case, white space).
        value: ``(s,)`` uint64, the smallest hashes of the distinct values, sorted: all of them, or a sample that is the
            same in every column, because whether a value is in depends on its hash alone.
        limit: values with a hash up to this are all in ``value``.
        token: ``(t,)`` uint64, hashes of the words of the described values, sorted.
        gram: ``(g,)`` int64 buckets of the 3-grams of the described values, and ``gram_count``, in how many values.
        gram_count: see ``gram``.
        pattern: ``(p,)`` int64 buckets of value formats ("Ab 9-9"), and ``pattern_share``, summing to 1.
        pattern_share: see ``pattern``.
        shares: ``(4,)`` mean share of letters, digits, spaces and other signs in a value.
        length: mean number of characters of a value.
        numeric: share of the described values that are numbers.
        quantiles: ``(33,)`` of the numbers; NaN where there are none.
    """

    distinct: int
    value: NDArray[np.uint64]
    limit: np.uint64
    token: NDArray[np.uint64]
    gram: NDArray[np.int64]
    gram_count: NDArray[np.float64]
    pattern: NDArray[np.int64]
    pattern_share: NDArray[np.float64]
    shares: NDArray[np.float64]
    length: float
    numeric: float
    quantiles: NDArray[np.float64]


def sketch(column: pd.Series, *, sample: int = 10_000, described: int = 500) -> ColumnSketch:
    """Summarise a column in one pass over its distinct values.

    Args:
        column: text, missing values allowed; its order plays no part.
        sample: how many hashes of distinct values are kept.
        described: how many distinct values are looked at for words, 3-grams, formats and numbers.
    """
    values = _normalised(column)
    if not len(values):
        return _empty()
    hashes = pd.util.hash_array(values.to_numpy(zero_copy_only=False).astype(object), categorize=False)
    order = np.argsort(hashes, kind="stable")[: max(sample, described)]
    kept = hashes[order[:sample]]
    limit = np.uint64(np.iinfo(np.uint64).max) if len(values) <= sample else kept[-1]
    texts = values.take(pa.array(np.sort(order[:described]))).to_pylist()
    texts = sorted(text[:_MAX_CHARACTERS] for text in texts)
    tokens = sorted({token for text in texts for token in _words(text)})
    token = np.unique(pd.util.hash_array(np.array(tokens, dtype=object), categorize=False)) if tokens else kept[:0]
    gram, gram_count = _grams(texts)
    pattern, pattern_share = _patterns(texts)
    numbers = _numbers(texts)
    return ColumnSketch(
        distinct=len(values),
        value=kept,
        limit=limit,
        token=token,
        gram=gram,
        gram_count=gram_count,
        pattern=pattern,
        pattern_share=pattern_share,
        shares=_shares(texts),
        length=float(np.mean([len(text) for text in texts])),
        numeric=len(numbers) / len(texts),
        quantiles=np.quantile(numbers, _QUANTILES) if len(numbers) else np.full(_QUANTILES.size, np.nan),
    )


def _empty() -> ColumnSketch:
    hashes, buckets, shares = np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0)
    return ColumnSketch(
        0, hashes, np.uint64(np.iinfo(np.uint64).max), hashes, buckets, shares, buckets, shares,
        np.zeros(len(SHARES)), 0.0, 0.0, np.full(_QUANTILES.size, np.nan),
    )  # fmt: skip


def _normalised(column: pd.Series) -> pa.Array:
    """Distinct values in NFKC, lower case, with single spaces; empty ones left out."""
    distinct = pc.unique(pa.array(column, type=pa.large_string(), from_pandas=True)).drop_null()
    plain = pc.utf8_lower(pc.utf8_normalize(distinct, form="NFKC"))
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))
    plain = pc.unique(plain)
    return plain.filter(pc.greater(pc.utf8_length(plain), 0))


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text).split()


def _codes(texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code points of all texts, one space before and after each, and the number of the text of each."""
    joined = "".join(f" {text} " for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    return codes, np.repeat(np.arange(len(texts)), [len(text) + 2 for text in texts])


def _grams(texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    codes, owner = _codes(texts)
    wide = codes.astype(np.uint64)
    mixed = (wide[:-2] * np.uint64(0x9E3779B1) + wide[1:-1]) * np.uint64(0x85EBCA77) + wide[2:]
    mixed = (mixed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(50)  # the upper 14 bits: GRAM_BUCKETS
    inside = owner[:-2] == owner[2:]
    once = np.unique(owner[:-2][inside] * GRAM_BUCKETS + mixed[inside].astype(np.int64))
    bucket, count = np.unique(once % GRAM_BUCKETS, return_counts=True)
    return bucket, count.astype(np.float64)


def _patterns(texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Formats: letters become a, digits 9; runs of letters are one a, so that names of all lengths are one format."""
    without_words = pd.Series(texts, dtype=object).str.replace(r"[^\W\d_]+", "a", regex=True)
    formats = without_words.str.replace(r"\d", "9", regex=True)
    shown, count = np.unique(formats.to_numpy().astype(object), return_counts=True)
    hashed = pd.util.hash_array(shown, categorize=False) % np.uint64(PATTERN_BUCKETS)
    bucket, at = np.unique(hashed.astype(np.int64), return_inverse=True)
    return bucket, np.bincount(at, weights=count / len(texts)).astype(np.float64)


def _shares(texts: list[str]) -> NDArray[np.float64]:
    kinds = [[sum(map(str.isalpha, t)), sum(map(str.isdigit, t)), t.count(" "), len(t)] for t in texts]
    counts = np.array(kinds, dtype=np.float64)
    counts[:, 3] -= counts[:, :3].sum(axis=1)
    return np.asarray((counts / counts.sum(axis=1, keepdims=True)).mean(axis=0))


def _numbers(texts: list[str]) -> NDArray[np.float64]:
    series = pd.Series(texts, dtype=object)
    matched = series[series.str.fullmatch(_NUMBER) & series.str.contains(r"\d", regex=True)]
    return np.asarray(matched.str.replace(r"[,%]", "", regex=True), dtype=np.float64)
