"""Decoupled contrastive learning: the positive leaves the denominator, so small batches keep their gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_paired, check_positive
from core.losses.normalisation import cosines
from core.losses.pair_terms import PairTerms, one_way_terms, two_way_terms
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows
from core.losses.softmax_loss import SoftmaxLoss

__all__ = ["DCLLoss", "DCLWLoss", "dcl", "negative_positive_coupling", "positive_weights"]


def dcl(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    negatives: Float[Tensor, "m d"] | Float[Tensor, "r s d"] | None = None,
    extra_similarities: Float[Tensor, "t e"] | None = None,
    positive_weight: Float[Tensor, " n"] | None = None,
    normalize: bool = True,
    check_finite: bool = False,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Decoupled contrastive loss: minus the positive logit plus the log-sum-exp of the negatives alone.

    Yeh et al. 2022, arXiv 2110.06848, eq. 6; s_i is the positive logit, U the sum over the 2(n - 1) views of others::

        L_i = -w_i s_i + log U_i          w = 1 for DCL

    The paper sums over both views, the common implementation (raminnakhli) sums two means and masks with log(1e-45);
    we take the mean over all 2n terms and mask exactly.

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        temperature: > 0; both implementations take 0.1.
        reduction: "mean" or "sum" over the 2n terms, or "none".
        negatives: MoCo's form: these replace the negatives of the batch, ``(m, d)`` shared or ``(r, s, d)`` for each
            anchor, and only ``query`` rows are anchors (n terms).
        extra_similarities: as in `core.losses.info_nce.info_nce`, a row for each of the 2n anchors, or n with
            ``negatives``.
        positive_weight: w, one per pair; see `positive_weights`.
        normalize: cosine if true, dot product if not.
        check_finite: look for infinities and NaN in the input first, which costs one pass.
        rows: pairs to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar; with ``reduction="none"`` ``(2n,)``, first views then second; ``(n,)`` with ``negatives``.

    Returns:
        The loss, in float32 or better. It is negative in normal operation; its least value is -2/t + log(2n - 2).

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, a batch of 1 without ``negatives``, values that are not finite (if asked).

    Relations:
        NT-Xent of a term is its softplus; log(2n - 2) when all rows are equal.

    >>> round(float(dcl(torch.eye(2), torch.eye(2), temperature=1.0)), 4)  # log 2 - 1
    -0.3069
    """
    check_reduction(reduction)
    check_paired(query, key)
    if check_finite and not (query.isfinite().all() and key.isfinite().all()):
        raise ValueError("query and key must be finite, but hold infinities or NaN; look at the encoder's output")
    terms = _terms(query, key, temperature, negatives, extra_similarities, normalize, rows)
    positive = terms.positive
    if positive_weight is not None:
        if positive_weight.shape != query.shape[:1]:
            raise ValueError(
                f"positive_weight must have shape ({len(query)},), one per pair, got {tuple(positive_weight.shape)}"
            )
        anchors = anchor_rows(rows, len(query))
        weight = positive_weight[anchors.start : anchors.stop]
        positive = weight.repeat(len(positive) // len(weight)) * positive
    return reduce(terms.negatives - positive, reduction)


def _terms(
    query: Tensor,
    key: Tensor,
    temperature: float | Tensor,
    negatives: Tensor | None,
    extra_similarities: Tensor | None,
    normalize: bool,
    rows: slice | None,
) -> PairTerms:
    if negatives is None:
        return two_way_terms(
            query,
            key,
            temperature=temperature,
            extra_similarities=extra_similarities,
            normalize=normalize,
            rows=rows,
        )
    return one_way_terms(
        query,
        key,
        temperature=temperature,
        negatives=negatives,
        extra_similarities=extra_similarities,
        normalize=normalize,
        rows=rows,
    )


def positive_weights(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    sigma: float = 0.5,
    detach: bool = True,
    min_weight: float | None = None,
) -> Float[Tensor, " n"]:
    """DCLW's weights of the positives: hard (dissimilar) pairs count more.

    Negative von Mises-Fisher weights of arXiv 2110.06848; their mean is exactly 1::

        w_i = 2 - n softmax_i(cos(q_i, k_i) / sigma)

    The common implementation lets gradient flow through w, lightly does not; the paper is silent. We stop it, unless
    ``detach=False``.

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        sigma: > 0. A small sigma makes single weights strongly negative (-43 for n = 256 at 0.5 at worst).
        detach: stop the gradient.
        min_weight: least weight, for instance 0; the mean is then no longer 1.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes or sigma.

    Relations:
        All 1 where all positives are equally similar.

    >>> positive_weights(torch.eye(2), torch.eye(2)).tolist()
    [1.0, 1.0]
    """
    check_paired(query, key)
    check_positive("sigma", sigma, usual="0.5")
    with torch.set_grad_enabled(torch.is_grad_enabled() and not detach):
        weights = 2 - len(query) * torch.softmax(cosines(query, key) / sigma, dim=0)
        return weights if min_weight is None else weights.clamp(min=min_weight)


@torch.no_grad()
def negative_positive_coupling(
    query: Float[Tensor, "n d"], key: Float[Tensor, "n d"], *, temperature: float = 0.1, normalize: bool = True
) -> Float[Tensor, " t"]:
    """The factor that NT-Xent puts on each anchor's gradient and DCL sets to 1; a diagnostic, without gradient.

    ``q_i = 1 - e^s_i / (e^s_i + U_i) = sigmoid(L_i of DCL)`` (arXiv 2110.06848, proposition 1). Near 0 the pair teaches
    nothing, which is what small batches and easy negatives do to NT-Xent.

    Returns:
        ``(2n,)`` in [0, 1], first views then second.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, or a batch of 1.

    >>> negative_positive_coupling(torch.ones(2, 3), torch.ones(2, 3)).round(decimals=4).tolist()  # 2 of 3 candidates
    [0.666700005531311, 0.666700005531311, 0.666700005531311, 0.666700005531311]
    """
    return torch.sigmoid(dcl(query, key, temperature=temperature, reduction="none", normalize=normalize))


class DCLLoss(SoftmaxLoss):
    """`dcl` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        normalize: bool = True,
        check_finite: bool = False,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        self.check_finite = check_finite

    def weight(self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"]) -> Float[Tensor, " n"] | None:
        """Weights of the positives; ``None`` stands for 1 everywhere."""
        return None

    def forward(
        self,
        query: Float[Tensor, "n d"],
        key: Float[Tensor, "n d"],
        *,
        negatives: Float[Tensor, "m d"] | Float[Tensor, "r s d"] | None = None,
        extra_similarities: Float[Tensor, "t e"] | None = None,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `dcl`."""
        return dcl(
            query,
            key,
            temperature=self.temperature,
            reduction=self.reduction,
            negatives=negatives,
            extra_similarities=extra_similarities,
            positive_weight=self.weight(query, key),
            normalize=self.normalize,
            check_finite=self.check_finite,
            rows=rows,
        )


class DCLWLoss(DCLLoss):
    """`dcl` with the weights of `positive_weights`; its settings are those of both.

    Relations:
        Equals `DCLLoss` where all positives are equally similar.
    """

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        sigma: float = 0.5,
        detach: bool = True,
        min_weight: float | None = None,
        normalize: bool = True,
        check_finite: bool = False,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize, check_finite=check_finite)
        check_positive("sigma", sigma, usual="0.5")
        self.sigma = sigma
        self.detach = detach
        self.min_weight = min_weight

    def weight(self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Weights of the positives, by their similarity."""
        return positive_weights(query, key, sigma=self.sigma, detach=self.detach, min_weight=self.min_weight)
