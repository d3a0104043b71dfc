"""Pairs of tuples as tensors, without the attributes that both lack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["PairTensors", "gather_pairs", "shared_count"]


@dataclass(frozen=True, eq=False)
class PairTensors:
    """What the matcher takes.

    Attributes:
        left: ``(p, m, d)`` unit vectors, zero where missing.
        left_mask: ``(p, m)`` where there is a value.
        right: of the other tuple of each pair.
        right_mask: of the other tuple.
    """

    left: Float[Tensor, "p m d"]
    left_mask: Bool[Tensor, "p m"]
    right: Float[Tensor, "p m d"]
    right_mask: Bool[Tensor, "p m"]

    def to(self, device: torch.device) -> PairTensors:
        """The same on another device."""
        parts = (self.left, self.left_mask, self.right, self.right_mask)
        return PairTensors(*(part.to(device) for part in parts))

    @property
    def cosine(self) -> Float[Tensor, " p"]:
        """Mean cosine of the attributes that both tuples have; 0 where there is none."""
        both = self.left_mask & self.right_mask
        cosines = (self.left * self.right).sum(-1)  # 0 where one is missing
        mean: Tensor = cosines.sum(1) / both.sum(1).clamp(min=1)
        return mean


def gather_pairs(
    vectors: NDArray[np.float32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    more: NDArray[np.float32] | None = None,
) -> PairTensors:
    """Tensors of pairs of coded tuples.

    The matcher does not care for the order of attributes, so those that both tuples lack go last and are cut off: wide
    tables with few values a row cost what their values cost.

    Args:
        vectors: ``(k, d)`` of the values.
        left: ``(p, m)`` codes of one tuple of each pair, -1 where missing.
        right: ``(p, m)`` codes of the other.
        more: ``(l, d)`` vectors of the codes from k onwards.
    """
    lacking = (left < 0) & (right < 0)
    width = max(1, int((~lacking).sum(axis=1).max(initial=0)))
    if width < left.shape[1]:
        order = np.argsort(lacking, axis=1, kind="stable")[:, :width]
        left, right = (np.take_along_axis(side, order, axis=1) for side in (left, right))
    parts = []
    for side in (left, right):
        found = np.zeros((*side.shape, vectors.shape[1]), dtype=np.float32)
        there = (side >= 0) & (side < len(vectors))
        found[there] = vectors[side[there]]
        if more is not None:
            later = side >= len(vectors)
            found[later] = more[side[later] - len(vectors)]
        parts += [torch.from_numpy(found), torch.from_numpy(side >= 0)]
    return PairTensors(*parts)


def shared_count(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(p,)`` number of attributes that both tuples of each pair have.

    Args:
        left: ``(p, m)`` codes, -1 where missing.
        right: ``(p, m)`` codes of the other.
    """
    both = (left >= 0) & (right >= 0)
    return np.asarray(both.sum(axis=1), dtype=np.int64)
