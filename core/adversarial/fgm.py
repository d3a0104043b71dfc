"""FGM: one step along the gradient, of a given L2 length."""

from dataclasses import dataclass

from torch import Tensor

from core.adversarial.adversary import Adversary, Slope, check_radius
from core.adversarial.region import Region

__all__ = ["FGM"]


@dataclass(frozen=True, kw_only=True)
class FGM(Adversary):
    """Fast gradient method: ``r = epsilon g / ||g||_2``, g the gradient at x.

    Miyato et al. 2017, arXiv 1605.07725.

    Attributes:
        epsilon: length of the perturbation, >= 0, per sample or (``scope="token"``) per token.
        objective: what grows, as in `Adversary`; a callable such as ``-log f`` for a matcher of pairs.
        reduction: "mean" or "sum" of `loss`.
        scope: "sample" as in the paper, whose norm runs over the whole sequence, or "token".

    Raises:
        ValueError: a negative radius, an unknown word.

    Notes:
        The default objective grows (label -> less likely). A published matcher of table rows takes the loss -log f and
        subtracts the step, which makes the pair easier: with that loss the right sign is plus, as here. Divergences
        from the clean output have no gradient at x: take `VAT` for them. Embeddings should be of a fixed scale
        (LayerNorm), or the model escapes by growing them.

    Relations:
        `PGD` with norm "l2" and one step of size epsilon.

    >>> import torch
    >>> w = torch.tensor([3.0, 4.0])
    >>> FGM(epsilon=0.5).perturb(lambda x: -x @ w, torch.zeros(1, 2)).tolist()  # -epsilon w / ||w||
    [[-0.30000001192092896, -0.4000000059604645]]
    """

    epsilon: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_radius("epsilon", self.epsilon)

    @property
    def _default_radius(self) -> float:
        return self.epsilon

    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        return radius * region.unit(slope(region.zeros()))
