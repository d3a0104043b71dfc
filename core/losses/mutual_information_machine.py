"""Mutual information machines without sampling from the decoder: A-MIM, and cMIM, which adds a contrast of codes."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from core.checks import check_choice, check_temperature
from core.losses.latent_contrast import LatentNegatives, latent_contrast
from core.losses.log_densities import check_densities
from core.losses.normalisation import full_precision
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows

__all__ = ["AMIMLoss", "CMIMLoss", "Reconstruction", "Variant", "amim", "cmim"]

Variant = Literal["implicit", "importance"]
Reconstruction = Literal["sum", "token_mean"]


def amim(
    log_px_given_z: Float[Tensor, " n"],
    log_qz: Float[Tensor, " n"],
    log_pz: Float[Tensor, " n"],
    tokens: Int64[Tensor, " n"] | None = None,
    *,
    reduction: Reduction = "mean",
    variant: Variant = "implicit",
    reconstruction: Reconstruction = "sum",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Asymmetric mutual information machine: an auto-encoder whose code and data share as much as they can.

    Livne et al. 2019, arXiv 1910.03175; codes z are drawn from the encoder q(z | x), x from the data::

        implicit:    L_i = -log p(x_i | z_i) - 1/2 ( log q(z_i | x_i) + log P(z_i) )
        importance:  L_i = -log p(x_i | z_i) - log P(z_i)

    They differ in what stands for log q(x): its lower bound E log p(x | z), as in SentenceMIM (arXiv 2003.02645), or
    the one-sample estimate log p(x | z) + log P(z) - log q(z | x), in which log q cancels. The sign of log q is the
    opposite of a variational auto-encoder's: a small variance is rewarded, so it needs a bound
    (`core.heads.GaussianHead`).

    Args:
        log_px_given_z: log-likelihood of each sample, summed over its pixels or tokens, not averaged.
        log_qz: log-density of each code under its own posterior, summed over the code's width.
        log_pz: log-density of each code under the prior, likewise.
        tokens: for ``reconstruction="token_mean"`` the number of tokens of each sample, >= 1.
        reduction: "mean" or "sum" over samples, or "none".
        variant: what stands for log q(x).
        reconstruction: "sum" takes log p(x | z) as it is. "token_mean" multiplies it by n / (tokens of the batch), so
            that its mean is the mean over tokens, as NVIDIA's KERMT trains; densities of codes are still sums, and
            weigh so much more.
        rows: samples to score (`core.distributed.GatheredLoss` sets it); only "token_mean" needs the others.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, of either sign, in float32 or better; an upper bound of the joint entropy H(x, z) ("implicit").

    Raises:
        TypeError: integer densities, tokens that are not int64.
        ValueError: shapes, no samples, unknown names, tokens missing or not asked for.

    Relations:
        `core.losses.cmim` with contrast weight 0.

    >>> parts = [torch.tensor([value]) for value in (0.0, -1.043939, -1.043939)]  # z = 0.5, mean and logvar 0
    >>> round(float(amim(*parts)), 6)
    1.043939
    """
    check_reduction(reduction)
    _check_names(variant, reconstruction)
    check_densities(log_px_given_z=log_px_given_z, log_qz=log_qz, log_pz=log_pz)
    likelihood = full_precision(log_px_given_z) * _likelihood_scale(tokens, len(log_px_given_z), reconstruction)
    if variant == "importance":
        terms = -(likelihood + full_precision(log_pz))
    else:
        terms = -(likelihood + 0.5 * (full_precision(log_qz) + full_precision(log_pz)))
    anchors = anchor_rows(rows, len(terms))
    return reduce(terms[anchors.start : anchors.stop], reduction)


