"""GroCo: sort an anchor's positives and hardest negatives, and ask that the positives take the highest ranks."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_embeddings, check_positive
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows
from core.losses.sorting_networks import Distribution, Network, top_group_probability
from core.losses.stacked_views import instance_products, prepared_views

__all__ = ["GroCoLoss", "NegativeSource", "groco", "group_ordering"]

NegativeSource = Literal["same_view", "all_views"]

_BLOCK_ENTRIES = 2**20  # similarities held at once while the hardest negatives are looked for


def group_ordering(
    positives: Float[Tensor, "b p"],
    negatives: Float[Tensor, "b m"],
    *,
    steepness: float = 1.0,
    network: Network = "odd_even",
    distribution: Distribution = "cauchy",
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """Cross-entropy of each score's group after a relaxed sort; the order inside a group does not matter.

    Shvetsova et al. 2023, arXiv 2301.02009. Both groups are sorted and laid side by side, negatives first, so that a
    right state enters the network in order; P_r is the probability to end at rank r::

        L = -1/(p + m) [ sum_positives log P_{r >= m} + sum_negatives log P_{r < m} ]

    The released code averages the cross-entropies of P_{r >= m} and of P_{r < m}, which are the same number, clips at 0
    and 1 and stops logarithms at -100. We take the probability of the right group itself, which keeps its digits, and
    stop it at the smallest normal number (a logarithm of -87 in float32).

    Args:
        positives: scores of the positives, p >= 1.
        negatives: scores of the negatives, m >= 1.
        steepness: > 0; 1 in the paper's runs.
        network: "odd_even" (the paper's) or "bitonic".
        distribution: "cauchy" (the paper's) or "logistic".
        reduction: "mean" or "sum" over anchors, or "none".

    Shape:
        Output is a scalar, or ``(b,)`` with ``reduction="none"``.

    Returns:
        The loss, > 0, in float32 or better. At steepness 1 its range is narrow: 0.147 to 0.264 for 1 positive and 10
        negatives on the unit sphere.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes or settings.

    Relations:
        For one positive and one negative -log F(steepness (s+ - s-)), F the distribution function.

    >>> round(float(group_ordering(torch.tensor([[1.0]]), torch.tensor([[0.0]]))), 4)  # -log 3/4
    0.2877
    """
    check_reduction(reduction)
    check_embeddings("positives", positives)
    check_embeddings("negatives", negatives)
    if len(positives) != len(negatives):
        raise ValueError(
            f"positives and negatives must have one row for each anchor, got {len(positives)} and {len(negatives)}"
        )
    count = negatives.shape[1]
    ordered = torch.cat([negatives.sort(dim=1).values, positives.sort(dim=1).values], dim=1)
    above, below = top_group_probability(
        ordered, positives.shape[1], network=network, distribution=distribution, steepness=steepness
    )
    right = torch.cat([below[:, :count], above[:, count:]], dim=1)
    return reduce(-right.clamp(torch.finfo(right.dtype).tiny, 1).log().mean(dim=1), reduction)


def groco(
    views: Float[Tensor, "v n d"],
    *,
    num_negatives: int = 10,
    steepness: float = 1.0,
    reduction: Reduction = "mean",
    network: Network = "odd_even",
    distribution: Distribution = "cauchy",
    stop_gradient: bool = True,
    negatives: NegativeSource = "same_view",
    n_positive_views: int | None = None,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Group ordering constraints: each view of each instance is an anchor, scored by `group_ordering`.

    Shvetsova et al. 2023, arXiv 2301.02009. Positives are the other views of the instance, negatives the
    ``num_negatives`` most similar other instances. As in the released code negatives come from the anchor's own view
    and both groups are detached, so that only the anchor gets a gradient; both are settings here.

    Args:
        views: v >= 2 views of n > num_negatives instances; normalised here.
        num_negatives: m >= 1; the paper takes 10.
        steepness: > 0; 1 in the paper's runs. The loss moves little at 1, so its learning rate is large.
        reduction: "mean" or "sum" over the v n anchors, or "none".
        network: "odd_even" or "bitonic".
        distribution: "cauchy" or "logistic".
        stop_gradient: detach positives and negatives.
        negatives: where they come from, "same_view" or "all_views".
        n_positive_views: only the first so many views are positives (multi-crop: the 2 full crops), 2 to v; None is v.
            Every view is an anchor.
        rows: instances to score, in every view; the others are candidates only (`core.distributed.GatheredLoss`).

    Shape:
        Output is a scalar, or ``(v n,)`` with ``reduction="none"``, view by view.

    Returns:
        The loss, > 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, settings, fewer than 2 views, or too few instances for the negatives.

    Relations:
        -log F(steepness (s+ - s-)) with two views and one negative.

    >>> round(float(groco(torch.eye(2).repeat(2, 1, 1), num_negatives=1)), 4)  # s+ = 1, s- = 0
    0.2877
    """
    check_reduction(reduction)
    _check_settings(num_negatives, negatives)
    unit = prepared_views(views)
    count, instances, width = unit.shape
    positive_views = count if n_positive_views is None else n_positive_views
    if not 2 <= positive_views <= count:
        raise ValueError(f"n_positive_views must be from 2 to the {count} views, got {positive_views}")
    available = (instances - 1) * (1 if negatives == "same_view" else count)
    if available < num_negatives:
        raise ValueError(
            f"{instances} instances leave {available} negatives to an anchor, but num_negatives={num_negatives}; "
            "take a larger batch, fewer negatives, and drop the last batch"
        )
    anchors = anchor_rows(rows, instances)
    mine = slice(anchors.start, anchors.stop)
    products = _anchor_products(unit[:, mine], stop_gradient)  # (a, v, v)
    candidates = unit.detach() if stop_gradient else unit
    terms = []
    for view in range(count):
        others = [p for p in range(positive_views) if p != view]
        pool = candidates[view] if negatives == "same_view" else candidates.reshape(count * instances, width)
        hardest = _hardest(unit[view][mine].detach(), pool.detach(), anchors, instances, num_negatives)
        scores = (unit[view][mine][:, None] * pool[hardest]).sum(dim=2)  # (a, m)
        terms.append(
            group_ordering(
                products[:, view, others],
                scores,
                steepness=steepness,
                network=network,
                distribution=distribution,
                reduction="none",
            )
        )
    return reduce(torch.cat(terms), reduction)


def _check_settings(num_negatives: int, negatives: str) -> None:
    check_at_least("num_negatives", num_negatives, 1, "without negatives there is nothing to order")
    check_choice("negatives", negatives, get_args(NegativeSource))


def _anchor_products(unit: Tensor, stop_gradient: bool) -> Tensor:
    """Products of the views of each instance, row by anchor; with gradient through the anchor only, if asked."""
    if not stop_gradient:
        return instance_products(unit)
    by_instance = unit.transpose(0, 1)
    with torch.autocast(unit.device.type, enabled=False):
        return by_instance @ by_instance.detach().mT


@torch.no_grad()
def _hardest(query: Tensor, pool: Tensor, anchors: range, instances: int, count: int) -> Int64[Tensor, "a m"]:
    """Rows of the pool that are most similar to each anchor, its own instance left out; block by block."""
    found = []
    block = max(1, _BLOCK_ENTRIES // len(pool))
    instance = torch.arange(len(pool), device=pool.device) % instances
    with torch.autocast(query.device.type, enabled=False):
        for first in range(0, len(query), block):
            part = query[first : first + block]
            own = torch.arange(len(part), device=pool.device) + anchors.start + first
            similarity = (part @ pool.T).masked_fill_(own[:, None] == instance, -torch.inf)
            found.append(similarity.topk(count, dim=1).indices)
    return torch.cat(found)


class GroCoLoss(nn.Module):
    """`groco` with its settings."""

    def __init__(
        self,
        *,
        num_negatives: int = 10,
        steepness: float = 1.0,
        reduction: Reduction = "mean",
        network: Network = "odd_even",
        distribution: Distribution = "cauchy",
        stop_gradient: bool = True,
        negatives: NegativeSource = "same_view",
        n_positive_views: int | None = None,
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        _check_settings(num_negatives, negatives)
        check_choice("network", network, get_args(Network))
        check_choice("distribution", distribution, get_args(Distribution))
        check_positive("steepness", steepness, usual="1 to 10")
        self.num_negatives = num_negatives
        self.steepness = steepness
        self.reduction: Reduction = reduction
        self.network: Network = network
        self.distribution: Distribution = distribution
        self.stop_gradient = stop_gradient
        self.negatives: NegativeSource = negatives
        self.n_positive_views = n_positive_views

    def forward(self, views: Float[Tensor, "v n d"], *, rows: slice | None = None) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `groco`."""
        return groco(
            views,
            num_negatives=self.num_negatives,
            steepness=self.steepness,
            reduction=self.reduction,
            network=self.network,
            distribution=self.distribution,
            stop_gradient=self.stop_gradient,
            negatives=self.negatives,
            n_positive_views=self.n_positive_views,
            rows=rows,
        )
