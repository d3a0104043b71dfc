"""The mutual information machine: samples from the encoder and from the decoder, one loss for both."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.losses.log_densities import check_densities
from core.losses.normalisation import full_precision
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["MIMLoss", "PriorHalf", "mim"]


class PriorHalf(NamedTuple):
    """Log-densities of samples that start at the prior: z from P(z), x from the decoder's p(x | z).

    The same numbers as of the data half, for as many or as few samples; ``log_qx`` may be left out.
    """

    log_px_given_z: Tensor
    log_qz: Tensor
    log_pz: Tensor
    log_qx: Tensor | None = None


def mim(
    log_px_given_z: Float[Tensor, " n"],
    log_qz: Float[Tensor, " n"],
    log_pz: Float[Tensor, " n"],
    *,
    reduction: Reduction = "mean",
    log_qx: Float[Tensor, " n"] | None = None,
    beta: float = 1.0,
    score_function: bool = False,
) -> Float[Tensor, "..."]:
    """Mutual information machine, for the samples of one half.

    Livne et al. 2019, arXiv 1910.03175, an upper bound of the joint entropy of x and z::

        L_i = -1/2 [ log p(x_i | z_i) + log p(z_i) + beta ( log q(z_i | x_i) + log q(x_i) ) ]

    Args:
        log_px_given_z: log-likelihood of each sample under the decoder, summed over its pixels or tokens.
        log_qz: log-density of each code under the encoder, summed over the code's width.
        log_pz: log-density of each code under the prior, likewise.
        reduction: "mean" or "sum" over samples, or "none".
        log_qx: log-density of each sample under a model of x; ``None`` takes the one-sample estimate
            log p(x | z) + log p(z) - log q(z | x) of the released code.
        beta: in [0, 1]; it warms up, min(1, epoch / warm-up epochs).
        score_function: add a term of value 0 whose gradient is that of drawing x from p(x | z). For discrete x, which
            carries no gradient itself; only for samples that the decoder drew.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, of either sign, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, no samples, beta outside [0, 1].

    Relations:
        With beta 1 and without ``log_qx`` it is `core.losses.amim` in the importance variant, and log q cancels.

    >>> parts = [torch.tensor([value]) for value in (-3.0, -0.5, -1.0)]
    >>> [float(mim(*parts, beta=beta)) for beta in (0.0, 1.0)]
    [2.0, 4.0]
    """
    check_reduction(reduction)
    _check_beta(beta)
    check_densities(log_px_given_z=log_px_given_z, log_qz=log_qz, log_pz=log_pz)
    likelihood, prior = full_precision(log_px_given_z), full_precision(log_pz)
    if log_qx is None:
        encoder = likelihood + prior
    else:
        check_densities(log_px_given_z=log_px_given_z, log_qx=log_qx)
        encoder = full_precision(log_qz) + full_precision(log_qx)
    terms = -0.5 * (likelihood + prior + beta * encoder)
    if score_function:
        terms = terms + terms.detach() * (likelihood - likelihood.detach())
    return reduce(terms, reduction)


def _check_beta(beta: float) -> None:
    if not 0 <= beta <= 1:
        raise ValueError(f"beta must be in [0, 1], got {beta!r}; it warms up as min(1, epoch / warm-up epochs)")


class MIMLoss(nn.Module):
    """`mim` of samples from the data and of samples from the prior, half and half.

    Args:
        symmetric: whether there is a prior half. Without it the expectation is over the data alone.
        discrete: whether x is discrete, so that the prior half needs the score-function term.
        reduction: "mean" is the mean of the halves' means, "sum" the sum over all samples, "none" the terms, data
            first.

    Raises:
        ValueError: an unknown reduction, or ``discrete`` without a prior half, where nothing is drawn from the decoder.

    Notes:
        The released code adds the halves' means, twice this value, and begins the prior half when beta has reached 1.

    >>> half = [torch.tensor([value]) for value in (-3.0, -0.5, -1.0)]
    >>> float(MIMLoss()(*half, prior=PriorHalf(*half)))
    4.0
    """

    def __init__(self, *, symmetric: bool = True, discrete: bool = False, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        if discrete and not symmetric:
            raise ValueError("discrete=True concerns the samples of the prior half, which symmetric=False leaves out")
        self.symmetric = symmetric
        self.discrete = discrete
        self.reduction: Reduction = reduction

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"symmetric={self.symmetric!r}, discrete={self.discrete!r}, reduction={self.reduction!r}"

    def forward(
        self,
        log_px_given_z: Float[Tensor, " n"],
        log_qz: Float[Tensor, " n"],
        log_pz: Float[Tensor, " n"],
        *,
        log_qx: Float[Tensor, " n"] | None = None,
        prior: PriorHalf | None = None,
        beta: float = 1.0,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch.

        Args:
            log_px_given_z: of the data half, as in `mim`.
            log_qz: likewise.
            log_pz: likewise.
            log_qx: likewise.
            prior: the prior half; it may be missing while beta is below 1. Draw z from P(z), x from the decoder (with
                its gradient where x is continuous), and give x to the encoder.
            beta: as in `mim`, for both halves.

        Raises:
            TypeError: as in `mim`.
            ValueError: as in `mim`; a prior half that is missing at beta 1, or that ``symmetric=False`` does not take.
        """
        if prior is not None and not self.symmetric:
            raise ValueError("symmetric=False takes no prior half; drop it, or build MIMLoss(symmetric=True)")
        data = mim(log_px_given_z, log_qz, log_pz, reduction=self.reduction, log_qx=log_qx, beta=beta)
        if prior is None:
            if self.symmetric and beta == 1:
                raise ValueError("the prior half is missing; pass prior, or build MIMLoss(symmetric=False)")
            return data
        drawn = mim(
            prior.log_px_given_z,
            prior.log_qz,
            prior.log_pz,
            reduction=self.reduction,
            log_qx=prior.log_qx,
            beta=beta,
            score_function=self.discrete,
        )
        if self.reduction == "none":
            return torch.cat([data, drawn])
        return (data + drawn) / 2 if self.reduction == "mean" else data + drawn
