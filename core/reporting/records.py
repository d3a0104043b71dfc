"""The result record: what every benchmark writes and every table, plot and page is built from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, stdev
from typing import Any, Literal

__all__ = ["Published", "ResultRecord"]

Role = Literal["method", "baseline", "untrained", "ablation"]
Verdict = Literal["seen", "not seen", "within noise"]


@dataclass(frozen=True)
class Published:
    """A number from a paper beside ours: ``value`` in the unit of the metric, and whether the settings are the same."""

    value: float | None
    source: str
    comparable: bool
    why: str = ""


@dataclass(frozen=True)
class ResultRecord:
    """One system on one data set and metric, over seeds.

    Attributes:
        system: row label of the table.
        domain, dataset, split, method, metric: what was measured. ``metric`` names its unit (``accuracy %``, ``ms``).
        values: one per seed, in the order of ``seeds``, None where the result is not finite.
        mean, std: of the values, std with n - 1; None if one of them is not finite.
        role: method, baseline, untrained or ablation.
        published: the paper's number, or None.
        verdict: of a published claim, or None where there is no claim.
        seconds, peak_mb: wall time and peak extra memory of one seed, mean over seeds; None where not measured.
        profile: quick, cpu or paper.
        settings: resolved settings. commit, versions, machine, date: where it ran.
    """

    system: str
    domain: str
    dataset: str
    split: str
    method: str
    metric: str
    mean: float | None
    std: float | None
    values: tuple[float | None, ...]
    seeds: tuple[int, ...]
    higher_is_better: bool
    role: Role
    published: Published | None
    verdict: Verdict | None
    seconds: float | None
    peak_mb: float | None
    profile: str
    settings: dict[str, Any] = field(default_factory=dict)
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    date: str = ""

    @classmethod
    def over(cls, values: Sequence[float], **fields: Any) -> ResultRecord:
        """The record of some values: mean and deviation are worked out here.

        Args:
            values: one per seed or repeat; a value that is not finite becomes None, and then there is no mean.
            **fields: of the record. Without them seeds are 0, 1, ..., the role is "method", lower is better, there is
                no split, and published number, verdict, seconds and memory are None.

        >>> record = ResultRecord.over(
        ...     [1.0, 3.0], system="a", domain="b", dataset="c", method="d", metric="ms", profile="quick"
        ... )
        >>> record.mean, round(record.std, 3), record.seeds, record.higher_is_better
        (2.0, 1.414, (0, 1), False)
        """
        finite = all(map(math.isfinite, values))
        given: dict[str, Any] = {
            "split": "",
            "seeds": range(len(values)),
            "role": "method",
            "higher_is_better": False,
            **dict.fromkeys(("published", "verdict", "seconds", "peak_mb")),
            **fields,
            "values": tuple(value if math.isfinite(value) else None for value in values),
            "mean": fmean(values) if finite else None,
            "std": stdev(values) if finite and len(values) > 1 else None,
        }
        return cls(**{**given, "seeds": tuple(given["seeds"])})

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that ``json.dump`` takes."""
        return asdict(self)
