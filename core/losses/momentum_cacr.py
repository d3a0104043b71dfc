"""CACR with a momentum encoder: its keys and its queue carry no gradient, and neither do the weights."""

from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_choice, check_embeddings, check_temperature
from core.losses.cacr import Cost, check_inverse_temperatures
from core.losses.normalisation import unit_rows
from core.losses.pair_terms import one_way_terms, softplus
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows
from core.losses.stacked_views import prepared_views
from core.similarity.expectation import similarity_expectation

__all__ = ["CropCACRLoss", "MomentumCACRLoss", "crop_cacr", "momentum_cacr"]


def momentum_cacr(
    queries: Float[Tensor, "v n d"],
    keys: Float[Tensor, "v n d"],
    *,
    queue: Float[Tensor, "m d"],
    t_pos: float = 1.0,
    t_neg: float = 2.0,
    reduction: Reduction = "mean",
    alpha: float = 1.0,
    beta: float = 1.0,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """CACR in MoCo's setting: momentum keys of the other views attract, a queue repels.

    Zheng et al. 2023, arXiv 2105.03746, the form of its large-scale study; c(a, b) = |a - b|^2 on the unit sphere::

        attraction = mean over l of    sum_{m != l} W+ c(q_il, k_im)     W+ = softmax_m(+t_pos c)
        repulsion  = mean over l of   -sum_j        W- c(q_il, queue_j)  W- = softmax_j(-t_neg c)
        L_i        = alpha attraction + beta repulsion

    Keys and queue are detached, and so are both weights. The released code adds a repulsion by the keys of the batch,
    through whose weights gradient flows; put those keys at the end of the queue for their pull without that gradient.

    Args:
        queries: v >= 2 views of n >= 2 instances; normalised here.
        keys: the momentum encoder's views, in the same order; normalised here.
        queue: keys of other instances, m >= 1; normalised here.
        t_pos: inverse temperature of the positives, >= 0.
        t_neg: inverse temperature of the negatives, > 0.
        reduction: "mean" or "sum" over instances, or "none".
        alpha: factor of the attraction.
        beta: factor of the repulsion.
        rows: instances to score.

    Returns:
        The loss, in float32 or better; a scalar, or ``(n,)`` with ``reduction="none"``.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes or settings.

    >>> views = torch.eye(2).repeat(2, 1, 1)
    >>> float(momentum_cacr(views, views, queue=-torch.ones(1, 2)).round(decimals=4))  # -(2 + sqrt 2)
    -3.4142000675201416
    """
    check_reduction(reduction)
    check_inverse_temperatures(t_pos=t_pos, t_neg=t_neg, zero=("t_pos",))
    query, key = prepared_views(queries), prepared_views(keys).detach()
    check_embeddings("queue", queue)
    if query.shape != key.shape or queue.shape[1] != query.shape[2] or len(queue) == 0:
        raise ValueError(
            f"queries and keys must have the same shape and queue be (m, {query.shape[2]}) with m >= 1, got "
            f"{tuple(queries.shape)}, {tuple(keys.shape)} and {tuple(queue.shape)}"
        )
    views, instances, width = query.shape
    anchors = anchor_rows(rows, instances)
    mine = slice(anchors.start, anchors.stop)
    query, key = query[:, mine], key[:, mine]
    with torch.autocast(query.device.type, enabled=False):
        costs = 2 - 2 * query.transpose(0, 1) @ key.transpose(0, 1).mT  # (a, v, v)
    others = ~torch.eye(views, dtype=torch.bool, device=query.device)
    costs = costs[:, others].reshape(len(anchors), views, views - 1)
    weights = torch.softmax(t_pos * costs.detach(), dim=2)
    similarity, _ = similarity_expectation(
        query.reshape(-1, width), unit_rows(queue).detach(), temperature=1 / (2 * t_neg), detach_weights=True
    )
    repulsion = (2 * similarity - 2).reshape(views, -1).mean(dim=0)
    return reduce(alpha * (weights * costs).sum(dim=2).mean(dim=1) + beta * repulsion, reduction)


def crop_cacr(
    queries: Float[Tensor, "v n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
    cost: Cost = "rbf",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """CACR in MoCo v3's setting: several crops as queries of one momentum key, the other keys of the batch repel.

    Zheng et al. 2023, arXiv 2105.03746, the form of its ImageNet code; p_v = softmax_v(|q_v - k|^2 / T), detached::

        rbf:        L_i = sum_v p_vi 2T CE(q_vi.k_j / T over all j, own key i)
        euclidean:  L_i = sum_v p_vi [ (1 - q_vi.k_i) - sum_{j != i} w_j (1 - q_vi.k_j) ]
                    w_j = softmax_{j != i}(q_vi.k_j / T)

    Keys and weights w carry no gradient. The released Euclidean branch sums over the batch where the other takes the
    mean; we take the mean in both. The released loss is the mean of this one over the global crops as keys.

    Args:
        queries: v >= 2 crops of n >= 2 instances; normalised here.
        key: the momentum encoder's rows; normalised here.
        temperature: T > 0; 1.0 for ResNet-50, 0.2 for ViT.
        reduction: "mean" or "sum" over instances, or "none".
        cost: "rbf", whose cross-entropy keeps the positive in its denominator, or "euclidean".
        rows: instances to score; the others are candidates only.

    Returns:
        The loss, in float32 or better; a scalar, or ``(n,)`` with ``reduction="none"``.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes or settings.

    >>> round(float(crop_cacr(torch.eye(2).repeat(2, 1, 1), torch.eye(2))), 4)  # 2 log(1 + 1/e)
    0.6265
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_choice("cost", cost, get_args(Cost))
    query = prepared_views(queries)
    check_embeddings("key", key)
    if key.shape != query.shape[1:]:
        raise ValueError(
            f"key must have shape {tuple(query.shape[1:])}, one row for each instance, got {tuple(key.shape)}"
        )
    target = unit_rows(key).detach()
    anchors = anchor_rows(rows, len(target))
    mine = slice(anchors.start, anchors.stop)
    own = torch.arange(anchors.start, anchors.stop, device=target.device)
    positive = (query[:, mine] * target[mine]).sum(dim=2)  # (v, a)
    weights = torch.softmax((2 - 2 * positive.detach()) / temperature, dim=0)
    parts = []
    for crop, similarity in zip(query, positive, strict=True):
        if cost == "rbf":
            logits = one_way_terms(crop, target, temperature=temperature, normalize=False, rows=mine)
            parts.append(2 * temperature * softplus(logits.negatives - logits.positive))
        else:
            negative, _ = similarity_expectation(
                crop[mine], target, temperature=temperature, exclude=own, detach_weights=True
            )
            parts.append(negative - similarity)
    return reduce((weights * torch.stack(parts)).sum(dim=0), reduction)


class MomentumCACRLoss(nn.Module):
    """`momentum_cacr` with its settings."""

    def __init__(
        self,
        *,
        t_pos: float = 1.0,
        t_neg: float = 2.0,
        reduction: Reduction = "mean",
        alpha: float = 1.0,
        beta: float = 1.0,
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        check_inverse_temperatures(t_pos=t_pos, t_neg=t_neg, zero=("t_pos",))
        self.t_pos = t_pos
        self.t_neg = t_neg
        self.reduction: Reduction = reduction
        self.alpha = alpha
        self.beta = beta

    def forward(
        self,
        queries: Float[Tensor, "v n d"],
        keys: Float[Tensor, "v n d"],
        *,
        queue: Float[Tensor, "m d"],
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `momentum_cacr`."""
        return momentum_cacr(
            queries,
            keys,
            queue=queue,
            t_pos=self.t_pos,
            t_neg=self.t_neg,
            reduction=self.reduction,
            alpha=self.alpha,
            beta=self.beta,
            rows=rows,
        )


class CropCACRLoss(nn.Module):
    """`crop_cacr` with its settings."""

    def __init__(self, *, temperature: float = 1.0, reduction: Reduction = "mean", cost: Cost = "rbf") -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        check_choice("cost", cost, get_args(Cost))
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.cost: Cost = cost

    def forward(
        self, queries: Float[Tensor, "v n d"], key: Float[Tensor, "n d"], *, rows: slice | None = None
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `crop_cacr`."""
        return crop_cacr(
            queries, key, temperature=self.temperature, reduction=self.reduction, cost=self.cost, rows=rows
        )
