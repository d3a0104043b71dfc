"""Hydra's gate: from the labels of two classes to the dimensions in which they agree."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_embeddings, check_labels

__all__ = ["FeatureGate", "gate_entropy"]

Fuse = Literal["mean", "product"]

_BLOCK = 4096  # pairs of classes gated at once for the statistics


def gate_entropy(gate: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Mean over dimensions of the Bernoulli entropy of a gate, in nats; 0 for gates of zeros and ones, at most log 2.

    Differentiable; numbers that have reached 0 or 1 get no gradient.

    Raises:
        TypeError: an integer gate.
        ValueError: not 2-D, or a number outside [0, 1].

    >>> gate_entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [0.6931471824645996, 0.0]
    """
    check_embeddings("gate", gate)
    if not bool(((gate >= 0) & (gate <= 1)).all()):
        raise ValueError(f"gate must be in [0, 1], got {float(gate.min())} to {float(gate.max())}")
    gate = gate.float() if gate.dtype in (torch.float16, torch.bfloat16) else gate
    open_ = (gate > 0) & (gate < 1)
    inside = torch.where(open_, gate, 0.5)
    return torch.where(open_, torch.special.entr(inside) + torch.special.entr(1 - inside), 0.0).mean(dim=1)


class FeatureGate(nn.Module):
    """A weight in (0, 1) for each dimension, from the labels of two classes; the same in either order.

    Wu et al. 2024 (Hydra, later SimLAP), arXiv 2410.18200, after the code of its first author; e_c are learned::

        "mean"      g(a, b) = sigmoid(F((e_a + e_b) / 2))
        "product"   g(a, b) = sigmoid(F(e_a)) sigmoid(F(e_b))

    F is ReLU, BatchNorm, Linear, ReLU, BatchNorm, Linear. In eval mode BatchNorm uses its averages, so that gates
    differ from those in training.

    Args:
        num_classes: C, >= 1.
        dim: width of the embeddings that are gated.
        label_dim: width of the label embeddings; 512 in the code.
        hidden_dim: width in between; 1024 in the code.
        fuse: where the two classes meet.

    Shape:
        Labels ``(n,)`` and ``(n,)`` to ``(n, dim)``.

    Raises:
        ValueError: a count or width below 1, another ``fuse``.

    >>> gate = FeatureGate(10, 4).eval()
    >>> gate(torch.tensor([3]), torch.tensor([7])).shape
    torch.Size([1, 4])
    """

    def __init__(
        self, num_classes: int, dim: int, label_dim: int = 512, hidden_dim: int = 1024, fuse: Fuse = "mean"
    ) -> None:
        super().__init__()
        sizes = {"num_classes": num_classes, "dim": dim, "label_dim": label_dim, "hidden_dim": hidden_dim}
        for name, value in sizes.items():
            check_at_least(name, value, 1)
        check_choice("fuse", fuse, get_args(Fuse))
        self.num_classes = num_classes
        self.fuse: Fuse = fuse
        self.labels = nn.Embedding(num_classes, label_dim)
        self.filter = nn.Sequential(
            nn.ReLU(),
            nn.BatchNorm1d(label_dim),
            nn.Linear(label_dim, hidden_dim),
            nn.ReLU(),
            nn.BatchNorm1d(hidden_dim),
            nn.Linear(hidden_dim, dim),
        )

    def extra_repr(self) -> str:
        """The settings that the layers do not show."""
        return f"num_classes={self.num_classes}, fuse={self.fuse!r}"

    def forward(self, y1: Int64[Tensor, " n"], y2: Int64[Tensor, " n"] | None = None) -> Float[Tensor, "n d"]:
        """The gates of pairs of classes.

        Args:
            y1: classes, 0 to C - 1.
            y2: their partners; ``None`` takes ``y1``.

        Raises:
            TypeError: labels that are not int64.
            ValueError: shapes, labels out of range, a single pair while BatchNorm trains.
        """
        y2 = y1 if y2 is None else y2
        for name, labels in (("y1", y1), ("y2", y2)):
            check_labels(labels, len(y1), name=name)
            if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
                raise ValueError(
                    f"{name} must be in 0 to {self.num_classes - 1}, got {int(labels.min())} to {int(labels.max())}"
                )
        if self.training:
            check_at_least("the number of pairs", len(y1), 2, "BatchNorm is in training mode; use eval() for one pair")
        if self.fuse == "mean":
            gate: Tensor = self.filter((self.labels(y1) + self.labels(y2)) / 2).sigmoid()
            return gate
        both: Tensor = self.filter(self.labels(torch.cat([y1, y2]))).sigmoid()
        return both[: len(y1)] * both[len(y1) :]

    @torch.no_grad()
    def statistics(
        self, y1: Int64[Tensor, " n"] | None = None, y2: Int64[Tensor, " n"] | None = None
    ) -> dict[str, float]:
        """How much the gates let through, and how undecided they are, in eval mode.

        Args:
            y1: classes; ``None`` takes all C (C + 1) / 2 pairs of classes, those of a class with itself included.
            y2: their partners; ``None`` takes ``y1``.

        Returns:
            ``activation``, the mean weight in (0, 1), which times ``dim`` is the size of the sub-space, and
            ``entropy``, the mean Bernoulli entropy in nats, 0 to log 2.

        Raises:
            ValueError: as in the call; ``y2`` without ``y1``, or no pairs.
        """
        if y1 is None:
            if y2 is not None:
                raise ValueError("y2 came without y1; pass both or neither")
            everything = torch.combinations(torch.arange(self.num_classes), with_replacement=True)
            y1, y2 = everything.to(self.labels.weight.device).unbind(1)
        check_at_least("the number of pairs", len(y1), 1)
        y2 = y1 if y2 is None else y2
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        blocks = [self(a, b) for a, b in zip(y1.split(_BLOCK), y2.split(_BLOCK), strict=True)]
        for module, mode in modes:
            module.training = mode
        activation = sum(float(block.double().mean(dim=1).sum()) for block in blocks)
        entropy = sum(float(gate_entropy(block.double()).sum()) for block in blocks)
        return {"activation": activation / len(y1), "entropy": entropy / len(y1)}