def cmim(
    log_px_given_z: Float[Tensor, " n"],
    log_qz: Float[Tensor, " n"],
    log_pz: Float[Tensor, " n"],
    z: Float[Tensor, "n d"],
    tokens: Int64[Tensor, " n"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    contrast_weight: float = 1.0,
    variant: Variant = "implicit",
    reconstruction: Reconstruction = "sum",
    negatives: LatentNegatives = "expectation",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Contrastive mutual information machine: A-MIM plus a contrast of the codes, without augmentation.

    Livne 2025, arXiv 2502.19642, as the author's group released it; p_i is that of `core.losses.latent_contrast`::

        L_i = -log p(x_i | z_i) - 1/2 ( log q(z_i | x_i) + log P(z_i) ) - w log p_i

    Args:
        log_px_given_z: as in `amim`.
        log_qz: as in `amim`.
        log_pz: as in `amim`.
        z: the sampled codes, not normalised: the prior sets their length, the contrast their angles.
        tokens: as in `amim`.
        temperature: t > 0 of the contrast; the released code takes 0.1.
        reduction: "mean" or "sum" over samples, or "none".
        contrast_weight: w >= 0; 1 in the released code, 0 is A-MIM.
        variant: as in `amim`.
        reconstruction: as in `amim`.
        negatives: as in `latent_contrast`.
        rows: samples to score; the others are negatives only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, of either sign, in float32 or better.

    Raises:
        TypeError: as in `amim`.
        ValueError: as in `amim`; temperature, a negative weight, a batch of 1 with a weight above 0.

    >>> parts, z = torch.zeros(3, 2), torch.eye(2)
    >>> round(float(cmim(*parts, z, temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133
    """
    check_temperature(temperature)
    check_choice("negatives", negatives, get_args(LatentNegatives))
    _check_weight(contrast_weight)
    terms = amim(
        log_px_given_z,
        log_qz,
        log_pz,
        tokens,
        reduction="none",
        variant=variant,
        reconstruction=reconstruction,
        rows=rows,
    )
    if len(z) != len(log_px_given_z):
        raise ValueError(f"z must have {len(log_px_given_z)} rows, one code a sample, got shape {tuple(z.shape)}")
    if contrast_weight:
        contrast = latent_contrast(z, temperature=temperature, reduction="none", negatives=negatives, rows=rows)
        terms = terms + contrast_weight * contrast
    return reduce(terms, reduction)


def _check_names(variant: str, reconstruction: str) -> None:
    check_choice("variant", variant, get_args(Variant))
    check_choice("reconstruction", reconstruction, get_args(Reconstruction))


def _check_weight(weight: float) -> None:
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"contrast_weight must be finite and >= 0, got {weight!r}; 1 is usual")


def _likelihood_scale(tokens: Tensor | None, count: int, reconstruction: str) -> float:
    if reconstruction == "sum":
        if tokens is not None:
            raise ValueError("tokens are only for reconstruction='token_mean'; with 'sum' the log-likelihood stands")
        return 1.0
    if tokens is None:
        raise ValueError("reconstruction='token_mean' needs tokens, the number of tokens of each sample")
    if tokens.dtype != torch.int64:
        raise TypeError(f"tokens must be int64, got {tokens.dtype}")
    if tokens.shape != (count,) or int(tokens.min()) < 1:
        raise ValueError(f"tokens must be {count} numbers >= 1, one a sample, got shape {tuple(tokens.shape)}")
    return count / int(tokens.sum())


class AMIMLoss(nn.Module):
    """`amim` with its settings."""

    def __init__(
        self,
        *,
        reduction: Reduction = "mean",
        variant: Variant = "implicit",
        reconstruction: Reconstruction = "sum",
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        _check_names(variant, reconstruction)
        self.reduction: Reduction = reduction
        self.variant: Variant = variant
        self.reconstruction: Reconstruction = reconstruction

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"reduction={self.reduction!r}, variant={self.variant!r}, reconstruction={self.reconstruction!r}"

    def forward(
        self,
        log_px_given_z: Float[Tensor, " n"],
        log_qz: Float[Tensor, " n"],
        log_pz: Float[Tensor, " n"],
        tokens: Int64[Tensor, " n"] | None = None,
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `amim`."""
        return amim(
            log_px_given_z,
            log_qz,
            log_pz,
            tokens,
            reduction=self.reduction,
            variant=self.variant,
            reconstruction=self.reconstruction,
            rows=rows,
        )


class CMIMLoss(nn.Module):
    """`cmim` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        contrast_weight: float = 1.0,
        variant: Variant = "implicit",
        reconstruction: Reconstruction = "sum",
        negatives: LatentNegatives = "expectation",
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        _check_weight(contrast_weight)
        _check_names(variant, reconstruction)
        check_choice("negatives", negatives, get_args(LatentNegatives))
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.contrast_weight = contrast_weight
        self.variant: Variant = variant
        self.reconstruction: Reconstruction = reconstruction
        self.negatives: LatentNegatives = negatives

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"temperature={self.temperature!r}, reduction={self.reduction!r}, "
            f"contrast_weight={self.contrast_weight!r}, variant={self.variant!r}, "
            f"reconstruction={self.reconstruction!r}, negatives={self.negatives!r}"
        )

    def forward(
        self,
        log_px_given_z: Float[Tensor, " n"],
        log_qz: Float[Tensor, " n"],
        log_pz: Float[Tensor, " n"],
        z: Float[Tensor, "n d"],
        tokens: Int64[Tensor, " n"] | None = None,
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `cmim`."""
        return cmim(
            log_px_given_z,
            log_qz,
            log_pz,
            z,
            tokens,
            temperature=self.temperature,
            reduction=self.reduction,
            contrast_weight=self.contrast_weight,
            variant=self.variant,
            reconstruction=self.reconstruction,
            negatives=self.negatives,
            rows=rows,
        )
