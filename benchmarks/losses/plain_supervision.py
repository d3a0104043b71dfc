"""Plain forms of the losses that see labels, ordered targets or groups; as `benchmarks.losses.plain`."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks.losses.batch import CLASSES, Batch

__all__ = ["class_pair", "domain", "focal", "label_contrast", "rank_n_contrast", "ranking_nce", "sup_con", "supremix"]


def _own(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.bool)


def _log_shares(z: Tensor, t: float) -> Tensor:
    """Log-softmax of every row over the other rows, (m, m), with -inf on the diagonal."""
    z = normalize(z.flatten(0, 1), dim=1)
    return torch.log_softmax((z @ z.T / t).masked_fill(_own(len(z)), -torch.inf), dim=1)


def _same_label(z: Tensor, batch: Batch) -> Tensor:
    labels = batch.labels.repeat(len(z))
    return (labels[:, None] == labels) & ~_own(len(labels))


def sup_con(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Khosla et al. 2020, mean outside of the logarithm."""
    same = _same_label(z, batch)
    logs = _log_shares(z, t).masked_fill(~same, 0)
    return -(logs.sum(1) / same.sum(1).clamp(min=1))[same.any(1)].mean()


def focal(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Zhang et al. 2021 (Core-tuning), gamma 1."""
    same = _same_label(z, batch)
    logs = _log_shares(z, t).masked_fill(~same, 0)
    return -((1 - logs.exp()) * logs).sum(1)[same.any(1)].div(same.sum(1)[same.any(1)]).mean()


def supremix(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Wu et al. 2023 without mixtures: SupCon over equal targets, candidates weighed by |dy| + 1."""
    y = batch.targets.repeat(len(z))
    z = normalize(z.flatten(0, 1), dim=1)
    far = (y[:, None] - y).abs().to(z.dtype)
    logits = z @ z.T / t
    total = (logits + far.log1p()).masked_fill(_own(len(z)), -torch.inf).logsumexp(1, keepdim=True)
    same = (far == 0) & ~_own(len(z))
    return ((total - logits).masked_fill(~same, 0).sum(1) / same.sum(1)).mean()


def rank_n_contrast(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Zha et al. 2023: all denominators of an anchor from the (m, m) masks of S_ij, one anchor at a time."""
    y = batch.targets.repeat(len(z))
    z = z.flatten(0, 1)
    scores = -torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist") / t
    losses = []
    for i in range(len(z)):
        others = torch.arange(len(z)) != i
        far = (y[others] - y[i]).abs()
        rivals = far[:, None] <= far  # (j, k): k is in S_ij
        logits = scores[i, others]
        losses.append((logits.expand_as(rivals).masked_fill(~rivals, -torch.inf).logsumexp(1) - logits).mean())
    return torch.stack(losses).mean()


def class_pair(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Wu et al. 2024 (Hydra), cosine variant with its (n, n, d) tensor; partners and gates from the batch."""
    z = z[0]
    partner, gate = batch.labels.roll(1), batch.gate.to(z.dtype)
    gated = normalize(gate[:, None] * z, dim=2)
    logits = (gated.diagonal().T[:, None] * gated).sum(2) / t
    positive = (partner[:, None] == batch.labels) & ~_own(len(z))
    negative = (partner[:, None] != batch.labels) & (batch.labels[:, None] != batch.labels)
    total = logits.masked_fill(~negative, -torch.inf).logsumexp(1, keepdim=True)
    return (torch.logaddexp(total, logits) - logits)[positive].mean()


def label_contrast(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Cross-entropy of inputs over the embeddings of all labels."""
    table = normalize(z[1, :CLASSES], dim=1)
    return cross_entropy(normalize(z[0], dim=1) @ table.T / t, batch.labels)


def ranking_nce(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Ma and Collins 2018: the first score of a row is the true one's."""
    return cross_entropy(z[0] / t, torch.zeros(z.shape[1], dtype=torch.int64))


def domain(z: Tensor, batch: Batch, t: float) -> Tensor:
    """Chaitanya et al. 2020, G^D-: two views, negatives of other partitions only, summed over pairs per image."""
    n = z.shape[1]
    part = batch.labels.repeat(2)
    z = normalize(z.flatten(0, 1), dim=1)
    logits = z @ z.T / t
    total = logits.masked_fill(part[:, None] == part, -torch.inf).logsumexp(1)
    positive = logits.diagonal(n).repeat(2)
    return (torch.logaddexp(total, positive) - positive).mean()
