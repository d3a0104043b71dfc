"""Ranking noise-contrastive estimation: which one of K + 1 candidates, by their scores, is true."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from core.checks import check_temperature
from core.losses.noise_scores import check_scores, checked_noise
from core.losses.normalisation import full_precision
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["RankingNCELoss", "ranking_nce"]


def ranking_nce(
    positive_scores: Float[Tensor, " n"] | Float[Tensor, "n p"],
    negative_scores: Float[Tensor, "n k"],
    *,
    temperature: float | Float[Tensor, ""] = 1.0,
    reduction: Reduction = "mean",
    positive_mask: Bool[Tensor, "n p"] | None = None,
    negative_mask: Bool[Tensor, "n k"] | None = None,
    noise_log_prob: tuple[Float[Tensor, "..."], Float[Tensor, "..."]] | None = None,
) -> Float[Tensor, "..."]:
    """Ranking noise-contrastive estimation: which of K + 1 candidates is the true one.

    Ma and Collins 2018, arXiv 1809.01812; g are scores, each positive stands against the row's negatives alone::

        L_i = mean over p of log( e^{g_ip / t} + sum_k e^{g_ik / t} ) - g_ip / t

    With ``noise_log_prob`` it is the conditional form: every g / t loses log q of its item, so that negatives may be
    drawn from any q; the minimiser is the log-probability of the data up to a constant of the row.

    Args:
        positive_scores: g of the true candidate of each row, or of several.
        negative_scores: g of each row's own K negatives.
        temperature: t > 0. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over rows, or "none".
        positive_mask: true where a positive counts, for rows with fewer than p; at least one a row.
        negative_mask: true where a negative counts; at least one a row.
        noise_log_prob: log q of the positive and of the negative items, in shapes that broadcast to the scores.
            Negatives must then come from q itself, also where they hit a true item.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer scores, masks that are not boolean.
        ValueError: shapes, temperature, no rows, a row without a positive or without a negative.

    Relations:
        Invariant to a constant added to a row's scores. With K = 1 the logistic loss of the score difference. With
        cosines as scores InfoNCE with own negatives; for labels that all rows share see `core.losses.label_contrast`.

    >>> import torch
    >>> round(float(ranking_nce(torch.tensor([1.0]), torch.tensor([[-0.5, 0.2]]))), 6)
    0.514295
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_scores("positive_scores", positive_scores)
    check_scores("negative_scores", negative_scores)
    _check_rows(positive_scores, negative_scores)
    positive, negative = full_precision(positive_scores), full_precision(negative_scores)
    positive = positive[:, None] if positive.dim() == 1 else positive
    # Masked places leave before the division: 0 times infinity would be the temperature's gradient.
    positive = _kept("positive_mask", positive, positive_mask) / temperature
    negative = _kept("negative_mask", negative, negative_mask) / temperature
    if noise_log_prob is not None:
        if not isinstance(noise_log_prob, tuple):
            raise TypeError(
                "noise_log_prob must be a pair of tensors, for positives and for negatives, got "
                f"{type(noise_log_prob).__name__}; uniform noise cancels here, so leave it out"
            )
        own = noise_log_prob[0]
        if own.dim() == 1 and own.shape == positive_scores.shape:
            own = own[:, None]
        positive = positive - checked_noise(own, positive)
        negative = negative - checked_noise(noise_log_prob[1], negative)
    if negative_mask is not None:
        negative = negative.masked_fill(~negative_mask, -torch.inf)
    terms = softplus(negative.logsumexp(dim=1, keepdim=True) - positive)  # (n, p)
    if positive_mask is None:
        return reduce(terms.mean(dim=1), reduction)
    return reduce(terms.masked_fill(~positive_mask, 0.0).sum(dim=1) / positive_mask.sum(dim=1), reduction)


def _check_rows(positive: Tensor, negative: Tensor) -> None:
    if positive.dim() not in (1, 2) or negative.dim() != 2 or len(positive) != len(negative):
        raise ValueError(
            "positive_scores must be (n,) or (n, p) and negative_scores (n, k), row by row; got "
            f"{tuple(positive.shape)} and {tuple(negative.shape)}"
        )


def _kept(name: str, scores: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return scores
    if mask.dtype != torch.bool:
        raise TypeError(f"{name} must be boolean, true where a score counts, got {mask.dtype}")
    if mask.shape != scores.shape:
        raise ValueError(f"{name} must have the shape of the scores, {tuple(scores.shape)}, got {tuple(mask.shape)}")
    empty = ~mask.any(dim=1)
    if bool(empty.any()):
        raise ValueError(f"{name} leaves nothing to row {int(empty.nonzero()[0])} (and {int(empty.sum()) - 1} more)")
    return scores.masked_fill(~mask, 0.0)


class RankingNCELoss(nn.Module):
    """`ranking_nce` with its settings."""

    def __init__(self, *, temperature: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        self.temperature = temperature
        self.reduction: Reduction = reduction

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"temperature={self.temperature!r}, reduction={self.reduction!r}"

    def forward(
        self,
        positive_scores: Float[Tensor, " n"] | Float[Tensor, "n p"],
        negative_scores: Float[Tensor, "n k"],
        *,
        positive_mask: Bool[Tensor, "n p"] | None = None,
        negative_mask: Bool[Tensor, "n k"] | None = None,
        noise_log_prob: tuple[Float[Tensor, "..."], Float[Tensor, "..."]] | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `ranking_nce`."""
        return ranking_nce(
            positive_scores,
            negative_scores,
            temperature=self.temperature,
            reduction=self.reduction,
            positive_mask=positive_mask,
            negative_mask=negative_mask,
            noise_log_prob=noise_log_prob,
        )
