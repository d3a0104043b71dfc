"""Hallucinator: one more positive for each pair, made in feature space by a small network that the loss trains."""

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_not_negative, check_paired
from core.losses.normalisation import cosines, unit_rows

__all__ = ["Hallucinator", "HallucinatorStatistics", "hallucinator_statistics"]


class Hallucinator(nn.Module):
    """Moves a row away from its partner, and smooths the result with a perceptron.

    Wu et al. 2023, arXiv 2307.12168; as released, for x the row that moves and k its partner::

        e = (1 + r) x - r k        r ~ U(0, max_ratio), one for the whole batch
        h = G([x, e])              Linear, ReLU, Linear, ReLU, Linear: widths 2 d, hidden, hidden, d

    For unit rows cos(k, e) <= cos(k, x): the new pair shares less. The output is not normalised. G is trained by the
    optimizer of the encoder (`core.losses.HallucinatedPairLoss`) and thrown away with the projection head.

    Args:
        dim: width d of the rows.
        hidden_dim: width of hidden layers; ``None`` takes 2 d, as released.
        num_layers: linear layers of G, >= 1.
        max_ratio: >= 0; 0.1 as released. Above c / (1 - c), c the cosine of the pair, a row moves past a right angle.
        per_sample: draw r for each row instead of once a call.
        generator: a generator for r; ``None`` takes torch's default one. Under `core.distributed.GatheredLoss` every
            process hallucinates for the joined batch, so all need equal generators.

    Shape:
        Two times ``(n, d)`` to ``(n, d)``.

    Raises:
        ValueError: a width or number of layers below 1, a ratio that is negative.

    >>> sum(p.numel() for p in Hallucinator(128).parameters())  # 10 d^2 + 5 d
    164480
    """

    def __init__(
        self,
        dim: int,
        hidden_dim: int | None = None,
        num_layers: int = 3,
        max_ratio: float = 0.1,
        per_sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        hidden_dim = 2 * dim if hidden_dim is None else hidden_dim
        for name, value in (("dim", dim), ("hidden_dim", hidden_dim), ("num_layers", num_layers)):
            check_at_least(name, value, 1)
        check_not_negative("max_ratio", max_ratio)
        self.max_ratio = max_ratio
        self.per_sample = per_sample
        self.generator = generator
        widths = [2 * dim, *[hidden_dim] * (num_layers - 1), dim]
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Linear(wide, narrow), nn.ReLU()]
        self.smoothing = nn.Sequential(*layers[:-1])

    def extra_repr(self) -> str:
        """Every setting of the draw by name."""
        return f"max_ratio={self.max_ratio!r}, per_sample={self.per_sample!r}"

    @staticmethod
    def extrapolate(
        move: Float[Tensor, "n d"], keep: Float[Tensor, "n d"], ratio: float | Float[Tensor, ""] | Float[Tensor, " n"]
    ) -> Float[Tensor, "n d"]:
        """``(1 + r) move - r keep``, along the line that joins the two; linear in both.

        Args:
            move: rows.
            keep: their partners.
            ratio: r, one number or one for each row.

        Raises:
            TypeError: integer tensors.
            ValueError: shapes that differ.

        >>> Hallucinator.extrapolate(torch.ones(1, 2), torch.zeros(1, 2), 0.5).tolist()
        [[1.5, 1.5]]
        """
        check_paired(move, keep, ("move", "keep"))
        if isinstance(ratio, Tensor):
            if ratio.shape not in ((), (len(move),)):
                raise ValueError(f"ratio must be one number or ({len(move)},), got shape {tuple(ratio.shape)}")
            ratio = ratio.to(move)
            ratio = ratio[:, None] if ratio.dim() else ratio
        return (1 + ratio) * move - ratio * keep

    def draw(self, count: int) -> float | Float[Tensor, " n"]:
        """A ratio for a batch of ``count`` rows, or one for each."""
        device = None if self.generator is None else self.generator.device
        size = count if self.per_sample else 1
        drawn = self.max_ratio * torch.rand(size, generator=self.generator, device=device)
        return drawn if self.per_sample else float(drawn)

    def forward(
        self,
        move: Float[Tensor, "n d"],
        keep: Float[Tensor, "n d"],
        ratio: float | Float[Tensor, ""] | Float[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "n d"]:
        """The hallucinated rows, not normalised.

        Args:
            move: rows as the head gives them; their lengths scale the move, since ``keep`` is taken as it is.
            keep: their partners; gradient goes through them unless they are detached.
            ratio: r; ``None`` draws it.
        """
        moved = self.extrapolate(move, keep, self.draw(len(move)) if ratio is None else ratio)
        hallucinated: Tensor = self.smoothing(torch.cat([move, moved], dim=1))
        return hallucinated


class HallucinatorStatistics(NamedTuple):
    """What to watch; four scalars.

    Attributes:
        real: mean cosine of the pairs.
        hallucinated: mean cosine of hallucinated rows and the partners; below ``real`` where the pairs got harder.
        copied: mean cosine of hallucinated rows and the rows they come from; 1 where G only copies.
        spread: standard deviation of the unit hallucinated rows over the batch, averaged over dimensions; near
            1 / sqrt(d) if healthy, 0 if G ignores its input.
    """

    real: Tensor
    hallucinated: Tensor
    copied: Tensor
    spread: Tensor


@torch.no_grad()
def hallucinator_statistics(
    move: Float[Tensor, "n d"], keep: Float[Tensor, "n d"], hallucinated: Float[Tensor, "n d"]
) -> HallucinatorStatistics:
    """Whether the new pairs are harder than the real ones, and whether G copies or collapses; without gradient.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes that differ.

    >>> found = hallucinator_statistics(torch.eye(2), torch.eye(2), torch.eye(2))
    >>> float(found.copied), float(found.spread)
    (1.0, 0.5)
    """
    check_paired(move, keep, ("move", "keep"))
    check_paired(move, hallucinated, ("move", "hallucinated"))
    return HallucinatorStatistics(
        cosines(move, keep).mean(),
        cosines(hallucinated, keep).mean(),
        cosines(hallucinated, move).mean(),
        unit_rows(hallucinated).std(dim=0, correction=0).mean(),
    )
