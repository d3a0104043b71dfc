"""Hydra's loss: rows of two classes attract each other in the sub-space that a gate opens for the two."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.checks import (
    check_at_least,
    check_choice,
    check_embeddings,
    check_labels,
    check_not_negative,
    check_paired,
    check_temperature,
)
from core.heads.feature_gate import gate_entropy
from core.losses.normalisation import SHORTEST, full_precision, unit_rows
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction
from core.losses.rows import anchor_rows

__all__ = ["ClassPairContrastiveLoss", "class_pair_contrastive"]

Variant = Literal["cosine", "quadratic"]
Empty = Literal["error", "zero"]

_BLOCK = 1 << 20  # similarities of a block of anchors: 4 MB in float32


def class_pair_contrastive(
    z: Float[Tensor, "n d"],
    y1: Int64[Tensor, " n"],
    y2: Int64[Tensor, " n"],
    gate: Float[Tensor, "n d"],
    keys: Float[Tensor, "m d"] | None = None,
    key_labels: Int64[Tensor, " m"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    variant: Variant = "cosine",
    include_self: bool = False,
    gate_penalty: float = 0.0,
    empty: Empty = "error",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Contrast of each row with the rows of its partner class, in the dimensions that its gate opens.

    Wu et al. 2024 (Hydra, later SimLAP), arXiv 2410.18200, after the code of its first author. Keys with label y2_i are
    positives of anchor i, keys with neither y1_i nor y2_i its negatives, and keys of its own class are nothing::

        s_ij = cos(g_i * z_i, g_i * k_j)              "cosine", the older code
        s_ij = <g_i^2 * unit(z_i), unit(k_j)>         "quadratic", the newer one
        L = mean over positive pairs (i, j) of log( e^{s_ij / t} + sum_{negatives v} e^{s_iv / t} ) - s_ij / t

    Positives of an anchor do not compete with each other. The code's similarity needs an (n, m, d) tensor; here
    ``<g_i z_i, g_i k_j> = <g_i^2 z_i, k_j>`` and ``|g_i k_j|^2 = <g_i^2, k_j^2>`` are two products, formed block by
    block and again in the backward pass, so memory is linear in n. The code counts the pair of an anchor with itself
    where y1 = y2; we leave it out, unless asked.

    Args:
        z: anchors; their lengths do not matter.
        y1: class of each anchor.
        y2: its partner class, see `core.samplers.ClassPairSampler`.
        gate: for each anchor, see `core.heads.FeatureGate`; the cosine does not see its scale.
        keys: candidates; ``None`` takes ``z``. A momentum copy or a second view brings gradient if it has one.
        key_labels: class of each of ``keys``; needed with them.
        temperature: t > 0; 0.1 in the code. A scalar tensor gets a gradient.
        reduction: "mean" over positive pairs, "sum", or "none" for the sum of each anchor.
        variant: the similarity.
        include_self: count an anchor as its own positive where y1 = y2; without ``keys``.
        gate_penalty: >= 0, weight of the gate's mean Bernoulli entropy, which "mean" averages and the others add to
            each anchor; it pushes gates to 0 and 1. The code has such a parameter and does not use it.
        empty: a batch without any positive pair is refused ("error"), or its contrast is 0 ("zero").
        rows: anchors to score; the others are candidates only (`core.distributed.GatheredLoss` sets it). Means over
            equal shares average to the mean over the whole batch, wherever its pairs are.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, >= 0, in float32 or better. Anchors without a negative have terms 0. A row that a gate makes zero has
        cosine 0 and no gradient.

    Raises:
        TypeError: integer embeddings, labels that are not int64.
        ValueError: shapes, temperature, settings, ``keys`` without labels or labels without ``keys``, a gate outside
            [0, 1] where there is a penalty, no positive pair (unless ``empty="zero"``).

    Relations:
        With a gate of ones both variants are the plain cosine, and with y1 = y2 besides SupCon whose denominators hold
        one positive at a time.

    >>> z, y = torch.tensor([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]]), torch.tensor([0, 1, 2])
    >>> terms = class_pair_contrastive(z, y, torch.tensor([1, 0, 0]), torch.tensor([[1.0, 0.5]] * 3), reduction="none")
    >>> round(float(terms[0]), 4)
    2.8341
    """
    check_reduction(reduction)
    _check_settings(variant, gate_penalty, empty)
    check_temperature(temperature)
    check_paired(z, gate, ("z", "gate"))
    check_at_least("the number of rows", len(z), 1)
    for name, labels in (("y1", y1), ("y2", y2)):
        check_labels(labels, len(z), name=name)
    own_keys = keys is None
    pool, pool_labels = _pool(z, y1, keys, key_labels)

    anchors = anchor_rows(rows, len(z))
    positives = _positives(y1, y2, pool_labels, skip_self=own_keys and not include_self)
    pairs = int(positives.sum())
    if empty == "error" and pairs == 0:
        raise ValueError(
            f"the batch holds no positive pair: none of {len(pool)} keys has the partner class of an anchor; draw "
            "partners from the batch, or pass empty='zero'"
        )
    mine = slice(anchors.start, anchors.stop)
    unit = unit_rows(z)
    candidates = unit if own_keys else unit_rows(pool)
    weights = (unit_rows(gate) if variant == "cosine" else full_precision(gate))[mine].square()
    common = torch.promote_types(torch.promote_types(unit.dtype, candidates.dtype), weights.dtype)
    unit, candidates, weights = unit.to(common), candidates.to(common), weights.to(common)
    step = max(1, _BLOCK // len(pool))
    terms = torch.cat(
        [
            checkpoint(
                _block,
                unit[mine][first : first + step],
                weights[first : first + step],
                candidates,
                (y1[mine][first : first + step], y2[mine][first : first + step], pool_labels),
                anchors.start + first if own_keys and not include_self else None,
                temperature,
                variant,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for first in range(0, len(anchors), step)
        ]
    )
    penalty = gate_penalty * gate_entropy(gate[mine]) if gate_penalty else terms.new_zeros(len(terms))
    if reduction == "mean":
        return terms.sum() * (len(z) / len(anchors) / max(1, pairs)) + penalty.mean()
    return (terms + penalty).sum() if reduction == "sum" else terms + penalty


def _check_settings(variant: str, gate_penalty: float, empty: str) -> None:
    check_choice("variant", variant, get_args(Variant))
    check_choice("empty", empty, get_args(Empty))
    check_not_negative("gate_penalty", gate_penalty)


def _pool(z: Tensor, y1: Tensor, keys: Tensor | None, key_labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """The candidates and their classes."""
    if keys is None or key_labels is None:
        if keys is not None or key_labels is not None:
            raise ValueError("keys and key_labels belong together; pass both or neither")
        return z, y1
    check_embeddings("keys", keys)
    check_labels(key_labels, len(keys), name="key_labels")
    if keys.shape[1] != z.shape[1]:
        raise ValueError(f"z and keys must have the same width, got {z.shape[1]} and {keys.shape[1]}")
    return keys, key_labels


def _positives(y1: Tensor, y2: Tensor, key_labels: Tensor, *, skip_self: bool) -> Tensor:
    """How many keys have each anchor's partner class."""
    ordered = key_labels.sort().values
    found = torch.searchsorted(ordered, y2, right=True) - torch.searchsorted(ordered, y2)
    return found - (y1 == y2).long() if skip_self else found


def _block(
    anchors: Tensor,
    weights: Tensor,
    keys: Tensor,
    labels: tuple[Tensor, Tensor, Tensor],
    own: int | None,
    temperature: float | Tensor,
    variant: Variant,
) -> Tensor:
    """Sum over the positives of each anchor; ``weights`` are squared gates, ``own`` is the first anchor's column."""
    with torch.autocast(anchors.device.type, enabled=False):
        similarity = (weights * anchors) @ keys.T  # (b, m)
        if variant == "cosine":
            mine = _inverse_roots((weights * anchors.square()).sum(dim=1, keepdim=True))
            similarity = similarity * mine * _inverse_roots(weights @ keys.square().T)
    logits = similarity / temperature
    y1, y2, key_labels = labels
    positive = key_labels == y2[:, None]
    negative = ~positive & (key_labels != y1[:, None])
    if own is not None:
        rows = torch.arange(len(anchors), device=anchors.device)
        positive[rows, own + rows] = False
    # rows without any negative: their terms are 0, and a log-sum-exp of nothing has no gradient
    contrasted = negative.any(dim=1, keepdim=True)
    total = logits.masked_fill(~negative & contrasted, -torch.inf).logsumexp(dim=1, keepdim=True)
    return torch.where(positive & contrasted, softplus(total - logits), 0.0).sum(dim=1)


def _inverse_roots(squares: Tensor) -> Tensor:
    """1 / sqrt, and 0 for squares of lengths that count as zero."""
    return squares.masked_fill(squares <= SHORTEST**2, torch.inf).rsqrt()


class ClassPairContrastiveLoss(nn.Module):
    """`class_pair_contrastive` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        variant: Variant = "cosine",
        include_self: bool = False,
        gate_penalty: float = 0.0,
        empty: Empty = "error",
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        _check_settings(variant, gate_penalty, empty)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.variant: Variant = variant
        self.include_self = include_self
        self.gate_penalty = gate_penalty
        self.empty: Empty = empty

    def extra_repr(self) -> str:
        """Every setting by name."""
        names = ("temperature", "reduction", "variant", "include_self", "gate_penalty", "empty")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    def forward(
        self,
        z: Float[Tensor, "n d"],
        y1: Int64[Tensor, " n"],
        y2: Int64[Tensor, " n"],
        gate: Float[Tensor, "n d"],
        keys: Float[Tensor, "m d"] | None = None,
        key_labels: Int64[Tensor, " m"] | None = None,
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `class_pair_contrastive`."""
        return class_pair_contrastive(
            z,
            y1,
            y2,
            gate,
            keys,
            key_labels,
            temperature=self.temperature,
            reduction=self.reduction,
            variant=self.variant,
            include_self=self.include_self,
            gate_penalty=self.gate_penalty,
            empty=self.empty,
            rows=rows,
        )
