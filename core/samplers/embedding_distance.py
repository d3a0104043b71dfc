"""Distance of embeddings: fast products in float32, and float64 for the pairs that rounding could decide."""

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from core.checks import check_choice, check_embeddings, check_paired
from core.losses.normalisation import SHORTEST
from core.samplers.near_copies import Bools, Indices, Measure, PreparedItems

__all__ = ["EmbeddingDistance", "EmbeddingMetric", "PreparedRows", "embedding_distance"]

EmbeddingMetric = Literal["cosine", "euclidean"]

NUMBERS = 1 << 22
"""Numbers in float64 held at once."""


def embedding_distance(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], *, metric: EmbeddingMetric = "cosine"
) -> Float64[Tensor, " n"]:
    """Distance of row i of ``a`` and row i of ``b``: 1 - cosine, in [0, 2], or Euclidean; in float64.

    Equal rows are at distance 0 exactly, since |u - v|^2 / 2 is taken for 1 - u.v. A zero row has cosine 0 with all.

    Raises:
        TypeError: integer rows.
        ValueError: shapes, another metric.

    >>> embedding_distance(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]])).tolist()
    [1.0]
    """
    check_choice("metric", metric, get_args(EmbeddingMetric))
    check_paired(a, b, ("a", "b"))
    return _exact(a.double(), b.double(), metric)


def _exact(a: Tensor, b: Tensor, metric: EmbeddingMetric) -> Tensor:
    if metric == "euclidean":
        distance: Tensor = torch.linalg.vector_norm(a - b, dim=1)
        return distance
    norms = [torch.linalg.vector_norm(x, dim=1, keepdim=True) for x in (a, b)]
    u, v = (torch.where(norm > SHORTEST, x / norm, 0.0) for x, norm in zip((a, b), norms, strict=True))
    zero = (norms[0] <= SHORTEST) | (norms[1] <= SHORTEST)
    return torch.where(zero[:, 0], 1.0, (u - v).square().sum(dim=1) / 2)


class EmbeddingDistance(Measure):
    """Distance of rows ``(n, d)``: 1 - cosine, or Euclidean.

    Thresholds are numbers from -1, which keeps all, to 2 for the cosine; 0 drops equal rows (cosine: equal directions).

    Args:
        metric: "cosine" or "euclidean".

    Raises:
        ValueError: another metric.
    """

    lowest = -1.0

    def __init__(self, metric: EmbeddingMetric = "cosine") -> None:
        check_choice("metric", metric, get_args(EmbeddingMetric))
        self.metric: EmbeddingMetric = metric
        self.highest = 2.0 if metric == "cosine" else float("inf")

    def prepare(self, items: Float[Tensor, "n d"]) -> "PreparedRows":
        """Check the rows.

        Raises:
            TypeError: integer rows.
            ValueError: another shape, rows that are not finite.
        """
        check_embeddings("items", items)
        if not items.isfinite().all():
            raise ValueError("items must be finite, but some rows hold infinity or NaN")
        return PreparedRows(items.detach(), self.metric)


class PreparedRows(PreparedItems):
    """Rows scaled for float32 products; the rows themselves for what those leave open."""

    width = 4096
    pairs = 1 << 21

    def __init__(self, rows: Tensor, metric: EmbeddingMetric) -> None:
        self.rows = rows
        self.metric: EmbeddingMetric = metric
        self.scaled = torch.empty(rows.shape, dtype=torch.float32, device=rows.device)
        self.scale = 1.0
        center = rows.new_zeros(rows.shape[1], dtype=torch.float64)
        if metric == "euclidean" and len(rows):
            # Near the origin products keep the digits of differences; a greatest value of 1 keeps squares finite.
            center = rows.double().mean(dim=0)
            least, most = rows.amin(dim=0).double() - center, rows.amax(dim=0).double() - center
            self.scale = max(float(torch.maximum(-least, most).max()), 1e-300)
        step = max(1, NUMBERS // rows.shape[1])
        for part, scaled in zip(rows.split(step), self.scaled.split(step), strict=True):
            exact = (part.double() - center) / self.scale
            if metric == "cosine":
                norms = torch.linalg.vector_norm(exact, dim=1, keepdim=True)
                exact = torch.where(norms > SHORTEST, exact / norms, 0.0)
            scaled.copy_(exact)
        self.farthest = 2 * self.scale * rows.shape[1] ** 0.5
        self.squares = self.scaled.square().sum(dim=1)
        # twice the bound on the rounding of a float32 product of d terms, relative to |a||b|
        self.rounding = (rows.shape[1] + 16) * 2.0**-23

    def __len__(self) -> int:
        return len(self.rows)

    def near(self, rows: Indices, columns: Indices, threshold: float) -> Bools:
        """By products; in float64 where they are within their rounding of the threshold."""
        if threshold < 0:
            return np.zeros((len(rows), len(columns)), dtype=bool)
        own, other = torch.from_numpy(rows), torch.from_numpy(columns)
        with torch.autocast(self.rows.device.type, enabled=False):
            products = self.scaled[own] @ self.scaled[other].T
        least, slack = 1 - threshold, self.rounding
        if self.metric == "euclidean":
            # |a - b| <= t  where  a.b - |a|^2 / 2 - |b|^2 / 2 >= -t^2 / 2
            radius = (threshold / self.scale) ** 2
            first, second = self.squares[own], self.squares[other]
            products.sub_(first[:, None] / 2).sub_(second / 2)
            least, slack = -radius / 2, slack * float(first.max() + second.max() + radius)
        if not products.numel() or float(products.max()) < least - slack:
            return np.zeros(products.shape, dtype=bool)
        near = products >= least - slack
        row, column = (near & (products < least + slack)).nonzero(as_tuple=True)
        step = max(1, NUMBERS // (4 * self.rows.shape[1]))
        for i, j in zip(row.split(step), column.split(step), strict=True):
            distance = _exact(self.rows[own[i]].double(), self.rows[other[j]].double(), self.metric)
            near[i, j] = distance <= threshold
        result: Bools = near.cpu().numpy()
        return result
