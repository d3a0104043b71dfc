"""Hydra's partners: to the class of each row a second class, which its positives shall have."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_embeddings, check_labels

__all__ = ["ClassPairSampler"]

Mode = Literal["arbitrary", "distinct", "identical"]


class ClassPairSampler(nn.Module):
    """Draws a partner class for the class of each row.

    Wu et al. 2024 (Hydra, later SimLAP), arXiv 2410.18200, after the code of its first author:

    - "arbitrary": the labels of the batch in another order, so that each partner has a row in the batch;
    - "distinct": any other class, ``(y + u) mod C`` with u from 1 to C - 1; the batch need not hold it;
    - "identical": the class itself, the supervised case.

    Args:
        mode: which classes may meet.
        num_classes: C, >= 1; there are C (C + 1) / 2 pairs.
        weights: ``(C, C)``, >= 0, any scale: partners of class c are drawn in proportion to row c, for instance
            1 / (1 + distance)^alpha; with "distinct" the diagonal counts as 0. Not with "identical".
        generator: for the draws; ``None`` takes torch's default one.

    Raises:
        TypeError: integer weights.
        ValueError: an unknown mode, "distinct" with one class, weights of another shape, negative, or a row without
            any.

    >>> ClassPairSampler("identical", 3)(torch.tensor([2, 0])).tolist()
    [2, 0]
    """

    weights: Tensor | None

    def __init__(
        self,
        mode: Mode,
        num_classes: int,
        weights: Float[Tensor, "c c"] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_choice("mode", mode, get_args(Mode))
        check_at_least("num_classes", num_classes, 1)
        if mode == "distinct":
            check_at_least("num_classes", num_classes, 2, "mode='distinct' needs another class")
        self.mode: Mode = mode
        self.num_classes = num_classes
        self.generator = generator
        self.register_buffer("weights", None if weights is None else _checked(weights, mode, num_classes))

    @property
    def pair_count(self) -> int:
        """Unordered pairs of classes, identical ones included."""
        return self.num_classes * (self.num_classes + 1) // 2

    def extra_repr(self) -> str:
        """Every setting by name."""
        weighted = "" if self.weights is None else ", weighted"
        return f"mode={self.mode!r}, num_classes={self.num_classes}{weighted}"

    def forward(self, y: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """The partner class of each row.

        Args:
            y: classes, 0 to C - 1.

        Raises:
            TypeError: labels that are not int64.
            ValueError: shape, or labels out of range.
        """
        check_labels(y, len(y), name="y")
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < self.num_classes:
            raise ValueError(f"y must be in 0 to {self.num_classes - 1}, got {int(y.min())} to {int(y.max())}")
        if self.mode == "identical" or len(y) == 0:
            return y
        device = None if self.generator is None else self.generator.device
        if self.weights is not None:
            rows = self.weights[y].to(device or self.weights.device)
            return torch.multinomial(rows, 1, generator=self.generator)[:, 0].to(y.device)
        if self.mode == "arbitrary":
            return y[torch.randperm(len(y), generator=self.generator, device=device).to(y.device)]
        step = torch.randint(1, self.num_classes, (len(y),), generator=self.generator, device=device)
        return (y + step.to(y.device)) % self.num_classes


def _checked(weights: Tensor, mode: Mode, classes: int) -> Tensor:
    if mode == "identical":
        raise ValueError("weights have no use with mode='identical', which draws nothing; take 'arbitrary'")
    check_embeddings("weights", weights)
    if weights.shape != (classes, classes):
        raise ValueError(f"weights must have shape ({classes}, {classes}), got {tuple(weights.shape)}")
    kept = weights.detach().clone()
    if mode == "distinct":
        kept.fill_diagonal_(0)
    if not bool((kept.isfinite() & (kept >= 0)).all()):
        raise ValueError("weights must be finite and >= 0")
    empty = kept.sum(dim=1) == 0
    if bool(empty.any()):
        raise ValueError(f"weights leave class {int(empty.nonzero()[0])} without any partner: its row is zero")
    return kept
