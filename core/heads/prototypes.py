"""SwAV's prototypes: learned directions, to which a feature is compared by its cosine."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_embeddings
from core.losses.normalisation import full_precision, unit_rows

__all__ = ["Prototypes"]


class Prototypes(nn.Module):
    """One or several sets of unit vectors; features go in, cosines come out.

    Caron et al. 2020 (SwAV), arXiv 2006.09882: a linear layer without bias whose rows are scaled back to unit length,
    without gradient, before every forward. Here that happens in the forward, which also normalises the features: SwAV's
    assignments turn to NaN where a user forgets it. In the first steps prototypes stand still, so that the encoder
    comes first::

        value.backward()
        prototypes.drop_frozen_gradients()   # each step, freeze_steps or not
        optimizer.step()

    Dropped gradients are ``None``, as in the released code, so that momentum and weight decay rest too, and they exist
    until then, as DistributedDataParallel wants.

    Args:
        dim: width of a feature, >= 1.
        num_prototypes: prototypes, >= 1; a list makes one set for each number, and lists of scores. SwAV takes 3000,
            and advises about ten times the number of classes.
        freeze_steps: steps before prototypes learn, >= 0; SwAV takes one epoch.
        generator: draws the random directions; ``None`` takes torch's default one.

    Shape:
        ``(..., dim)`` to ``(..., num_prototypes)``, or a list of these.

    Raises:
        ValueError: a width, number or number of steps that is too small, or an empty list.

    >>> prototypes = Prototypes(4, 3)
    >>> prototypes(torch.randn(2, 5, 4)).shape, [scores.shape for scores in Prototypes(4, [3, 6])(torch.randn(5, 4))]
    (torch.Size([2, 5, 3]), [torch.Size([5, 3]), torch.Size([5, 6])])
    """

    steps: Tensor

    def __init__(
        self,
        dim: int,
        num_prototypes: int | Sequence[int],
        *,
        freeze_steps: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        counts = [num_prototypes] if isinstance(num_prototypes, int) else list(num_prototypes)
        check_at_least("dim", dim, 1)
        check_at_least("the number of prototype sets", len(counts), 1)
        for count in counts:
            check_at_least("num_prototypes", count, 1)
        check_at_least("freeze_steps", freeze_steps, 0)
        self.num_prototypes = num_prototypes if isinstance(num_prototypes, int) else counts
        self.freeze_steps = freeze_steps
        self.weights = nn.ParameterList(unit_rows(torch.randn(count, dim, generator=generator)) for count in counts)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def frozen(self) -> bool:
        """Whether the next step leaves the prototypes where they are."""
        return int(self.steps) < self.freeze_steps

    @torch.no_grad()
    def normalize_(self) -> None:
        """Scale all prototypes to unit length, in place; the forward does it by itself."""
        for weight in self.weights:
            weight.copy_(unit_rows(weight))

    @torch.no_grad()
    def drop_frozen_gradients(self) -> None:
        """Once per optimizer step, between backward and step: count it, and drop the gradients while frozen."""
        if self.frozen:
            for weight in self.weights:
                weight.grad = None
        self.steps += 1

    def extra_repr(self) -> str:
        """Every setting by name."""
        width = self.weights[0].shape[1]
        return f"dim={width}, num_prototypes={self.num_prototypes}, freeze_steps={self.freeze_steps}"

    def forward(self, features: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch k"] | list[Tensor]:
        """Cosines of features and prototypes, in float32 or better.

        Args:
            features: of any length; a zero vector has cosine 0 with everything and gets no gradient.

        Raises:
            TypeError: integer features.
            ValueError: another width.
        """
        check_embeddings("features", features, dims=range(1, 9))
        width = self.weights[0].shape[1]
        if features.shape[-1] != width:
            raise ValueError(f"features must have width {width}, got shape {tuple(features.shape)}")
        self.normalize_()
        with torch.autocast(features.device.type, enabled=False):
            unit = unit_rows(features)
            # Copies: the next forward rewrites the weights in place, and this one's backward still needs them.
            scores = [nn.functional.linear(unit, full_precision(weight.clone()).to(unit)) for weight in self.weights]
        return scores[0] if isinstance(self.num_prototypes, int) else scores
