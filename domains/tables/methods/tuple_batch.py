"""What one step of SSACL sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from domains.tables.methods.pairs import PairTensors

__all__ = ["TupleBatch"]


@dataclass(frozen=True, eq=False)
class TupleBatch:
    """One step of SSACL.

    Attributes:
        pairs: positives and negatives.
        same: ``(p,)`` true for positives.
        tuples: each tuple of the batch with itself, what the adversary starts from.
        labelled: pairs with labels, if any.
        labels: ``(q,)`` 1 for the same thing, 0 for different ones.
    """

    pairs: PairTensors
    same: Bool[Tensor, " p"]
    tuples: PairTensors
    labelled: PairTensors | None
    labels: Float[Tensor, " q"]

    def to(self, device: torch.device) -> TupleBatch:
        """The same on another device."""
        labelled = None if self.labelled is None else self.labelled.to(device)
        parts = (self.pairs.to(device), self.same.to(device), self.tuples.to(device))
        return TupleBatch(*parts, labelled, self.labels.to(device))
