"""Plain forms of losses that change the negatives, remember them, or do without; as `benchmarks.losses.plain`."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, normalize

from benchmarks.losses import plain
from benchmarks.losses.batch import Batch

__all__ = [
    "RHO",
    "TAU_PLUS",
    "barlow_twins",
    "bimodal_isogclr",
    "bimodal_sogclr",
    "debiased",
    "hardness",
    "isogclr",
    "latent_contrast",
    "local_region",
    "pix_contrast",
    "pix_pro",
    "pixel_maps",
    "region_rows",
    "sim_cse",
    "sogclr",
    "spectral",
    "swav",
    "vicreg",
]

TAU_PLUS, RHO = 0.1, 0.4
PIXELS, REGIONS = 16, 9
"""Pixels of a small feature map (4 x 4), and regions of an image; the batch is cut into images of so many rows."""


def _logits(z: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Logits of 2n views with -inf for self and partner, and positives."""
    n, z = z.shape[1], normalize(z.flatten(0, 1), dim=1)
    logits = z @ z.T / t
    own = torch.eye(2 * n, dtype=torch.bool)
    return logits.masked_fill(own | own.roll(n, dims=1), -torch.inf), logits.diagonal(n).repeat(2)


def _debiased(log_sum: Tensor, positive: Tensor, count: int, t: float) -> Tensor:
    """Log of the corrected sum: by subtraction of exponentials that share a shift."""
    shift = torch.maximum(log_sum, positive).detach()
    least = (math.log(count) - 1 / t - shift).exp()
    rest = ((log_sum - shift).exp() - TAU_PLUS * count * (positive - shift).exp()) / (1 - TAU_PLUS)
    # Where the shift is far above the floor, exp(floor - shift) is 0 and its logarithm is put in by hand.
    held = rest <= least
    log_rest = torch.where(held, 1.0, rest).log() + shift
    return torch.where(held, torch.full_like(shift, math.log(count) - 1 / t), log_rest)


def debiased(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Chuang et al. 2020."""
    logits, positive = _logits(z, t)
    negatives = _debiased(logits.logsumexp(1), positive, len(logits) - 2, t)
    return (torch.logaddexp(negatives, positive) - positive).mean()


def hardness(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Robinson et al. 2021, beta 1: importance weights e^s over their mean."""
    logits, positive = _logits(z, t)
    count = len(logits) - 2
    weights = torch.softmax(logits, dim=1)
    log_sum = (logits + weights.clamp(min=torch.finfo(z.dtype).tiny).log()).logsumexp(1) + math.log(count)
    return (torch.logaddexp(_debiased(log_sum, positive, count, t), positive) - positive).mean()


def sogclr(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Yuan et al. 2022 at the first visit of every sample, where the moving average is the batch's own mean."""
    return t * (plain.dcl(z, batch, t) - math.log(2 * z.shape[1] - 2))


def isogclr(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Qiu et al. 2023 at the first visit, before any temperature has moved."""
    return sogclr(z, batch, t) + t * RHO


def bimodal_sogclr(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Between two modalities: the other side's rows of other samples."""
    query, key = normalize(z, dim=2)
    logits, n = query @ key.T / t, len(query)
    others = logits.masked_fill(torch.eye(n, dtype=torch.bool), -torch.inf)
    both = others.logsumexp(1) + others.logsumexp(0) - 2 * logits.diagonal()
    return t * (both / 2 - math.log(n - 1)).mean()


def bimodal_isogclr(z: Tensor, batch: Batch, t: float) -> Tensor:
    """The same with a temperature for each sample of each side."""
    return bimodal_sogclr(z, batch, t) + t * RHO


def sim_cse(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Gao et al. 2021, supervised: the third view is the hard negative."""
    query, key, hard = normalize(z, dim=2)
    return cross_entropy(query @ torch.cat([key, hard]).T / t, torch.arange(len(query)))


def latent_contrast(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Livne 2025 (cMIM), the contrastive term."""
    code = normalize(z[0], dim=1)
    n = len(code)
    others = (code @ code.T / t).masked_fill(torch.eye(n, dtype=torch.bool), -torch.inf).logsumexp(1) - math.log(n - 1)
    return torch.nn.functional.softplus(others - 1 / t, threshold=torch.inf).mean()


def swav(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Caron et al. 2020 on scores that are the unit rows themselves; epsilon 0.05, 3 iterations, divided not logged."""
    scores = normalize(z, dim=2)
    with torch.no_grad():
        codes = []
        for one in scores:
            q = (one / 0.05).exp().T
            for _ in range(3):
                q = q / q.sum(1, keepdim=True)
                q = q / q.sum(0, keepdim=True)
            codes.append(q.T)
    logs = torch.log_softmax(scores / t, dim=2)
    return -((codes[0] * logs[1]).sum(1) + (codes[1] * logs[0]).sum(1)).mean() / 2


def spectral(z: Tensor, batch: Batch, t: float) -> Tensor:
    """HaoChen et al. 2021 on the rows as they are."""
    query, key = z
    products, n = query @ key.T, len(query)
    squares = products.square()
    return -2 * products.diagonal().mean() + (squares.sum() - squares.diagonal().sum()) / (n * (n - 1))


def barlow_twins(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Zbontar et al. 2021."""
    first, second = ((x - x.mean(0)) / x.std(0, correction=0) for x in z)
    correlation = first.T @ second / len(first)
    off = correlation.square().sum() - correlation.diagonal().square().sum()
    return (1 - correlation.diagonal()).square().sum() + 5e-3 * off


def vicreg(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Bardes et al. 2022."""
    query, key = z
    value = 25 * mse_loss(query, key)
    for x in z:
        covariance = torch.cov(x.T)
        off = covariance.square().sum() - covariance.diagonal().square().sum()
        value = value + 12.5 * torch.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean() + off / x.shape[1]
    return value


def pixel_maps(z: Tensor) -> Tensor:
    """Two batches of rows as maps of 4 x 4 pixels: (2, images, d, 4, 4)."""
    rows = z[:, : z.shape[1] // PIXELS * PIXELS]
    return rows.reshape(2, -1, PIXELS, z.shape[2]).mT.reshape(2, -1, z.shape[2], 4, 4)


def pix_contrast(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Xie et al. 2021 between two crops that show the same: each pixel has one positive."""
    query, key = normalize(pixel_maps(z).flatten(3).mT, dim=3)  # (images, pixels, d)
    logits = query @ key.mT / t
    return cross_entropy(logits.flatten(0, 1), torch.arange(PIXELS).repeat(len(query)))


def pix_pro(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Xie et al. 2021, the consistency term, factor 2, one direction."""
    prediction, target = normalize(pixel_maps(z).flatten(3).mT, dim=3)
    return -2 * (prediction * target.detach()).sum(2).mean()


def region_rows(z: Tensor) -> Tensor:
    """Two batches of rows as regions of images: (2, images, regions, d)."""
    rows = z[:, : z.shape[1] // REGIONS * REGIONS]
    return rows.reshape(2, -1, REGIONS, z.shape[2])


def local_region(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Chaitanya et al. 2020, local loss, with all 8 other regions of the 3 x 3 grid as near ones."""
    first, second = normalize(region_rows(z), dim=3)
    own = torch.eye(REGIONS, dtype=torch.bool)
    losses = []
    for a, b in ((first, second), (second, first)):
        positive = (a * b).sum(2) / t
        rivals = torch.cat([(a @ other.mT / t).masked_fill(own, -torch.inf) for other in (a, b)], dim=2).logsumexp(2)
        losses.append((torch.logaddexp(rivals, positive) - positive).mean())
    return torch.stack(losses).mean()
