"""How alike columns are: names, values, content and formats, and one score from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from domains.tables.align.names import name_similarity
from domains.tables.align.sketch import GRAM_BUCKETS, PATTERN_BUCKETS, ColumnSketch

__all__ = ["ColumnSimilarity", "column_similarity"]

_FEW = 1.0  # so many common values count as chance
_POINTS = 512  # where distributions of numbers are compared: a thousand columns cost no more than ten


@dataclass(frozen=True, eq=False)
class ColumnSimilarity:
    """All against all; every matrix is ``(c, c)``, symmetric, in [0, 1].

    Attributes:
        name: see `domains.tables.align.names.name_similarity`; NaN where a name says nothing.
        value: common values; NaN where a column is empty.
        content: common words and 3-grams; NaN where a column is empty.
        kind: common formats and ranges of numbers; NaN where a column is empty.
        by_values: see `column_similarity`.
        score: all together.
    """

    name: NDArray[np.float64]
    value: NDArray[np.float64]
    content: NDArray[np.float64]
    kind: NDArray[np.float64]
    by_values: NDArray[np.float64]
    score: NDArray[np.float64]


def column_similarity(
    names: Sequence[str], sketches: Sequence[ColumnSketch], weights: tuple[float, float, float]
) -> ColumnSimilarity:
    r"""Compare all columns with each other.

    Any kind of evidence may make a match. What the names say and what the values say are joined as independent reasons:

        score  = 1 - (1 - by_name) (1 - by_values)
        by_name   = w_n name (0.7 + 0.3 kind)
        by_values = (1 - (1 - w_v sqrt(value)) (1 - w_c l content)) (0.4 + 0.6 kind) (0.7 + 0.3 name),

    with l the mean share of letters in both columns, since all columns of digits hold the same 3-grams. So equal names
    carry a match alone even where the values have nothing in common, values carry one alone, less far where formats or
    names differ. Evidence that is missing adds nothing and holds nothing back: the last factor is 1 where a name says
    nothing, kind is 1 where a column is empty.

    - value: cosine of the sets of distinct values, each weighted by log(1 + c / columns that hold it), times
      o / (o + 1) for o common values. Of large columns the sets are samples; a value is in the sample of one column if
      and only if it is in the sample of every column that holds it, so samples compare as the columns do.
    - content: mean of the TF-IDF cosines of words and of 3-grams.
    - kind: half the cosine of the formats, half the agreement of lengths and of the shares of letters, digits, spaces
      and other signs; between two columns of numbers the mean with 1 - the Kolmogorov-Smirnov distance.

    Args:
        names: c names.
        sketches: c sketches.
        weights: w_n, w_v, w_c in [0, 1].
    """
    filled = np.array([one.distinct > 0 for one in sketches])
    known = filled[:, None] & filled[None, :]
    name = name_similarity(names)
    value = np.where(known, _value(sketches), np.nan)
    content = np.where(known, (_tokens(sketches) + _grams(sketches)) / 2, np.nan)
    kind = np.where(known, _kind(sketches), np.nan)
    letters = np.array([one.shares[0] for one in sketches])
    letters = (letters[:, None] + letters[None, :]) / 2
    agree, fits = np.nan_to_num(name, nan=1.0), np.nan_to_num(kind, nan=1.0)
    by_name = weights[0] * np.nan_to_num(name, nan=0.0) * (0.7 + 0.3 * fits)
    common = 1 - (1 - weights[1] * np.sqrt(np.nan_to_num(value))) * (1 - weights[2] * letters * np.nan_to_num(content))
    by_values = common * (0.4 + 0.6 * fits) * (0.7 + 0.3 * agree)
    score = 1 - (1 - by_name) * (1 - by_values)
    return ColumnSimilarity(name, value, content, kind, np.round(by_values, 9), np.round(score, 9))


def _incidence(parts: Sequence[NDArray[np.uint64]]) -> tuple[csr_array, NDArray[np.float64]]:
    """Columns against distinct hashes, and the weight of each hash."""
    sizes = [part.size for part in parts]
    keys, at = np.unique(np.concatenate(parts), return_inverse=True)
    rows = np.repeat(np.arange(len(parts)), sizes)
    matrix = csr_array((np.ones(at.size), (rows, at)), shape=(len(parts), keys.size))
    matrix.sort_indices()  # by hash, as the parts are
    frequency = np.bincount(at, minlength=keys.size)
    return matrix, np.log1p(len(parts) / np.maximum(frequency, 1))


def _value(sketches: Sequence[ColumnSketch]) -> NDArray[np.float64]:
    count = len(sketches)
    matrix, weight = _incidence([one.value for one in sketches])
    common = (matrix @ matrix.T).toarray()
    weighted = (matrix.multiply(weight[None, :]).tocsr() @ matrix.T).toarray()
    # of both columns only what lies below the smaller limit can be compared
    limits = np.array([one.limit for one in sketches], dtype=np.uint64)
    within = np.zeros((count, count))
    for i, one in enumerate(sketches):
        mass = np.concatenate([[0.0], np.cumsum(weight[matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]])])
        within[i] = mass[np.searchsorted(one.value, np.minimum(limits, one.limit), side="right")]
    size = np.sqrt(within * within.T)
    cosine = np.divide(weighted, size, out=np.zeros_like(size), where=size > 0)
    return np.asarray(np.minimum(cosine, 1.0) * common / (common + _FEW))


def _cosine(matrix: csr_array) -> NDArray[np.float64]:
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    product = (matrix @ matrix.T).toarray()
    size = norm[:, None] * norm[None, :]
    return np.asarray(np.minimum(np.divide(product, size, out=np.zeros_like(size), where=size > 0), 1.0))


def _tokens(sketches: Sequence[ColumnSketch]) -> NDArray[np.float64]:
    matrix, weight = _incidence([one.token for one in sketches])
    return _cosine(matrix.multiply(weight[None, :]).tocsr())


def _histograms(buckets: Sequence[NDArray[np.int64]], amounts: Sequence[NDArray[np.float64]], width: int) -> csr_array:
    rows = np.repeat(np.arange(len(buckets)), [one.size for one in buckets])
    return csr_array((np.concatenate(amounts), (rows, np.concatenate(buckets))), shape=(len(buckets), width))


def _grams(sketches: Sequence[ColumnSketch]) -> NDArray[np.float64]:
    matrix = _histograms([one.gram for one in sketches], [one.gram_count for one in sketches], GRAM_BUCKETS)
    frequency = np.bincount(matrix.indices, minlength=GRAM_BUCKETS)
    idf = np.log1p(len(sketches) / np.maximum(frequency, 1))
    matrix.data = np.log1p(matrix.data)
    return _cosine(matrix.multiply(idf[None, :]).tocsr())


def _kind(sketches: Sequence[ColumnSketch]) -> NDArray[np.float64]:
    patterns = [one.pattern_share for one in sketches]
    formats = _cosine(_histograms([one.pattern for one in sketches], patterns, PATTERN_BUCKETS))
    shares = np.array([one.shares for one in sketches])
    apart = sum(np.abs(shares[:, None, k] - shares[None, :, k]) for k in range(shares.shape[1])) / 2
    length = np.log1p(np.array([one.length for one in sketches]))
    longer = np.exp(-np.abs(length[:, None] - length[None, :]))
    kind = formats / 2 + (1 - apart) * longer / 2
    numeric = np.array([one.numeric for one in sketches])
    both = numeric[:, None] * numeric[None, :]
    return np.asarray(np.clip(kind * (1 - both / 2) + both / 2 * (1 - _distance(sketches)), 0.0, 1.0))


def _distance(sketches: Sequence[ColumnSketch]) -> NDArray[np.float64]:
    """Kolmogorov-Smirnov distance of the numbers from their quantiles; 1 where a column has none."""
    distance = np.ones((len(sketches), len(sketches)))
    numeric = [i for i, one in enumerate(sketches) if one.numeric > 0]
    if not numeric:
        return distance
    quantiles = np.array([sketches[i].quantiles for i in numeric])  # (m, q)
    points = np.unique(quantiles)
    points = points[np.unique(np.linspace(0, points.size - 1, _POINTS).astype(np.int64))]
    level = np.linspace(0, 1, quantiles.shape[1])
    curves = np.array([_distribution(one, level, points) for one in quantiles])  # (m, points)
    for row, i in enumerate(numeric):
        distance[i, numeric] = np.abs(curves - curves[row]).max(axis=1)
    return distance


def _distribution(
    quantiles: NDArray[np.float64], level: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    last = np.concatenate([np.diff(quantiles) != 0, [True]])  # the highest level of each repeated quantile
    return np.asarray(np.interp(points, quantiles[last], level[last], left=0.0, right=1.0))
