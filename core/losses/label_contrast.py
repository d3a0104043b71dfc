"""Input against label: each text, or other input, must find the embeddings of its labels among all labels."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_choice, check_embeddings, check_temperature
from core.losses.label_sets import Targets, label_indices
from core.losses.normalisation import full_precision, unit_rows
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.softmax_loss import SoftmaxLoss
from core.similarity import similarity_logsumexp

__all__ = ["LabelContrastLoss", "label_contrast"]

Unlabelled = Literal["error", "zero"]


def label_contrast(
    inputs: Float[Tensor, "n d"],
    labels: Float[Tensor, "c d"],
    targets: Targets,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    negatives: Int64[Tensor, " k"] | Int64[Tensor, "n k"] | None = None,
    empty: Unlabelled = "error",
    normalize: bool = True,
) -> Float[Tensor, "..."]:
    """Ranking NCE of inputs against label embeddings, one positive label at a time against the negative ones.

    Input-label contrast as Rethmeier and Augenstein order it (arXiv 2102.12982), with the scores of a dual encoder;
    P(i) are the labels of input i, N(i) the others::

        L_i = 1/|P| sum_{p in P} log( e^{x_i.l_p / t} + sum_{l in N} e^{x_i.l / t} ) - x_i.l_p / t

    Any label text that can be embedded can be scored afterwards, seen or not. The inputs do not meet, so under several
    processes each scores its own and no gathering is needed.

    Args:
        inputs: text or other vectors; normalised here.
        labels: one embedding a label; normalised here.
        targets: ``(n,)`` one label each, ``(n, p)`` indices padded with -1, or a boolean mask ``(n, c)``.
        temperature: t > 0. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over inputs, or "none".
        negatives: labels drawn as negatives: ``(k,)`` for all inputs, each label once, of which an input leaves out its
            own; or ``(n, k)`` for each input, none of them its own (`core.samplers.sample_negative_labels` draws them).
            ``None`` takes every label that is not the input's.
        empty: inputs without a label are refused ("error") or count as 0 in the mean ("zero").
        normalize: cosine if true, dot product if not.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer embeddings, targets or negatives of another type.
        ValueError: shapes, temperature, indices out of range, an input without a label (if refused) or without a
            negative.

    Relations:
        Cross-entropy over labels where each input has one. InfoNCE where the labels are the batch's other views.
        `core.losses.ranking_nce` of the same scores.

    >>> labels = torch.eye(3)
    >>> round(float(label_contrast(labels[:2], labels, torch.tensor([0, 1]), temperature=1.0)), 4)  # log(1 + 2/e)
    0.5514
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_choice("empty", empty, get_args(Unlabelled))
    check_embeddings("inputs", inputs)
    check_embeddings("labels", labels)
    if inputs.shape[1] != labels.shape[1]:
        raise ValueError(f"inputs and labels must have the same width, got {inputs.shape[1]} and {labels.shape[1]}")
    own = label_indices(targets, len(inputs), len(labels))
    sizes = (own >= 0).sum(dim=1)
    if empty == "error" and not sizes.all():
        raise ValueError(
            f"targets gives no label to {int((sizes == 0).sum())} of {len(sizes)} inputs; drop them, or pass "
            "empty='zero'"
        )
    prepare = unit_rows if normalize else full_precision
    rows, table = prepare(inputs), prepare(labels)
    total = _negatives(rows, table, own, sizes, negatives, temperature)
    row, place = (own >= 0).nonzero(as_tuple=True)
    positive = (rows[row] * table[own[row, place]]).sum(dim=1) / temperature
    sums = total.new_zeros(len(rows)).index_add(0, row, softplus(total[row] - positive))
    return reduce(sums / sizes.clamp(min=1), reduction)


def _negatives(
    rows: Tensor, table: Tensor, own: Tensor, sizes: Tensor, negatives: Tensor | None, temperature: float | Tensor
) -> Tensor:
    """Log-sum-exp of each input's negatives."""
    if negatives is None:
        if int(sizes.max()) == len(table):
            raise ValueError(f"an input with all {len(table)} labels has no negative; drop it, or add labels")
        return similarity_logsumexp(rows, table, temperature=temperature, exclude=own)
    _check_negatives(negatives, len(rows), len(table))
    if negatives.dim() == 1:
        place = own.new_full((len(table) + 1,), -1)  # the last one stands for "none"
        place[negatives] = torch.arange(len(negatives), device=place.device)
        exclude = place[own]
        if bool(((exclude >= 0).sum(dim=1) == len(negatives)).any()):
            raise ValueError(f"an input has all {len(negatives)} drawn labels and so no negative; draw more")
        return similarity_logsumexp(rows, table[negatives], temperature=temperature, exclude=exclude)
    first = torch.arange(len(own), device=own.device)[:, None] * len(table)
    hit = torch.isin(first + negatives, (first + own)[own >= 0])
    if bool(hit.any()):
        raise ValueError(
            f"negatives holds a label of input {int(hit.any(dim=1).nonzero()[0])} itself; draw them with "
            "core.samplers.sample_negative_labels"
        )
    # The kernel wants at least one shared key: give it one that no row takes.
    unused = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    return similarity_logsumexp(
        rows, table[:1].detach(), temperature=temperature, exclude=unused, extra=table[negatives]
    )


def _check_negatives(negatives: Tensor, count: int, labels: int) -> None:
    if negatives.dtype != torch.int64:
        raise TypeError(f"negatives must be int64 indices of labels, got {negatives.dtype}")
    shared = negatives.dim() == 1
    if negatives.dim() not in (1, 2) or not negatives.numel() or not (shared or len(negatives) == count):
        raise ValueError(
            f"negatives must be (k,), shared by all inputs, or ({count}, k), with k >= 1; got {tuple(negatives.shape)}"
        )
    if int(negatives.min()) < 0 or int(negatives.max()) >= labels:
        raise ValueError(
            f"negatives must hold indices from 0 to {labels - 1}, got {int(negatives.min())} to {int(negatives.max())}"
        )
    if shared and len(negatives.unique()) < len(negatives):
        raise ValueError("negatives shared by all inputs must hold each label once; torch.randperm(c)[:k] draws them")


class LabelContrastLoss(SoftmaxLoss):
    """`label_contrast` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        empty: Unlabelled = "error",
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        check_choice("empty", empty, get_args(Unlabelled))
        self.empty: Unlabelled = empty

    def forward(
        self,
        inputs: Float[Tensor, "n d"],
        labels: Float[Tensor, "c d"],
        targets: Targets,
        *,
        negatives: Int64[Tensor, " k"] | Int64[Tensor, "n k"] | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `label_contrast`."""
        return label_contrast(
            inputs,
            labels,
            targets,
            temperature=self.temperature,
            reduction=self.reduction,
            negatives=negatives,
            empty=self.empty,
            normalize=self.normalize,
        )
