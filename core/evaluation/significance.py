"""What a handful of seeds allows one to say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from scipy import stats

__all__ = ["Interval", "PairedTest", "Verdict", "mean_interval", "paired_test"]

Verdict = Literal["seen", "not seen", "within noise"]


@dataclass(frozen=True)
class Interval:
    """Mean, standard deviation (n - 1), and the confidence interval of the mean."""

    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """Mean difference a - b, its confidence interval, the p-value of the paired t test, and the verdict on "a > b".

    ``verdict``: "seen" if the interval lies above 0, "not seen" if it lies below, "within noise" if it holds 0.
    """

    difference: float
    low: float
    high: float
    p_value: float
    verdict: Verdict


def mean_interval(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Mean over seeds with Student's t interval.

    Args:
        values: one per seed, at least two, finite.
        confidence: in (0, 1).

    Raises:
        ValueError: too few values, not finite, or confidence out of range.

    >>> interval = mean_interval([1.0, 2.0, 3.0])
    >>> interval.mean, round(interval.low, 4)
    (2.0, -0.4841)
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two seeds, got {len(values)}")
    if not all(math.isfinite(v) for v in values):
        raise ValueError(f"values must be finite, got {list(values)}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence!r}")
    mean, std = fmean(values), stdev(values)
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * std / math.sqrt(len(values))
    return Interval(mean, std, mean - half, mean + half)


def paired_test(a: Sequence[float], b: Sequence[float], *, confidence: float = 0.95) -> PairedTest:
    """Is method a above method b, given the same seeds (splits) for both?

    Args:
        a: scores of one method, seed by seed; higher is better.
        b: scores of the other, in the same order of seeds.
        confidence: of the interval, in (0, 1).

    Raises:
        ValueError: different lengths, fewer than two seeds, not finite.

    >>> paired_test([0.9, 0.8, 0.85], [0.7, 0.62, 0.66]).verdict
    'seen'
    """
    if len(a) != len(b):
        raise ValueError(f"a paired test needs the same seeds for both, got {len(a)} and {len(b)} values")
    interval = mean_interval([x - y for x, y in zip(a, b, strict=True)], confidence=confidence)
    if interval.std == 0.0:  # the t statistic is 0/0 or infinite
        p_value = 1.0 if interval.mean == 0.0 else 0.0
    else:
        t = interval.mean / (interval.std / math.sqrt(len(a)))
        p_value = float(2 * stats.t.sf(abs(t), len(a) - 1))
    verdict: Verdict = "within noise"
    if interval.low > 0:
        verdict = "seen"
    elif interval.high < 0:
        verdict = "not seen"
    return PairedTest(interval.mean, interval.low, interval.high, p_value, verdict)
