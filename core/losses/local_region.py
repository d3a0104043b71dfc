"""Local contrast: a region of a slice must find itself in the other view, among regions near it."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_embeddings, check_temperature
from core.losses.normalisation import unit_rows
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.regions import check_regions, near_regions, region_windows

__all__ = ["LocalRegionLoss", "RegionStrategy", "local_region"]

RegionStrategy = Literal["random", "domain"]


def local_region(
    first: Float[Tensor, "n c h w"] | Float[Tensor, "n r d"],
    second: Float[Tensor, "n c h w"] | Float[Tensor, "n r d"],
    *,
    partners: Float[Tensor, "q n c h w"] | Float[Tensor, "q n r d"] | None = None,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    strategy: RegionStrategy = "random",
    num_regions: int = 13,
    window: int = 3,
    num_negatives: int = 5,
) -> Float[Tensor, "..."]:
    """Contrast of a slice's regions with their near regions, in two views that differ in intensity but not in place.

    Chaitanya et al. 2020, arXiv 2006.10511, the local loss; a_u and b_u are region u of both maps, O(u) its near ones::

        l(u; a, b) = -log( exp(cos(a_u, b_u) / t) / ( exp(cos(a_u, b_u) / t)
                           + sum_{o in O(u)} [exp(cos(a_u, a_o) / t) + exp(cos(a_u, b_o) / t)] ) )
        L = mean over u of (l(u; a, b) + l(u; b, a)) / 2                        "random", L^R of the paper
        L = mean over u of the same two terms and l(u; a, p) of each partner    "domain", L^D

    Args:
        first: maps ``(n, c, h, w)`` of one view, from whose windows the regions are read as they are, or regions
            ``(n, r, d)``, which `core.heads.RegionProjection` reads and projects (the paper's form). Normalised here.
        second: maps or regions of the other view, image by image.
        partners: for ``strategy="domain"``: the same for slices of the same partition of q other volumes, for each
            image, ``(q, n, ...)``; the released code has q = 2. They are positives at the same place, and their near
            regions negatives, for the first view only.
        temperature: t > 0; the released code takes 0.1. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over images, or "none".
        strategy: "random" or "domain".
        num_regions: 13, or 9.
        window: side of the windows of maps; regions come ready.
        num_negatives: near regions in each map, so there are twice as many negatives; see `core.losses.regions`.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, maps smaller than window + 4, settings, partners missing or useless.

    Relations:
        log(1 + 2 num_negatives) when all regions are equal. Images do not meet: under DDP it needs no gathering.

    Notes:
        The authors list the near regions by hand; ours are the nearest ones. With partners they lower the 5 negatives
        to 4, to save memory. How L^D weighs its terms against each other is our choice: all alike.

    >>> same = torch.ones(1, 13, 4)
    >>> round(float(local_region(same, same)), 4)  # log 11
    2.3979
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_choice("strategy", strategy, get_args(RegionStrategy))
    check_regions(num_regions, num_negatives)
    if (partners is not None) != (strategy == "domain"):
        state = "are missing" if partners is None else "were given"
        raise ValueError(f"partners belong to strategy='domain', but {state} with strategy={strategy!r}")
    a = _regions("first", first, num_regions, window)
    b = _regions("second", second, num_regions, window)
    if first.shape != second.shape:
        raise ValueError(
            f"first and second must have the same shape, because their regions are pairs; got {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    near = near_regions(num_regions, num_negatives).to(a.device)
    parts = [_terms(a, b, near, temperature), _terms(b, a, near, temperature)]
    if partners is not None:
        check_embeddings("partners", partners, dims=(first.dim() + 1,))
        if partners.shape[1:] != first.shape or len(partners) == 0:
            raise ValueError(f"partners must have shape {('q', *first.shape)}, got {tuple(partners.shape)}")
        parts += [_terms(a, _regions("partners", p, num_regions, window), near, temperature) for p in partners]
    return reduce(torch.stack(parts).mean(dim=(0, 2)), reduction)


def _regions(name: str, given: Tensor, num_regions: int, window: int) -> Tensor:
    """Unit rows ``(n, r, d)``."""
    check_embeddings(name, given, dims=(3, 4))
    check_at_least(f"the images of {name}", len(given), 1)
    if given.dim() == 4:
        return unit_rows(region_windows(given, num_regions=num_regions, window=window))
    if given.shape[1] != num_regions:
        raise ValueError(f"{name} must hold num_regions={num_regions} regions, got shape {tuple(given.shape)}")
    return unit_rows(given)


def _terms(anchor: Tensor, other: Tensor, near: Tensor, temperature: float | Tensor) -> Tensor:
    """The term of each region of ``anchor``, ``(n, r)``."""
    dtype = torch.promote_types(anchor.dtype, other.dtype)
    with torch.autocast(anchor.device.type, enabled=False):
        own = anchor @ anchor.mT / temperature  # (n, r, r)
        crossed = anchor.to(dtype) @ other.to(dtype).mT / temperature
    picked = near.expand(len(own), -1, -1)
    negatives = torch.cat([own.gather(2, picked), crossed.gather(2, picked)], dim=2).logsumexp(dim=2)
    return softplus(negatives - crossed.diagonal(dim1=1, dim2=2))


class LocalRegionLoss(nn.Module):
    """`local_region` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        strategy: RegionStrategy = "random",
        num_regions: int = 13,
        window: int = 3,
        num_negatives: int = 5,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        check_choice("strategy", strategy, get_args(RegionStrategy))
        check_regions(num_regions, num_negatives)
        check_at_least("window", window, 1)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.strategy: RegionStrategy = strategy
        self.num_regions = num_regions
        self.window = window
        self.num_negatives = num_negatives

    def extra_repr(self) -> str:
        """Every setting by name."""
        settings = ("temperature", "reduction", "strategy", "num_regions", "window", "num_negatives")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in settings)

    def forward(
        self,
        first: Float[Tensor, "n c h w"] | Float[Tensor, "n r d"],
        second: Float[Tensor, "n c h w"] | Float[Tensor, "n r d"],
        *,
        partners: Float[Tensor, "q n c h w"] | Float[Tensor, "q n r d"] | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `local_region`."""
        return local_region(
            first,
            second,
            partners=partners,
            temperature=self.temperature,
            reduction=self.reduction,
            strategy=self.strategy,
            num_regions=self.num_regions,
            window=self.window,
            num_negatives=self.num_negatives,
        )
