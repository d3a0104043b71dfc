"""CACR: positives compete only with each other for attraction, negatives only with each other for repulsion."""

import math
from collections.abc import Collection
from functools import partial
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_choice, check_rate
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows
from core.losses.stacked_views import instance_products, prepared_views
from core.similarity import similarity_logsumexp
from core.similarity.expectation import cross_expectation, similarity_expectation

__all__ = ["CACRLoss", "CACRTerms", "Cost", "cacr", "cacr_terms", "check_inverse_temperatures", "weighted_cost"]

Cost = Literal["euclidean", "rbf"]


class CACRTerms(NamedTuple):
    """The two parts of the loss, and how sharp their weights are: log K and log(n - 1) nats where they are uniform."""

    attraction: Tensor
    repulsion: Tensor
    attraction_entropy: Tensor
    repulsion_entropy: Tensor


def cacr(
    views: Float[Tensor, "v n d"],
    *,
    t_pos: float = 1.0,
    t_neg: float = 2.0,
    reduction: Reduction = "mean",
    alpha: float = 1.0,
    beta: float = 1.0,
    cost: Cost = "euclidean",
    rbf_t: float = 2.0,
    detach_weights: bool = False,
    symmetric: bool = True,
    tau_plus: float | None = None,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Contrastive attraction and contrastive repulsion: far positives pull more, near negatives push more.

    Zheng et al. 2023, TMLR, arXiv 2105.03746; c(a, b) = |a - b|^2 on the unit sphere, u_l view l of a query::

        attraction = mean over l of    sum_{m != l} W+ c(u_il, u_im)        W+ = softmax_m(+t_pos c)
        repulsion  = mean over l, m of -sum_{j != i} W- c(u_il, u_jm)       W- = softmax_j(-t_neg c),  m != l
        L_i        = alpha attraction + beta repulsion

    This is the released small-scale form: gradient flows through both softmaxes, which turns its sign for extreme
    pairs (a positive with c below its mean - 1/t_pos is pushed away). The paper's words, force in proportion to W, are
    ``detach_weights=True``. The released code takes only the lower view of each pair as a query in the repulsion
    (``symmetric=False``); we take both directions.

    Args:
        views: v = K + 1 >= 2 views of n >= 2 instances; normalised here.
        t_pos: inverse temperature of the positives, >= 0; 0 weighs them equally (the ablation without W+).
        t_neg: inverse temperature of the negatives, >= 0; 0.9 or 2 in the published runs, 0 weighs them equally.
        reduction: "mean" or "sum" over instances, or "none".
        alpha: factor of the attraction.
        beta: factor of the repulsion.
        cost: "euclidean", or "rbf" for a repulsion of log( mean_i sum_j W- exp(-rbf_t c) ), for each pair of views.
            Its logarithm stands outside the mean over instances, so it takes only ``reduction="mean"``.
        rbf_t: t of the rbf cost, > 0.
        detach_weights: stop the gradient through W+ and W-.
        symmetric: repel in both directions of each pair of views.
        tau_plus: in [0, 1), the share of negatives that are positives in truth, for the debiased repulsion
            -(R_i - tau_plus c(u_il, u_im)) / (1 - tau_plus), with R the expected cost of the negatives; the released
            code takes 0.1 when it is on. It is the estimator of Chuang et al. 2020, arXiv 2007.00224, and it attracts.
        rows: instances to score; the others are candidates only (`core.distributed.GatheredLoss` sets it). With the rbf
            cost the repulsion is that of all instances, in every process.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, in float32 or better; negative in normal operation, 0 when all rows are equal.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, settings, fewer than 2 views or instances; rbf with another reduction or ``tau_plus``.

    Relations:
        t_pos has no effect at v = 2. With t_neg = 0 the rbf repulsion is the uniformity loss over cross-view negatives.

    >>> float(cacr(torch.eye(2).repeat(2, 1, 1)))  # attraction 0, repulsion -2
    -2.0
    """
    check_reduction(reduction)
    _check_settings(t_pos, t_neg, cost, rbf_t, tau_plus, reduction)
    unit = prepared_views(views)
    anchors = anchor_rows(rows, unit.shape[1])
    costs = 2 - 2 * instance_products(unit)  # (n, v, v)
    attraction = _attraction(costs[anchors.start : anchors.stop], t_pos, detach_weights)
    if cost == "rbf":
        repulsion = _rbf_repulsion(unit, t_neg, rbf_t, detach_weights, symmetric)
    else:
        repulsion = _repulsion(unit, costs, anchors, t_neg, detach_weights, symmetric, tau_plus)
    return reduce(alpha * attraction + beta * repulsion, reduction)


@torch.no_grad()
def cacr_terms(
    views: Float[Tensor, "v n d"], *, t_pos: float = 1.0, t_neg: float = 2.0, symmetric: bool = True
) -> CACRTerms:
    """Attraction, repulsion (Euclidean cost) and mean entropies of W+ and W-; a diagnostic, without gradient.

    Arguments and errors are those of `cacr`.

    Returns:
        Four scalars; entropies in nats, from 0 to log K and to log(n - 1).

    >>> terms = cacr_terms(torch.eye(3).repeat(2, 1, 1))
    >>> float(terms.repulsion), round(float(terms.repulsion_entropy), 4)  # two negatives at the same distance
    (-2.0, 0.6931)
    """
    _check_settings(t_pos, t_neg, "euclidean", 1.0, None, "mean")
    unit = prepared_views(views)
    others = _others(2 - 2 * instance_products(unit))  # (n, v, v - 1)
    logs = torch.log_softmax(t_pos * others, dim=-1)
    entropies = [_repulsion_entropy(unit[a], unit[b], t_neg) for a, b in _pairs(len(unit), symmetric)]
    anchors = range(unit.shape[1])
    return CACRTerms(
        (logs.exp() * others).sum(dim=-1).mean(),
        _repulsion(unit, 2 - 2 * instance_products(unit), anchors, t_neg, True, symmetric, None).mean(),
        -(logs.exp() * logs).sum(dim=-1).mean(),
        torch.stack(entropies).mean(),
    )


def weighted_cost(
    costs: Float[Tensor, "*batch k"], inverse_temperature: float, *, detach_weights: bool = False
) -> Float[Tensor, "*batch"]:
    """Mean of each row of costs under softmax(inverse_temperature * costs).

    >>> float(weighted_cost(torch.tensor([1.0, 3.0]), 0.0))
    2.0
    """
    weights = torch.softmax(inverse_temperature * costs, dim=-1)
    return ((weights.detach() if detach_weights else weights) * costs).sum(dim=-1)


def check_inverse_temperatures(*, zero: Collection[str] = ("t_pos", "t_neg"), **values: float) -> None:
    """Refuse an inverse temperature that is not finite and > 0, or >= 0 where its name is in ``zero``.

    Raises:
        ValueError: with the name, what is allowed and what came.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name in zero))):
            sign = ">=" if name in zero else ">"
            raise ValueError(f"{name} must be finite and {sign} 0, got {value!r}; usual values are 0.9 to 2")


