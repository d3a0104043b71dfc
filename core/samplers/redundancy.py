"""Data reduction before training: drop what is a near-copy of something kept."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from core.checks import check_at_least, check_choice
from core.errors import unknown_name
from core.samplers.embedding_distance import EmbeddingDistance
from core.samplers.exemplars import greedy_exemplars
from core.samplers.hamming import HammingDistance
from core.samplers.image_hash import HashDistance
from core.samplers.information import SharedInformation, entropy
from core.samplers.near_copies import Indices, Measure, PreparedItems
from core.samplers.ssim import StructuralSimilarity

__all__ = ["EveryNFilter", "RedundancyFilter"]

Scope = Literal["group", "dataset"]
Groups = Int64[Tensor, " n"] | Sequence[int] | Sequence[str]

STEPS = 30
"""Halvings of the range of thresholds that are not whole numbers."""


def _measures() -> dict[str, Measure]:
    hashes: dict[str, Measure] = {m: HashDistance(m) for m in ("dhash", "ahash", "phash", "whash")}
    return hashes | {
        "hamming": HammingDistance(),
        "cosine": EmbeddingDistance("cosine"),
        "euclidean": EmbeddingDistance("euclidean"),
        "nmi": SharedInformation(),
        "ssim": StructuralSimilarity(),
    }


class RedundancyFilter:
    """Keep exemplars, drop their near-copies, group by group.

    Wolf et al. 2024, "Less is More", arXiv 2410.14524: slices of one scan are near-copies, which contrastive training
    takes for negatives of each other. The greedy rule of the released code: the first item left is an exemplar and
    takes all of its near-copies with it; repeat. The choice depends on the order of the items, so bring slices into
    the order of the scan first: names such as _1, _10, _2 are not. Split patients into sets before, and reduce
    training sets only.

    ==============  =============================  ==========================  ==================
    measure         items                          near-copies                 thresholds
    ==============  =============================  ==========================  ==================
    "dhash", ...    images, or a sequence of them  at most t of 64 bits        -1 to 64, whole
    "hamming"       codes ``(n, 64)`` bool         at most t of 64 bits        -1 to 64, whole
    "cosine"        rows ``(n, d)``                1 - cosine at most t        -1 to 2
    "euclidean"     rows ``(n, d)``                distance at most t          -1 or more
    "nmi"           images ``(n, h, w)``           shared information from t   0 to 1
    "ssim"          images ``(n, h, w)``           similarity from t           -1 to 1
    ==============  =============================  ==========================  ==================

    A threshold of -1 on a distance keeps all. Memory is linear in the number of items; comparisons are made in blocks,
    with the result of the plain loop.

    Args:
        measure: a word of the table ("dhash", "ahash", "phash" and "whash" are hashes), or an object with settings of
            its own: `HashDistance`, `HammingDistance`, `EmbeddingDistance`, `SharedInformation`,
            `StructuralSimilarity`, or a `Measure` of yours.
        threshold: in the units of the measure; 6 is the paper's choice for dhash.
        scope: "group" compares within groups only, "dataset" all items, whatever their group.
        min_entropy: first drop images whose grey levels have less entropy, in nats, in 64 bins: hashes of nearly
            empty slices are noise.

    Attributes:
        keep_indices_: ``(k,)`` int64, rising positions of the exemplars; any sampler or ``Subset`` takes them.
        representative_: ``(n,)`` int64, the exemplar of each item, or -1 where its entropy is too low.
        ratio_: share kept, k / n.

    Raises:
        TypeError: a measure of another kind.
        ValueError: an unknown word, a threshold out of range.

    Relations:
        `EveryNFilter` is the baseline that looks at nothing.

    >>> codes = torch.zeros(4, 64, dtype=torch.bool)
    >>> codes[2:, :9] = True
    >>> RedundancyFilter("hamming", 6).fit(codes).representative_.tolist()
    [0, 0, 2, 2]
    """

    keep_indices_: Int64[Tensor, " k"]
    representative_: Int64[Tensor, " n"]
    ratio_: float

    def __init__(
        self,
        measure: str | Measure = "dhash",
        threshold: float = 6,
        *,
        scope: Scope = "group",
        min_entropy: float | None = None,
    ) -> None:
        if isinstance(measure, str):
            known = _measures()
            if measure not in known:
                raise unknown_name("measure", measure, known)
            measure = known[measure]
        if not isinstance(measure, Measure):
            raise TypeError(f"measure must be a word or a Measure, got {type(measure).__name__}")
        check_choice("scope", scope, get_args(Scope))
        if min_entropy is not None and not measure.images:
            raise ValueError(
                f"min_entropy is for images, which {type(measure).__name__} does not compare; leave it out"
            )
        if min_entropy is not None and not 0 <= min_entropy <= float(np.log(64)):
            raise ValueError(f"min_entropy must be in [0, 4.16], the entropies in 64 bins in nats, got {min_entropy!r}")
        self.measure = measure
        self.threshold = threshold
        self.scope: Scope = scope
        self.min_entropy = min_entropy
        self._check_threshold()

    def fit(self, items: Any, groups: Groups | None = None) -> "RedundancyFilter":
        """Choose exemplars.

        Args:
            items: in their order; what the measure takes.
            groups: scan, patient or shop of each item, as numbers or words; ``None`` is a single group.

        Returns:
            Itself, with its attributes set.

        Raises:
            TypeError: items that the measure does not take.
            ValueError: no items, groups of another length, items that the measure does not take.
        """
        self._check_threshold()
        prepared, owners = self._prepared(items, groups)
        return self._keep(greedy_exemplars(prepared, self.threshold, owners), owners)

    def calibrate_threshold(self, items: Any, target_ratio: float, groups: Groups | None = None) -> float:
        """Set the threshold whose share kept comes nearest to ``target_ratio``, and fit.

        Filters of different measures can so be compared at equal size. The range is halved until a whole number is
        left, or 30 times. The greedy rule does not promise that a wider threshold keeps less, so the nearest of those
        tried is taken.

        Args:
            items: as for `fit`.
            target_ratio: share of all items, in (0, 1].
            groups: as for `fit`.

        Returns:
            The threshold, also in ``threshold``.

        Raises:
            TypeError: as `fit`.
            ValueError: as `fit`, or a target out of range.
        """
        if not 0 < target_ratio <= 1:
            raise ValueError(f"target_ratio must be in (0, 1], got {target_ratio!r}")
        prepared, owners = self._prepared(items, groups)
        tried: dict[float, Indices] = {}

        def kept(threshold: float) -> float:
            if threshold not in tried:
                tried[threshold] = greedy_exemplars(prepared, threshold, owners)
            return _share_kept(tried[threshold], owners)

        low, high = self.measure.lowest, min(self.measure.highest, prepared.farthest)
        if np.isinf(high):
            raise ValueError(f"{type(self.measure).__name__} has no highest threshold to begin from; give it one")
        for threshold in (low, high):
            kept(threshold)
        for _ in range(STEPS):
            middle = float((low + high) // 2) if self.measure.whole else (low + high) / 2
            if middle in (low, high) or any(abs(kept(t) - target_ratio) * len(owners) < 0.5 for t in tried):
                break
            if (kept(middle) < target_ratio) == self.measure.similarity:
                low = middle
            else:
                high = middle
        self.threshold = min(tried, key=lambda t: abs(kept(t) - target_ratio))
        self._keep(tried[self.threshold], owners)
        return self.threshold

    def _check_threshold(self) -> None:
        measure = self.measure
        if not measure.lowest <= self.threshold <= measure.highest or np.isinf(self.threshold):
            raise ValueError(
                f"threshold must be in {measure.lowest}..{measure.highest} for {type(measure).__name__}, got "
                f"{self.threshold!r}"
            )
        if measure.whole and self.threshold != int(self.threshold):
            raise ValueError(f"threshold counts bits and must be a whole number, got {self.threshold!r}")

    def _prepared(self, items: Any, groups: Groups | None) -> tuple[PreparedItems, Indices]:
        """The items as the measure compares them, and the group of each, -1 - i for item i of too little entropy."""
        owners = _owners(len(items), groups)
        if self.scope == "dataset":
            owners = np.zeros_like(owners)
        prepared = self.measure.prepare(items)
        if self.min_entropy is not None:
            empty = np.flatnonzero(entropy(items).cpu().numpy() < self.min_entropy)
            owners[empty] = -1 - empty
        return prepared, owners

    def _keep(self, exemplars: Indices, owners: Indices) -> "RedundancyFilter":
        self.representative_ = torch.from_numpy(np.where(owners < 0, -1, exemplars))
        self.keep_indices_ = torch.from_numpy(_kept(exemplars, owners))
        self.ratio_ = _share_kept(exemplars, owners)
        return self


class EveryNFilter:
    """Keep items 0, n, 2n, ... of each group, whatever they hold: the baseline of `RedundancyFilter`.

    Args:
        n: step, >= 1.

    Attributes:
        keep_indices_: rising positions of what is kept, ``ceil(size / n)`` of each group.
        representative_: for each item the kept one at or before it.
        ratio_: share kept.

    Raises:
        ValueError: a step below 1.

    >>> EveryNFilter(2).fit(range(5)).keep_indices_.tolist()
    [0, 2, 4]
    """

    keep_indices_: Int64[Tensor, " k"]
    representative_: Int64[Tensor, " n"]
    ratio_: float

    def __init__(self, n: int) -> None:
        check_at_least("n", n, 1)
        self.n = n

    def fit(self, items: Any, groups: Groups | None = None) -> "EveryNFilter":
        """Choose; only the number of ``items`` matters. Arguments and errors as for `RedundancyFilter.fit`."""
        owners = _owners(len(items), groups)
        order = np.argsort(owners, kind="stable")
        sizes = np.bincount(owners)
        within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        exemplars = np.empty_like(order)
        exemplars[order] = order[np.arange(len(order)) - within % self.n]
        self.representative_ = torch.from_numpy(exemplars)
        self.keep_indices_ = torch.from_numpy(_kept(exemplars, owners))
        self.ratio_ = _share_kept(exemplars, owners)
        return self


def _owners(count: int, groups: Groups | None) -> Indices:
    """Group of each item as 0, 1, ..."""
    check_at_least("the number of items", count, 1)
    if groups is None:
        return np.zeros(count, dtype=np.int64)
    values = groups.cpu().numpy() if isinstance(groups, Tensor) else np.asarray(groups)
    if values.shape != (count,):
        raise ValueError(f"groups must have one entry for each of {count} items, got shape {values.shape}")
    numbers: Indices = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return numbers


def _kept(exemplars: Indices, owners: Indices) -> Indices:
    return np.flatnonzero((exemplars == np.arange(len(exemplars))) & (owners >= 0))


def _share_kept(exemplars: Indices, owners: Indices) -> float:
    return len(_kept(exemplars, owners)) / len(exemplars)
