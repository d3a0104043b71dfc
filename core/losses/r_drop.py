"""R-Drop: two dropout passes over one batch must say the same, measured by a symmetric KL divergence."""

import math
from typing import Literal, get_args

from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from core.checks import check_at_least, check_choice, check_embeddings, check_labels, check_paired
from core.losses.normalisation import full_precision
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["RDropForm", "RDropLoss", "RDropTask", "r_drop", "symmetric_kl"]

RDropForm = Literal["mean", "sum"]
RDropTask = Literal["classification", "regression"]


def symmetric_kl(
    first: Float[Tensor, "*batch c"],
    second: Float[Tensor, "*batch c"],
    *,
    mask: Bool[Tensor, "*batch"] | None = None,
    stop_weights: bool = False,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """KL divergence both ways between the softmax distributions p and q of two sets of logits.

    Written as one sum of terms that are never negative, so that tiny divergences are not lost in rounding::

        KL(p || q) + KL(q || p) = sum_c (p_c - q_c) (log p_c - log q_c)

    Args:
        first: finite logits of p, at least two classes.
        second: finite logits of q.
        mask: true where a row counts; padded tokens are left out of the mean.
        stop_weights: hold the weighting distribution of each direction constant, as the released code of SiFT and
            URLBERT does. The value is the same; the gradient is q - p for the logits of q and p - q for those of p.
        reduction: "mean" or "sum" over the rows that count, or "none".

    Shape:
        Output is a scalar; with ``reduction="none"`` the shape without the last axis, 0 where masked.

    Returns:
        The divergence, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes that differ, one class, a mask of another shape or without a true entry.

    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    >>> round(float(symmetric_kl(*logits)), 6)
    0.761594
    """
    check_reduction(reduction)
    _check_logits(first, second)
    if mask is not None and mask.shape != first.shape[:-1]:
        raise ValueError(f"mask must have shape {tuple(first.shape[:-1])}, one per row, got {tuple(mask.shape)}")
    log_p, log_q = (log_softmax(full_precision(logits), dim=-1) for logits in (first, second))
    weights = log_p.exp() - log_q.exp()
    terms = ((weights.detach() if stop_weights else weights) * (log_p - log_q)).sum(dim=-1)
    if reduction == "none":
        return terms if mask is None else terms.masked_fill(~mask, 0.0)
    counted = terms.flatten() if mask is None else terms[mask]
    check_at_least("the number of rows that count", len(counted), 1)
    return reduce(counted, reduction)


def _check_logits(first: Tensor, second: Tensor) -> None:
    for name, logits in (("first", first), ("second", second)):
        check_embeddings(name, logits, dims=(max(logits.dim(), 1),))
    if first.shape != second.shape:
        raise ValueError(
            f"first and second must have the same shape, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    if first.shape[-1] == 1:
        raise ValueError("one class has no divergence (KL is 0 whatever the logit): treat it as a regression")


def r_drop(
    first: Float[Tensor, "n c"],
    second: Float[Tensor, "n c"],
    labels: Shaped[Tensor, " n *c"],
    *,
    alpha: float = 1.0,
    form: RDropForm = "mean",
    task: RDropTask = "classification",
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """Loss of two dropout passes plus alpha times how much they disagree.

    Liang et al. 2021, arXiv 2106.14448; p and q are the softmax of the two passes::

        mean:  L_i = (CE(p, y) + CE(q, y)) / 2 + alpha (KL(p || q) + KL(q || p)) / 2
        sum:   L_i =  CE(p, y) + CE(q, y)      + alpha (KL(p || q) + KL(q || p)) / 2

    Args:
        first: logits of one pass over the batch with dropout on.
        second: logits of another pass over the same batch.
        labels: ``(n,)`` int64 classes; for a regression ``(n, c)`` floating targets.
        alpha: weight of the disagreement, >= 0; the paper takes 0.1 to 5, by task.
        form: "mean" as in the authors' readme, or "sum" as in their GLUE criterion; see Notes.
        task: "regression" takes squared errors: ``MSE(first, y)`` and ``MSE(second, y)`` for the cross-entropies and
            ``MSE(first, second)`` for the mean KL.
        reduction: "mean" or "sum" over rows, or "none".

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, in float32 or better; gradient flows through both passes and both directions of the KL.

    Raises:
        TypeError: logits that are not floating, labels that are not int64 (classification) or floating (regression).
        ValueError: shapes, alpha, an unknown form or task, no rows, classification with one class.

    Notes:
        The same alpha weighs half as much in the "sum" form as in the "mean" form, and the authors publish both. We
        take the mean unless told otherwise. The released regression fits the first pass only; we fit both.

    Relations:
        Where both passes agree the plain loss ("mean") or twice that ("sum").

    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    >>> round(float(r_drop(*logits, torch.tensor([0]))), 6)  # 0.410038 + 0.380797
    0.790835
    """
    check_reduction(reduction)
    _check_settings(alpha, form, task)
    check_paired(first, second, ("first", "second"))
    check_at_least("the number of rows", len(first), 1)
    x, y = full_precision(first), full_precision(second)
    if task == "regression":
        if not labels.is_floating_point():
            raise TypeError(f"labels of a regression must be floating, got {labels.dtype}")
        if labels.shape != first.shape:
            raise ValueError(f"labels of a regression must have shape {tuple(first.shape)}, got {tuple(labels.shape)}")
        targets = full_precision(labels)
        fit = (x - targets).square().mean(dim=1) + (y - targets).square().mean(dim=1)
        disagreement = (x - y).square().mean(dim=1)
    else:
        if first.shape[1] == 1:
            raise ValueError("logits of width 1 cannot disagree in a softmax; use task='regression' or two classes")
        check_labels(labels, len(first))
        fit = cross_entropy(x, labels, reduction="none") + cross_entropy(y, labels, reduction="none")
        disagreement = symmetric_kl(x, y, reduction="none") / 2
    return reduce((fit / 2 if form == "mean" else fit) + alpha * disagreement, reduction)


def _check_settings(alpha: float, form: str, task: str) -> None:
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ValueError(f"alpha must be finite and >= 0, got {alpha!r}; usual values are 0.1 to 5")
    check_choice("form", form, get_args(RDropForm))
    check_choice("task", task, get_args(RDropTask))


class RDropLoss(nn.Module):
    """`r_drop` with its settings.

    >>> import torch
    >>> x, net = torch.ones(4, 3), nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    >>> RDropLoss(alpha=0.5)(net(x), net(x), torch.tensor([0, 1, 0, 1])).shape
    torch.Size([])
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        form: RDropForm = "mean",
        task: RDropTask = "classification",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        _check_settings(alpha, form, task)
        self.alpha = alpha
        self.form: RDropForm = form
        self.task: RDropTask = task
        self.reduction: Reduction = reduction

    def forward(
        self, first: Float[Tensor, "n c"], second: Float[Tensor, "n c"], labels: Shaped[Tensor, " n *c"]
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `r_drop`."""
        return r_drop(first, second, labels, alpha=self.alpha, form=self.form, task=self.task, reduction=self.reduction)
