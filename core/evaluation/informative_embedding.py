"""Informative embeddings: features of a frozen encoder-decoder, read from its decoder."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.checks import check_choice, check_embeddings

__all__ = ["informative_embedding"]

Pooling = Literal["mean", "flatten"]


@torch.no_grad()
def informative_embedding(
    hidden: Float[Tensor, "n d"] | Float[Tensor, "n t d"],
    *,
    mask: Bool[Tensor, "n t"] | None = None,
    pooling: Pooling = "mean",
) -> Float[Tensor, "n e"]:
    """One vector a sample from the decoder's last hidden states, without gradient.

    Livne 2025 (cMIM), arXiv 2502.19642. Give the frozen decoder the posterior mean as its code, and the sample itself
    as its input where it is autoregressive (teacher forcing); take the states before the projection to output
    parameters, of a transformers model ``decoder_hidden_states[-1]``. Such states can copy the sample: report the
    code's own score beside theirs.

    Args:
        hidden: last hidden states, ``(n, t, d)``, or ``(n, d)`` of a decoder without steps, which is returned as it is.
        mask: true where a step is not padding.
        pooling: "mean" over steps that are not padding, or "flatten" for samples of one fixed size.

    Returns:
        ``(n, d)``, or ``(n, t d)`` with "flatten"; float32 or better.

    Raises:
        TypeError: integer states, a mask that is not boolean.
        ValueError: shapes, a sample that is all padding, a mask with "flatten" or with states without steps.

    >>> hidden = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> informative_embedding(hidden, mask=torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    check_choice("pooling", pooling, get_args(Pooling))
    check_embeddings("hidden", hidden, dims=(2, 3))
    states = hidden.float() if hidden.dtype in (torch.bfloat16, torch.float16) else hidden
    if mask is not None:
        _check_mask(mask, hidden, pooling)
        kept = states.masked_fill(~mask[:, :, None], 0.0)
        return kept.sum(dim=1) / mask.sum(dim=1, keepdim=True)
    if states.dim() == 2:
        return states
    return states.mean(dim=1) if pooling == "mean" else states.flatten(1)


def _check_mask(mask: Tensor, hidden: Tensor, pooling: str) -> None:
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be boolean, true where a step is not padding, got {mask.dtype}")
    if pooling == "flatten" or hidden.dim() == 2:
        raise ValueError("a mask needs pooling='mean' over steps: flattened states must all have the same size")
    if mask.shape != hidden.shape[:2]:
        raise ValueError(f"mask must have shape {tuple(hidden.shape[:2])}, one entry a step, got {tuple(mask.shape)}")
    empty = ~mask.any(dim=1)
    if bool(empty.any()):
        raise ValueError(f"mask leaves no step to sample {int(empty.nonzero()[0])} (and {int(empty.sum()) - 1} more)")
