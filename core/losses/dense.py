"""Losses between the pixels of two crops of one image: PixPro, without negatives, and PixContrast, with them."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.checks import check_positive, check_temperature
from core.losses.maps import check_map_pair, check_pixel_mask, unit_pixels
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["PixContrastLoss", "PixProLoss", "pix_contrast", "pix_pro"]

BLOCK = 1 << 21
"""Similarities of pixels held at once: 8 MB in float32."""


def pix_pro(
    prediction: Float[Tensor, "n c h w"],
    target: Float[Tensor, "n c h w"],
    mask: Bool[Tensor, "n p p"],
    *,
    reduction: Reduction = "mean",
    factor: float = 2.0,
    stop_gradient: bool = True,
) -> Float[Tensor, "..."]:
    """Pixel-to-propagation consistency: minus the mean cosine of the positive pixels of each image, one direction.

    Xie et al. 2021, arXiv 2011.10043; y are the propagated pixels of the one crop, x' the momentum encoder's pixels of
    the other, A the mask::

        L_n = -factor sum_ij A_n(i, j) cos(y_i, x'_j) / sum_ij A_n(i, j)

    The method adds both directions, ``pix_pro(y1, x2, mask) + pix_pro(y2, x1, mask.mT)``, which is -4 when all is
    perfect.

    Args:
        prediction: maps after `core.heads.PixelPropagation`; pixels are normalised here, over the channels.
        target: maps of the momentum encoder's projector, of the other crop; normalised here.
        mask: positive pairs, from `core.losses.positive_pixel_mask`: prediction's pixels by target's.
        reduction: "mean" or "sum" over images, or "none".
        factor: > 0. The released code multiplies by 2, to which its learning rate belongs, the paper by 1.
        stop_gradient: whether targets are constants.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss in [-factor, factor], in float32 or better. An image without a positive pair counts as 0, with
        gradient 0.

    Raises:
        TypeError: integer maps, a mask that is not bool.
        ValueError: shapes, factor.

    Relations:
        With one pixel (or with equal pixels) ``factor`` times `core.losses.negative_cosine.negative_cosine`. Images do
        not meet: under DDP it needs no gathering.

    Notes:
        The released code divides by the number of pairs + 1e-6, we by at least one pair.

    >>> pixel, yes = torch.ones(1, 2, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool)
    >>> round(float(pix_pro(pixel, pixel, yes)), 4), float(pix_pro(pixel, pixel, ~yes))
    (-2.0, 0.0)
    """
    check_reduction(reduction)
    check_positive("factor", factor, usual="1 or 2")
    check_map_pair(prediction, target, ("prediction", "target"))
    check_pixel_mask(mask, prediction)
    ours, theirs = unit_pixels(prediction), unit_pixels(target.detach() if stop_gradient else target)
    with torch.autocast(ours.device.type, enabled=False):
        pulled = mask.to(theirs.dtype) @ theirs  # (n, p, c): the sum of each pixel's positives
    pairs = mask.sum(dim=(1, 2)).clamp(min=1)
    return reduce(-factor * (ours * pulled).sum(dim=(1, 2)) / pairs, reduction)


def pix_contrast(
    query: Float[Tensor, "n c h w"],
    key: Float[Tensor, "n c h w"],
    mask: Bool[Tensor, "n p p"],
    *,
    temperature: float | Float[Tensor, ""] = 0.3,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """InfoNCE between the pixels of two crops of one image, one direction.

    Xie et al. 2021, arXiv 2011.10043; P_i are the pixels of the other crop that are positive for pixel i, N_i all its
    other pixels, of the same image::

        L(i) = -log( sum_{j in P_i} exp(cos(x_i, x'_j) / t) / sum_{j in P_i or N_i} exp(cos(x_i, x'_j) / t) )

    It is the mean over the pixels i that have a positive, then over images. The method takes the mean of both
    directions: ``(pix_contrast(q1, k2, mask) + pix_contrast(q2, k1, mask.mT)) / 2``. Blocks of images are compared,
    and again in the backward pass, so that beside the mask no (p, p) matrix of all images is kept.

    Args:
        query: maps of the one crop, after the projector; pixels are normalised here, over the channels.
        key: maps of the other crop, from the momentum encoder in the paper; normalised here. It gets a gradient if it
            asks for one.
        mask: positive pairs, from `core.losses.positive_pixel_mask`: query's pixels by key's.
        temperature: t > 0; 0.3 in the paper. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over images, or "none".

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better. A pixel whose candidates are all positive costs 0; an image without a
        positive pair counts as 0, with gradient 0.

    Raises:
        TypeError: integer maps, a mask that is not bool.
        ValueError: shapes, temperature.

    Relations:
        `core.losses.info_nce` over the pixels of one image where the mask is the identity. Images do not meet: under
        DDP it needs no gathering.

    Notes:
        The authors released no code for it. A known port sums numerator and denominator over all pixels before one
        logarithm; here each pixel has its own, as in the paper.

    >>> maps = torch.eye(2)[None, :, None]  # two orthogonal pixels
    >>> round(float(pix_contrast(maps, maps, torch.eye(2, dtype=torch.bool)[None], temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_map_pair(query, key, ("query", "key"))
    check_pixel_mask(mask, query)
    ours, theirs = unit_pixels(query), unit_pixels(key)
    dtype = torch.promote_types(ours.dtype, theirs.dtype)
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    step = max(1, BLOCK // mask[0].numel())
    terms = [
        checkpoint(
            *(_image_terms, ours[i : i + step], theirs[i : i + step], mask[i : i + step], temperature),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for i in range(0, len(mask), step)
    ]
    return reduce(torch.cat(terms), reduction)


def _image_terms(query: Tensor, key: Tensor, mask: Tensor, temperature: float | Tensor) -> Tensor:
    """Mean over the pixels of each image that have a positive, ``(b,)``."""
    with torch.autocast(query.device.type, enabled=False):
        logits = query @ key.mT / temperature  # (b, p, p)
    found = mask.any(dim=2)
    both = found & ~mask.all(dim=2)
    # Where one of the two sets is empty it stands for all pixels: its sum is finite, and the term is not taken.
    positives = logits.masked_fill(~mask & both[:, :, None], -torch.inf).logsumexp(dim=2)
    negatives = logits.masked_fill(mask & both[:, :, None], -torch.inf).logsumexp(dim=2)
    terms = torch.where(both, softplus(negatives - positives), 0.0)
    return terms.sum(dim=1) / found.sum(dim=1).clamp(min=1)


class PixProLoss(nn.Module):
    """`pix_pro` with its settings."""

    def __init__(self, *, reduction: Reduction = "mean", factor: float = 2.0, stop_gradient: bool = True) -> None:
        super().__init__()
        check_reduction(reduction)
        check_positive("factor", factor, usual="1 or 2")
        self.reduction: Reduction = reduction
        self.factor = factor
        self.stop_gradient = stop_gradient

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"reduction={self.reduction!r}, factor={self.factor}, stop_gradient={self.stop_gradient}"

    def forward(
        self, prediction: Float[Tensor, "n c h w"], target: Float[Tensor, "n c h w"], mask: Bool[Tensor, "n p p"]
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `pix_pro`."""
        return pix_pro(
            prediction,
            target,
            mask,
            reduction=self.reduction,
            factor=self.factor,
            stop_gradient=self.stop_gradient,
        )


class PixContrastLoss(nn.Module):
    """`pix_contrast` with its settings."""

    def __init__(self, *, temperature: float = 0.3, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        self.temperature = temperature
        self.reduction: Reduction = reduction

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"temperature={self.temperature}, reduction={self.reduction!r}"

    def forward(
        self, query: Float[Tensor, "n c h w"], key: Float[Tensor, "n c h w"], mask: Bool[Tensor, "n p p"]
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `pix_contrast`."""
        return pix_contrast(query, key, mask, temperature=self.temperature, reduction=self.reduction)