def _pairs(views: int, symmetric: bool) -> list[tuple[int, int]]:
    """Query view and candidate view of each repulsion."""
    return [(a, b) for a in range(views) for b in range(views) if a < b or (symmetric and a != b)]


def _others(costs: Tensor) -> Tensor:
    """Costs of each view to the other views of its instance, ``(n, v, v - 1)``."""
    count, views, _ = costs.shape
    keep = ~torch.eye(views, dtype=torch.bool, device=costs.device)
    return costs[:, keep].reshape(count, views, views - 1)


def _attraction(costs: Tensor, t_pos: float, detach_weights: bool) -> Tensor:
    return weighted_cost(_others(costs), t_pos, detach_weights=detach_weights).mean(dim=1)


def _repulsion(
    unit: Tensor,
    costs: Tensor,
    anchors: range,
    t_neg: float,
    detach_weights: bool,
    symmetric: bool,
    tau_plus: float | None,
) -> Tensor:
    mine = slice(anchors.start, anchors.stop)
    own = torch.arange(anchors.start, anchors.stop, device=unit.device)
    expectation, cross = (
        partial(function, exclude=own, detach_weights=detach_weights)
        for function in (similarity_expectation, cross_expectation)
    )
    parts = []
    for a, b in _pairs(len(unit), symmetric):
        query, key = unit[a][mine], unit[b]
        if t_neg == 0:
            means = [(query * (key.sum(dim=0) - key[mine])).sum(dim=1) / (len(key) - 1)]
        elif symmetric and len(anchors) == len(key):
            if a > b:  # came with the pair (b, a): one matrix serves both directions
                continue
            means = list(cross(query, key, temperature=1 / (2 * t_neg)))
        else:
            means = [expectation(query, key, temperature=1 / (2 * t_neg))[0]]
        for similarity in means:
            expected = 2 - 2 * similarity
            if tau_plus is not None:
                expected = (expected - tau_plus * costs[mine, a, b]) / (1 - tau_plus)
            parts.append(-expected)
    return torch.stack(parts).mean(dim=0)


