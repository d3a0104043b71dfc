"""SupReMix: supervised contrast for regression, with mixtures as hard pairs and far targets pushed harder."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.checks import (
    check_at_least,
    check_choice,
    check_embeddings,
    check_positive,
    check_targets,
    check_temperature,
)
from core.losses.normalisation import SHORTEST, full_precision, unit_rows
from core.losses.reduction import Reduction, check_reduction
from core.losses.rows import anchor_rows, anchors_of_views
from core.samplers.ordinal_mixup import Mixtures, OrdinalDraw, OrdinalMixup
from core.similarity.block_logits import block_logits

__all__ = ["Magnify", "SupReMixLoss", "supremix"]

Magnify = Literal["l1", "l2"]

PUBLISHED = OrdinalMixup(window=5.0)
"""The mixer of the authors' script, for ages in years."""

NO_MIXTURES = OrdinalMixup(window=None, mix_neg=False, mix_pos=False)


def supremix(
    z: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
    targets: Float[Tensor, " n"] | Float[Tensor, "n 1"],
    *,
    temperature: float | Float[Tensor, ""] = 0.3,
    reduction: Reduction = "mean",
    mixer: OrdinalMixup | None = PUBLISHED,
    magnify: Magnify | None = "l1",
    label_scale: float = 1.0,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """SupReMix loss: SupCon over equal targets, with mixed rows in the batch and negatives weighed by target distance.

    Wu et al. 2023, arXiv 2309.16633. With P(i) the other rows of equal target, N_i and M_i the mix-negatives and
    mix-positives of `core.samplers.OrdinalMixup`, and w_i(u) = |y_i - u| / label_scale + 1::

        Z_i = sum_{a != i} w_i(y_a) e^{f_i.f_a / t}
              + sum_{m in N_i} w_i(y_m) e^{f_i.m / t} + sum_{m in M_i} e^{f_i.m / t}
        L_i = -1/(|P(i)| + |M_i|) sum_{p in P(i) u M_i} [ f_i.f_p / t - log Z_i ]

    The logit of a mixture is the mixture of logits, so mixed rows are never formed. Anchors go through in blocks, and
    again in the backward pass: memory is linear in the number of rows.

    Args:
        z: rows, or v views of n rows; normalised here. Two views give every row a positive, whatever its target.
        targets: one number for each row; views of a row share it.
        temperature: t > 0; the authors' script takes 0.3. A scalar tensor gets a gradient.
        reduction: "mean" over anchors that have a positive, "sum", or "none".
        mixer: makes the mixtures. The default is that of the authors' script, whose window is 5 years: give one in your
            units. ``None`` mixes nothing.
        magnify: w_i(u), "l1" as above, "l2" with the square of the distance, or ``None`` for 1.
        label_scale: the unit of target distances in w, > 0.
        rows: rows to score, in every view; the others are candidates only. Means over equal shares average to the mean
            over the whole batch, if the mixers' generators are equal.

    Shape:
        Output is a scalar, or ``(n,)`` or ``(v n,)`` (view by view) with ``reduction="none"``; there anchors without a
        positive are 0.

    Returns:
        The loss, in float32 or better; 0 if no anchor has a positive.

    Raises:
        TypeError: integer embeddings or targets.
        ValueError: shapes, settings, targets that are not finite or not one number a row, a single row.

    Relations:
        SupCon of the groups of equal targets with ``mixer=None, magnify=None``.

    Notes:
        The authors' code shifts the logits of real rows and of mixtures by two different maxima and adds both sums,
        which is another loss than the one stated; here they share one log-sum-exp. As in that code, mixtures are
        constants and positives stay in Z_i.

    >>> z, y = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([10.0, 10.0, 12.0])
    >>> round(float(supremix(z, y, temperature=1.0, mixer=None, reduction="none")[0]), 4)  # log(e^0.8 + 3) - 0.8
    0.8536
    """
    check_reduction(reduction)
    check_temperature(temperature)
    _check_settings(magnify, label_scale)
    check_embeddings("z", z, dims=(2, 3))
    count, views = z.shape[-2], len(z) if z.dim() == 3 else 1
    check_targets(targets, count)
    check_at_least("the number of rows", count * views, 2, "an anchor needs other rows; drop the last batch")

    unit = unit_rows(z.reshape(views * count, z.shape[-1]))
    y = full_precision(targets.detach()).reshape(count).repeat(views)
    own = anchors_of_views(anchor_rows(rows, count), count, views, z.device)
    draw = (NO_MIXTURES if mixer is None else mixer).draw(y)
    parts = [
        checkpoint(
            *(_block, unit, y, anchors, draw, temperature, magnify, label_scale),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for anchors in draw.split(own)
    ]
    terms = torch.cat(parts)
    if reduction == "none":
        return terms
    if reduction == "sum":
        return terms.sum()
    counted = int(((draw.equals > 0) | (draw.pairs > 0)).sum())
    return terms.sum() * (len(unit) / len(own) / max(counted, 1))


def _check_settings(magnify: str | None, label_scale: float) -> None:
    check_choice("magnify", magnify, (*get_args(Magnify), None))
    check_positive("label_scale", label_scale, usual="the standard deviation of the targets")


def _block(
    unit: Tensor,
    targets: Tensor,
    anchors: Tensor,
    draw: OrdinalDraw,
    temperature: float | Tensor,
    magnify: Magnify | None,
    label_scale: float,
) -> Tensor:
    """Terms of some anchors, ``(b,)``; 0 where there is no positive."""
    mix = draw.mixtures(anchors)
    with torch.autocast(unit.device.type, enabled=False):
        anchor, own = unit[anchors], anchors[:, None]
        real = block_logits(anchor, unit)  # (b, m), times the temperature
        to_mixtures = block_logits(anchor, unit.detach()) if draw.mixer.detach else real
        neg, pos = (mixed / temperature for mixed in _mixture_logits(to_mixtures, unit, own, mix, draw.mixer))
        real = real / temperature

        far = (targets[own] - targets).abs()
        equal = (far == 0).scatter(1, own, False)
        far_mixed = (1 - mix.share) * far.gather(1, mix.partner)
        candidates = [
            (real + _log_weight(far, magnify, label_scale, unit.dtype)).scatter(1, own, -torch.inf),
            (neg + _log_weight(far_mixed, magnify, label_scale, unit.dtype)).masked_fill(~mix.neg_mask, -torch.inf),
            pos.masked_fill(~mix.pos_mask, -torch.inf),
        ]
        total = torch.cat(candidates, dim=1).logsumexp(dim=1)
        positives = equal.sum(dim=1) + mix.pos_mask.sum(dim=1)
        attracted = torch.where(equal, real, 0.0).sum(dim=1) + torch.where(mix.pos_mask, pos, 0.0).sum(dim=1)
        return torch.where(positives > 0, total - attracted / positives.clamp(min=1), 0.0)


def _log_weight(far: Tensor, magnify: Magnify | None, label_scale: float, dtype: torch.dtype) -> Tensor:
    if magnify is None:
        return torch.zeros_like(far, dtype=dtype)
    far = far / label_scale
    return torch.log1p(far if magnify == "l1" else far.square()).to(dtype)


def _mixture_logits(
    inner: Tensor, unit: Tensor, own: Tensor, mix: Mixtures, mixer: OrdinalMixup
) -> tuple[Tensor, Tensor]:
    """Inner products of anchors and mixtures from those of anchors and rows, ``(b, kn)`` and ``(b, kp)``."""
    share, lower_share = mix.share.to(unit.dtype), mix.lower_share.to(unit.dtype)
    alone, other = inner.gather(1, own), inner.gather(1, mix.partner)
    neg = share * alone + (1 - share) * other
    pos = lower_share * inner.gather(1, mix.lower) + (1 - lower_share) * inner.gather(1, mix.upper)
    if not mixer.normalize:
        return neg, pos
    rows = unit.detach() if mixer.detach else unit
    if mixer.detach:
        alone, other = alone.detach(), other.detach()
    squares = rows.square().sum(dim=1)
    across = (rows[mix.lower] * rows[mix.upper]).sum(dim=2)  # (b, kp, d) for a moment, in this block only
    neg_length = _mixed_square(share, alone, squares[mix.partner], other)
    pos_length = _mixed_square(lower_share, squares[mix.lower], squares[mix.upper], across)
    return neg * _inverse_root(neg_length), pos * _inverse_root(pos_length)


def _mixed_square(share: Tensor, first: Tensor, second: Tensor, inner: Tensor) -> Tensor:
    """|share a + (1 - share) b|^2 from |a|^2, |b|^2 and a.b."""
    return share.square() * first + (1 - share).square() * second + 2 * share * (1 - share) * inner


def _inverse_root(square: Tensor) -> Tensor:
    """1 / sqrt, and 0 for a mixture that cancels, whose direction means nothing."""
    return square.masked_fill(square <= SHORTEST, torch.inf).rsqrt()


class SupReMixLoss(nn.Module):
    """`supremix` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.3,
        reduction: Reduction = "mean",
        mixer: OrdinalMixup | None = PUBLISHED,
        magnify: Magnify | None = "l1",
        label_scale: float = 1.0,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        _check_settings(magnify, label_scale)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.mixer = mixer
        self.magnify: Magnify | None = magnify
        self.label_scale = label_scale

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"temperature={self.temperature}, reduction={self.reduction!r}, mixer={self.mixer!r}, "
            f"magnify={self.magnify!r}, label_scale={self.label_scale}"
        )

    def forward(
        self,
        z: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
        targets: Float[Tensor, " n"] | Float[Tensor, "n 1"],
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `supremix`."""
        return supremix(
            z,
            targets,
            temperature=self.temperature,
            reduction=self.reduction,
            mixer=self.mixer,
            magnify=self.magnify,
            label_scale=self.label_scale,
            rows=rows,
        )
