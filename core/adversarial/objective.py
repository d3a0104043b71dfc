"""What an adversary makes worse: how far the output is from labels, or from the clean output."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from core.checks import check_at_least, check_choice, check_embeddings
from core.losses.normalisation import full_precision
from core.losses.r_drop import symmetric_kl

__all__ = ["Named", "Objective", "Total", "check_objective", "check_total", "score"]

Named = Literal["cross_entropy", "kl", "symmetric_kl", "stopped_symmetric_kl", "squared_error"]
Objective = Named | Callable[[Tensor, Tensor], Tensor]
Total = Literal["mean", "sum"]
IGNORED = -100
"""The label that cross-entropy leaves out, as in torch."""


def check_objective(value: Objective) -> None:
    """Refuse a word that names no objective; a callable is taken as it is.

    Raises:
        ValueError: with the words allowed.
    """
    if not callable(value):
        check_choice("objective", value, get_args(Named))


def check_total(value: str) -> None:
    """Refuse any reduction to a scalar but "mean" and "sum".

    Raises:
        ValueError: with the words allowed.
    """
    check_choice("reduction", value, get_args(Total))


def score(
    output: Float[Tensor, "n ..."],
    reference: Shaped[Tensor, "n ..."],
    *,
    objective: Objective,
    mask: Bool[Tensor, "n *l"] | None = None,
    reduction: Total = "mean",
) -> Float[Tensor, ""]:
    """The objective of a batch as one number, in float32 or better; p is the softmax of the reference, q of the output.

    - "cross_entropy": of the output with int64 labels of its shape without the last axis; -100 does not count.
    - "kl": KL(p || q), p held constant.
    - "symmetric_kl": KL(p || q) + KL(q || p).
    - "stopped_symmetric_kl": the same value, with the weighting distributions held constant in the gradient.
    - "squared_error": mean over the last axis; for regressions.
    - a callable of output and reference, which returns terms or a scalar (which is then the score).

    Args:
        output: what the model says, ``(n, c)`` or per token ``(n, l, c)``.
        reference: labels, clean logits or targets.
        objective: one of the above.
        mask: true at real tokens. Terms of its shape are counted only there; terms per sample are all counted.
        reduction: "mean" over the terms that count, or "sum".

    Raises:
        TypeError: an output or clean logits that are not floating, labels that are not int64.
        ValueError: shapes, a divergence between logits of width 1, nothing that counts.

    >>> float(score(torch.zeros(1, 2), torch.zeros(1, 2), objective="kl"))
    0.0
    """
    terms = _terms(output, reference, objective)
    if not terms.dim():
        return terms
    counted: Tensor | None = None
    if mask is not None and terms.shape == mask.shape:
        counted = mask
    if objective == "cross_entropy":
        labelled = reference != IGNORED
        counted = labelled if counted is None else counted & labelled
    flat = terms.flatten() if counted is None else terms[counted]
    check_at_least("the number of terms that count", len(flat), 1, "everything is masked")
    return flat.mean() if reduction == "mean" else flat.sum()


def _terms(output: Tensor, reference: Tensor, objective: Objective) -> Tensor:
    if not isinstance(objective, str):
        return objective(output, reference)
    check_embeddings("the output of forward", output, dims=range(1, output.dim() + 1))
    if objective == "cross_entropy":
        if reference.dtype != torch.int64 or reference.shape != output.shape[:-1]:
            raise ValueError(
                f"reference must be int64 labels of shape {tuple(output.shape[:-1])} for objective='cross_entropy', "
                f"got {reference.dtype} of shape {tuple(reference.shape)}"
            )
        logits = full_precision(output).flatten(0, -2)
        losses = cross_entropy(logits, reference.flatten(), reduction="none", ignore_index=IGNORED)
        return losses.view(reference.shape)
    check_embeddings("reference", reference, dims=range(1, reference.dim() + 1))
    if output.shape != reference.shape:
        raise ValueError(
            f"reference must have the output's shape {tuple(output.shape)} for objective={objective!r}, "
            f"got {tuple(reference.shape)}"
        )
    if objective == "squared_error":
        return (full_precision(output) - full_precision(reference)).square().mean(dim=-1)
    if output.shape[-1] == 1:
        raise ValueError(f"objective={objective!r} is 0 for logits of width 1; take objective='squared_error'")
    if objective == "kl":
        return _kl(full_precision(reference.detach()), full_precision(output))
    return symmetric_kl(reference, output, stop_weights=objective == "stopped_symmetric_kl", reduction="none")


def _kl(reference: Tensor, output: Tensor) -> Tensor:
    log_p, log_q = log_softmax(reference, dim=-1), log_softmax(output, dim=-1)
    p, q = log_p.exp(), log_q.exp()
    # q - p sums to zero; with it every summand is positive, and a divergence of 1e-9 is not lost among terms of size 1.
    terms = (q - p - p * (log_q - log_p)).sum(dim=-1)
    # What rounding leaves below zero is cut from the value, but not from the gradient that adversaries climb.
    return terms + (terms.clamp(min=0) - terms).detach()