def _rbf_repulsion(unit: Tensor, t_neg: float, rbf_t: float, detach_weights: bool, symmetric: bool) -> Tensor:
    """Log mean kernel of each pair of views: sum_j W- k is a quotient of two sums of exponentials of the cost."""
    parts = []
    for a, b in _pairs(len(unit), symmetric):
        with_kernel = _soft_cost(unit[a], unit[b], t_neg + rbf_t)
        without = _soft_cost(unit[a], unit[b], t_neg)
        if detach_weights:
            # the kernel's share of the gradient, on the same value
            share = rbf_t / (t_neg + rbf_t)
            with_kernel = share * with_kernel + (1 - share) * with_kernel.detach()
            without = without.detach()
        ratio = with_kernel - without
        parts.append(ratio.logsumexp(dim=0) - math.log(len(ratio)))
    return torch.stack(parts).mean()


def _soft_cost(query: Tensor, key: Tensor, inverse_temperature: float) -> Tensor:
    """Logarithm of sum_{j != i} exp(-inverse_temperature c_ij)."""
    if inverse_temperature == 0:
        return query.new_full((len(query),), math.log(len(key) - 1))
    own = torch.arange(len(query), device=query.device)
    scale = 2 * inverse_temperature
    return similarity_logsumexp(query, key, temperature=1 / scale, exclude=own) - scale


def _repulsion_entropy(query: Tensor, key: Tensor, t_neg: float) -> Tensor:
    if t_neg == 0:
        return query.new_tensor(math.log(len(key) - 1))
    own = torch.arange(len(query), device=query.device)
    mean, total = similarity_expectation(query, key, temperature=1 / (2 * t_neg), exclude=own)
    return (total - 2 * t_neg * mean).mean()


def _check_settings(
    t_pos: float, t_neg: float, cost: str, rbf_t: float, tau_plus: float | None, reduction: str
) -> None:
    check_inverse_temperatures(t_pos=t_pos, t_neg=t_neg, rbf_t=rbf_t)
    check_choice("cost", cost, get_args(Cost))
    if tau_plus is not None:
        check_rate("tau_plus", tau_plus)
    if cost == "rbf" and reduction != "mean":
        raise ValueError(
            f"cost='rbf' takes only reduction='mean', got {reduction!r}: its logarithm stands outside the mean"
        )
    if cost == "rbf" and tau_plus is not None:
        raise ValueError("tau_plus is for cost='euclidean'; leave it out with cost='rbf'")


class CACRLoss(nn.Module):
    """`cacr` with its settings."""

    def __init__(
        self,
        *,
        t_pos: float = 1.0,
        t_neg: float = 2.0,
        reduction: Reduction = "mean",
        alpha: float = 1.0,
        beta: float = 1.0,
        cost: Cost = "euclidean",
        rbf_t: float = 2.0,
        detach_weights: bool = False,
        symmetric: bool = True,
        tau_plus: float | None = None,
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        _check_settings(t_pos, t_neg, cost, rbf_t, tau_plus, reduction)
        self.t_pos = t_pos
        self.t_neg = t_neg
        self.reduction: Reduction = reduction
        self.alpha = alpha
        self.beta = beta
        self.cost: Cost = cost
        self.rbf_t = rbf_t
        self.detach_weights = detach_weights
        self.symmetric = symmetric
        self.tau_plus = tau_plus

    def forward(self, views: Float[Tensor, "v n d"], *, rows: slice | None = None) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `cacr`."""
        return cacr(
            views,
            t_pos=self.t_pos,
            t_neg=self.t_neg,
            reduction=self.reduction,
            alpha=self.alpha,
            beta=self.beta,
            cost=self.cost,
            rbf_t=self.rbf_t,
            detach_weights=self.detach_weights,
            symmetric=self.symmetric,
            tau_plus=self.tau_plus,
            rows=rows,
        )
