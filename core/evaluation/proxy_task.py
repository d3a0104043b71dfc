"""How hard the contrastive task is: the share that it gets right, and how many hard negatives are none."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_labels, check_paired
from core.losses.normalisation import unit_rows

__all__ = ["false_negative_share", "proxy_accuracy"]

_BLOCK = 1 << 20  # similarities held at once
_TIE = 1e-12  # rounding of a float64 product


@torch.no_grad()
def proxy_accuracy(query: Float[Tensor, "n d"], key: Float[Tensor, "n d"], negatives: Float[Tensor, "m d"]) -> float:
    """Share of queries that are more similar to their key than to every negative.

    A diagnostic of Kalantidis et al. 2020 (MoCHi), arXiv 2010.01028: it tells how hard the pretext task is, not how
    good the features are. Count real negatives only. Ties count as wrong, so collapsed features score 0.

    Args:
        query: anchors; normalised here.
        key: row i is the positive of row i of ``query``; normalised here.
        negatives: shared by all queries, a queue for instance; normalised here.

    Returns:
        In [0, 1].

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, or no rows.

    >>> eye = torch.eye(3)
    >>> proxy_accuracy(eye[:2], eye[:2], eye[1:])  # the second query's own key is among the negatives
    0.5
    """
    check_paired(query, key)
    _check_bank("negatives", query, negatives)
    anchors, bank = unit_rows(query.double()), unit_rows(negatives.double())
    positive = (anchors * unit_rows(key.double())).sum(dim=1)
    right = 0
    step = max(1, _BLOCK // len(bank))
    for start in range(0, len(anchors), step):
        part = slice(start, start + step)
        right += int((positive[part] - (anchors[part] @ bank.T).amax(dim=1) > _TIE).sum())
    return right / len(query)


@torch.no_grad()
def false_negative_share(
    query: Float[Tensor, "n d"],
    negatives: Float[Tensor, "m d"],
    labels: Int64[Tensor, " n"],
    negative_labels: Int64[Tensor, " m"],
    *,
    n_hard: int,
    valid: Bool[Tensor, "n m"] | None = None,
) -> float:
    """Share of the ``n_hard`` most similar negatives of each query that have its label.

    A diagnostic of Kalantidis et al. 2020 (MoCHi), arXiv 2010.01028; labels serve it alone.

    Args:
        query: anchors; normalised here.
        negatives: shared by all queries; normalised here.
        labels: class of each query.
        negative_labels: class of each negative.
        n_hard: how many are looked at, >= 1; more than there are counts as all of them.
        valid: negatives of each query; needed where ``negatives`` holds the query or its positive.

    Returns:
        The share over all queries together, in [0, 1].

    Raises:
        TypeError: integer embeddings, labels that are not int64, ``valid`` not boolean.
        ValueError: shapes, ``n_hard`` below 1, or no negative at all.

    >>> eye = torch.eye(2)
    >>> false_negative_share(eye, eye, torch.tensor([0, 1]), torch.tensor([0, 0]), n_hard=1)
    0.5
    """
    check_embeddings("query", query)
    _check_bank("negatives", query, negatives)
    check_labels(labels, len(query))
    check_labels(negative_labels, len(negatives), name="negative_labels")
    check_at_least("n_hard", n_hard, 1)
    if valid is not None and valid.dtype != torch.bool:
        raise TypeError(f"valid must be boolean, got {valid.dtype}")
    if valid is not None and valid.shape != (len(query), len(negatives)):
        raise ValueError(f"valid must have shape ({len(query)}, {len(negatives)}), got {tuple(valid.shape)}")
    anchors, bank = unit_rows(query.detach()), unit_rows(negatives.detach()).to(unit_rows(query[:1].detach()))
    same = counted = 0
    step = max(1, _BLOCK // len(bank))
    for start in range(0, len(anchors), step):
        part = slice(start, start + step)
        with torch.autocast(anchors.device.type, enabled=False):
            similarity = anchors[part] @ bank.T
        if valid is not None:
            similarity.masked_fill_(~valid[part], -torch.inf)
        hardest = similarity.topk(min(n_hard, len(bank)), dim=1, sorted=False)
        real = hardest.values > -torch.inf
        same += int((real & (negative_labels[hardest.indices] == labels[part, None])).sum())
        counted += int(real.sum())
    check_at_least("the number of negatives", counted, 1)
    return same / counted


def _check_bank(name: str, query: Tensor, bank: Tensor) -> None:
    check_embeddings(name, bank)
    if bank.shape[1] != query.shape[1]:
        raise ValueError(f"query and {name} must have the same width, got {query.shape[1]} and {bank.shape[1]}")
    check_at_least("the number of queries", len(query), 1)
    check_at_least(f"the rows of {name}", len(bank), 1)
