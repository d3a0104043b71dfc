"""Every objective as one would write it from its paper: whole matrices, autograd, a few lines.

These are the rivals in the table of times and, in float64, the reference in the table of precision. They are stable:
scores are divided and masked before a log-sum-exp. Each takes views ``(v, n, d)``, the batch and a temperature.
"""

import math
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks.losses.batch import Batch

__all__ = [
    "cacr",
    "clip",
    "dcl",
    "dclw",
    "dhel",
    "groco",
    "info_nce",
    "mv_dhel",
    "mv_info_nce",
    "nt_xent",
    "pvc",
    "queue",
]


def _eye(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.bool)


def _without(logits: Tensor, mask: Tensor) -> Tensor:
    return logits.masked_fill(mask, -torch.inf)


def info_nce(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Van den Oord et al. 2018."""
    query, key = normalize(z, dim=2)
    return cross_entropy(query @ key.T / t, torch.arange(len(query)))


def clip(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Radford et al. 2021."""
    query, key = normalize(z, dim=2)
    logits, own = query @ key.T / t, torch.arange(len(query))
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def queue(z: Tensor, batch: Batch, t: float) -> Tensor:
    """He et al. 2020: the positive key and the queue."""
    query, key = normalize(z, dim=2)
    positive = (query * key.detach()).sum(1, keepdim=True)
    logits = torch.cat([positive, query @ normalize(batch.queue, dim=1).T], dim=1) / t
    return cross_entropy(logits, torch.zeros(len(query), dtype=torch.int64))


def nt_xent(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Chen et al. 2020, the five lines that everybody writes."""
    n, z = z.shape[1], normalize(z.flatten(0, 1), dim=1)
    logits = torch.mm(z, z.T) / t
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    return cross_entropy(logits, torch.arange(len(z)).roll(n))


def _dcl_terms(z: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Positive logits (2n,) and log-sums of negatives (2n,)."""
    n, z = z.shape[1], normalize(z.flatten(0, 1), dim=1)
    logits = z @ z.T / t
    mask = _eye(len(z)) | _eye(len(z)).roll(n, dims=1)
    return logits.diagonal(n).repeat(2), _without(logits, mask).logsumexp(1)


def dcl(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Yeh et al. 2022."""
    positive, negatives = _dcl_terms(z, t)
    return (negatives - positive).mean()


def dclw(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Yeh et al. 2022, weighted by the pair's own similarity at sigma 0.5."""
    positive, negatives = _dcl_terms(z, t)
    pair = positive[: z.shape[1]].detach() * t
    weight = 2 - len(pair) * torch.softmax(pair / 0.5, dim=0)
    return (negatives - weight.repeat(2) * positive).mean()


def dhel(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Koromilas et al. 2024."""
    return mv_dhel(z, batch, t)


def _pair_logits(z: Tensor, t: float) -> Tensor:
    """(pairs, n) logits of the views of one instance."""
    return torch.stack([(z[a] * z[b]).sum(1) for a, b in combinations(range(len(z)), 2)]) / t


def mv_dhel(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Koromilas et al. 2025: each view's own negatives."""
    z = normalize(z, dim=2)
    spread = _without(z @ z.mT / t, _eye(z.shape[1])).logsumexp(2).sum(0)
    return (spread - _pair_logits(z, t).logsumexp(0)).mean()


def mv_info_nce(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Koromilas et al. 2025: all pairs of all views."""
    v, n, _ = z.shape
    z = normalize(z, dim=2)
    flat = z.flatten(0, 1)
    below = _without(flat @ flat.T / t, _eye(v * n)).logsumexp(1).view(v, n).logsumexp(0)
    return (below - math.log(2) - _pair_logits(z, t).logsumexp(0)).mean()


def pvc(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Shidani et al. 2024, geometric: own other views leave the denominator."""
    v, n, _ = z.shape
    z = normalize(z, dim=2)
    flat = z.flatten(0, 1)
    mask = _eye(n).repeat(v, v)
    negatives = _without(flat @ flat.T / t, mask).logsumexp(1).view(v, 1, n)
    positives = torch.einsum("and,bnd->abn", z, z) / t
    terms = torch.logaddexp(negatives, positives) - positives
    return terms[~_eye(v)].mean()


def cacr(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Zheng et al. 2023, small-scale form with squared distances; both inverse temperatures are 1 / t."""
    v, n, _ = z.shape
    z = normalize(z, dim=2)
    far = 2 - 2 * torch.einsum("and,bnd->abn", z, z)[~_eye(v)].view(v, v - 1, n)
    attraction = (torch.softmax(far / t, dim=1) * far).sum(1).mean()
    repulsion = z.new_zeros(())
    for a, b in combinations(range(v), 2):
        cost = 2 - 2 * z[a] @ z[b].T
        for one in (cost, cost.T):
            weights = torch.softmax(_without(-one / t, _eye(n)), dim=1)
            repulsion = repulsion - (weights * one).sum(1).mean()
    return attraction + repulsion / (v * (v - 1))


def groco(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Shvetsova et al. 2023 with 10 negatives, odd-even network, steepness 1 / t."""
    z, hardest = normalize(z, dim=2), 10
    losses = []
    for a in range(len(z)):
        others = [b for b in range(len(z)) if b != a]
        positive = torch.stack([(z[a] * z[b].detach()).sum(1) for b in others], dim=1).sort(dim=1).values
        negative = _without(z[a] @ z[a].detach().T, _eye(z.shape[1])).topk(hardest, dim=1).values.flip(1)
        x = torch.cat([negative, positive], dim=1)
        permutation = torch.eye(x.shape[1], dtype=x.dtype).expand(len(x), -1, -1)
        for layer in range(x.shape[1]):
            left = torch.arange(layer % 2, x.shape[1] - 1, 2)
            x, permutation = _compare(x, permutation, left, 1 / t)
        groups = (permutation[:, :hardest, :hardest], permutation[:, hardest:, hardest:])
        right = torch.cat([group.sum(2) for group in groups], dim=1)
        losses.append(-right.clamp(1e-7, 1).log().mean())
    return torch.stack(losses).mean()


def _compare(x: Tensor, permutation: Tensor, left: Tensor, steepness: float) -> tuple[Tensor, Tensor]:
    """One layer of comparators between ``left`` and its right neighbours."""
    a, b = x[:, left], x[:, left + 1]
    v = steepness * (b - a)
    share, rest = 0.5 + v.atan() / math.pi, 0.5 - v.atan() / math.pi
    low, high = permutation[:, :, left], permutation[:, :, left + 1]
    share_p, rest_p = share[:, None], rest[:, None]
    x = x.index_copy(1, left, share * a + rest * b).index_copy(1, left + 1, rest * a + share * b)
    permutation = permutation.index_copy(2, left, share_p * low + rest_p * high)
    return x, permutation.index_copy(2, left + 1, rest_p * low + share_p * high)
