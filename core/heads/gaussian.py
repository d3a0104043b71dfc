"""The head of a probabilistic encoder: a Gaussian over codes, a sample of it, and its log-density."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.caller import warn_caller
from core.checks import check_at_least, check_embeddings
from core.losses.normalisation import full_precision

__all__ = ["GaussianCode", "GaussianHead", "gaussian_log_prob"]


class GaussianCode(NamedTuple):
    """A code, the Gaussian it comes from, and the log-density of the code under it, summed over its width."""

    z: Tensor
    mean: Tensor
    logvar: Tensor
    log_q: Tensor


def gaussian_log_prob(
    z: Float[Tensor, "n d"], mean: Float[Tensor, "n d"] | None = None, logvar: Float[Tensor, "n d"] | None = None
) -> Float[Tensor, " n"]:
    """Log-density of each code under a Gaussian with diagonal covariance, summed over its width.

    ``-1/2 sum_d [ log(2 pi) + logvar_d + (z_d - mean_d)^2 / e^{logvar_d} ]``. Without mean and logvar it is log P(z) of
    the standard normal prior.

    Args:
        z: codes.
        mean: means; ``None`` for 0.
        logvar: logarithms of the variances; ``None`` for 0.

    Returns:
        ``(n,)`` in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes that differ.

    >>> float(gaussian_log_prob(torch.zeros(1, 1)))  # -log(2 pi) / 2
    -0.9189385175704956
    """
    check_embeddings("z", z)
    for name, other in (("mean", mean), ("logvar", logvar)):
        if other is not None and other.shape != z.shape:
            raise ValueError(f"{name} must have the shape of z, {tuple(z.shape)}, got {tuple(other.shape)}")
    far = full_precision(z) if mean is None else full_precision(z) - full_precision(mean)
    if logvar is None:
        return -0.5 * (far.square() + math.log(2 * math.pi)).sum(dim=1)
    spread = full_precision(logvar)
    return -0.5 * (far.square() * torch.exp(-spread) + spread + math.log(2 * math.pi)).sum(dim=1)


class GaussianHead(nn.Module):
    """Two linear maps to mean and log-variance of q(z | x), and ``z = mean + e^{logvar / 2} noise``.

    For the losses of the mutual information machine, `core.losses.CMIMLoss` and its kin. These reward a small variance,
    the opposite of a variational auto-encoder, so the log-variance is clamped from below; at the bound it gets no
    gradient. Numbers leave in float32 or better, also under autocast.

    Args:
        in_dim: width of the encoder's output.
        latent: width of a code.
        min_logvar: least log-variance, natural logarithm; -6 as in NVIDIA's NeMo, -10 in SentenceMIM. ``None`` leaves
            it free, and then the loss has no lower bound: a warning says so.

    Shape:
        ``(n, in_dim)`` to z, mean and logvar ``(n, latent)`` and log_q ``(n,)``.

    Raises:
        ValueError: a width below 1, a bound that is not finite.

    >>> head = GaussianHead(8, 2)
    >>> head(torch.zeros(5, 8), generator=torch.Generator().manual_seed(0)).z.shape
    torch.Size([5, 2])
    """

    def __init__(self, in_dim: int, latent: int, *, min_logvar: float | None = -6.0) -> None:
        super().__init__()
        check_at_least("in_dim", in_dim, 1)
        check_at_least("latent", latent, 1)
        if min_logvar is None:
            warn_caller(
                "min_logvar=None leaves the variance free, and MIM losses reward a vanishing one without bound; pass "
                "-6, or bound it yourself"
            )
        elif not math.isfinite(min_logvar):
            raise ValueError(f"min_logvar must be finite or None, got {min_logvar!r}; -6 and -10 are usual")
        self.min_logvar = min_logvar
        self.mean = nn.Linear(in_dim, latent)
        self.logvar = nn.Linear(in_dim, latent)

    def extra_repr(self) -> str:
        """The bound."""
        return f"min_logvar={self.min_logvar!r}"

    def moments(self, x: Float[Tensor, "n e"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Mean and log-variance, for the density of a given code: ``gaussian_log_prob(z, *head.moments(x))``."""
        logvar = full_precision(self.logvar(x))
        if self.min_logvar is not None:
            logvar = logvar.clamp(min=self.min_logvar)
        return full_precision(self.mean(x)), logvar

    def forward(
        self, x: Float[Tensor, "n e"], *, sample: bool = True, generator: torch.Generator | None = None
    ) -> GaussianCode:
        """A code for each row.

        Args:
            x: encoder output.
            sample: draw the code; otherwise it is the mean, the feature for downstream use.
            generator: draws the noise; ``None`` takes torch's default one.
        """
        mean, logvar = self.moments(x)
        noise = torch.zeros_like(mean)
        if sample:
            where = mean.device if generator is None else generator.device
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=where).to(mean.device)
        z = mean + torch.exp(logvar / 2) * noise
        # From the noise itself: (z - mean) / scale would round it, and its gradient is 0 in exact numbers.
        log_q = -0.5 * (noise.square() + logvar + math.log(2 * math.pi)).sum(dim=1)
        return GaussianCode(z, mean, logvar, log_q)
