"""InfoNCE: one positive against many negatives, one way or symmetric (NT-Xent)."""

from jaxtyping import Float, Int64
from torch import Tensor

from core.losses.pair_terms import one_way_terms, softplus, two_way_terms
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.softmax_loss import SoftmaxLoss

__all__ = ["InfoNCELoss", "NTXentLoss", "info_nce", "nt_xent"]


def info_nce(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    negatives: Float[Tensor, "m d"] | Float[Tensor, "r s d"] | None = None,
    extra_similarities: Float[Tensor, "r e"] | None = None,
    in_batch: bool | None = None,
    ids: Int64[Tensor, " n"] | None = None,
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Cross-entropy of each query against its candidates; row i of ``key`` is its positive.

    van den Oord et al. 2018, arXiv 1807.03748, eq. 4; with a queue as ``negatives`` MoCo's eq. 1 (arXiv 1911.05722)::

        L_i = logsumexp_j(q_i.k_j / t) - q_i.k_i / t        j over the positive and the negatives

    Args:
        query: anchors; normalised here.
        key: positives, row by row; normalised here.
        temperature: t > 0, 0.05 to 0.5 as a rule. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over anchors, or "none".
        negatives: candidates, ``(m, d)`` for all anchors or ``(r, s, d)`` for each of the r anchors; normalised here. A
            queue should carry no gradient, and the current keys enter it after the loss.
        extra_similarities: of each of the r anchors to e more negatives of its own, as they are: cosines where
            ``normalize`` is on, not divided by the temperature. They come beside the other negatives;
            `core.samplers.HardNegativeMixing` makes them.
        in_batch: whether the other rows of ``key`` are negatives too. ``None``: only if ``negatives`` is not given,
            which is MoCo's form.
        ids: rows with the same id are the same instance, and no negatives of each other. For a few duplicates an id;
            for classes use `core.losses.sup_con.sup_con`.
        normalize: cosine if true, dot product if not.
        rows: anchors to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, or an anchor without negatives (a batch of 1 without ``negatives``).

    Relations:
        softplus of the one-way DCL; log n when all rows are equal; log(1 + m) when the queue equals the positives. A
        zero vector has cosine 0 with everything and gets no gradient.

    >>> import torch
    >>> round(float(info_nce(torch.eye(2), torch.eye(2), temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133
    """
    check_reduction(reduction)
    terms = one_way_terms(
        query,
        key,
        temperature=temperature,
        negatives=negatives,
        extra_similarities=extra_similarities,
        in_batch=in_batch,
        ids=ids,
        normalize=normalize,
        rows=rows,
    )
    return reduce(softplus(terms.negatives - terms.positive), reduction)


def nt_xent(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    reduction: Reduction = "mean",
    extra_similarities: Float[Tensor, "t e"] | None = None,
    ids: Int64[Tensor, " n"] | None = None,
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Normalised temperature-scaled cross-entropy over 2n views, an anchor's own view excluded.

    Chen et al. 2020 (SimCLR), arXiv 2002.05709, eq. 1; z stacks both batches, p(i) is the other view of i::

        L = 1/(2n) sum_i [ logsumexp_{k != i}(z_i.z_k / t) - z_i.z_p(i) / t ]

    SimCLR's released code adds the means of the two directions, which is twice this value; the paper divides by 2n,
    and so do we.

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        temperature: t > 0. SimCLR's published runs take 0.1 to 0.5.
        reduction: "mean" or "sum" over the 2n anchors, or "none".
        extra_similarities: as in `info_nce`, a row for each of the 2n anchors: first views, then second.
        ids: as in `info_nce`.
        normalize: cosine if true, dot product if not.
        rows: instances to score, in both views.

    Shape:
        Output is a scalar, or ``(2n,)`` with ``reduction="none"``: first views, then second.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, or a batch of 1, which has no negatives.

    Relations:
        softplus of each DCL term; SupCon with one label per instance; log(2n - 1) when all rows are equal.

    >>> import torch
    >>> round(float(nt_xent(torch.eye(2), torch.eye(2), temperature=1.0)), 4)  # log(1 + 2/e)
    0.5514
    """
    check_reduction(reduction)
    terms = two_way_terms(
        query,
        key,
        temperature=temperature,
        extra_similarities=extra_similarities,
        ids=ids,
        normalize=normalize,
        rows=rows,
    )
    return reduce(softplus(terms.negatives - terms.positive), reduction)


class InfoNCELoss(SoftmaxLoss):
    """`info_nce` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        in_batch: bool | None = None,
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        self.in_batch = in_batch

    def forward(
        self,
        query: Float[Tensor, "n d"],
        key: Float[Tensor, "n d"],
        *,
        negatives: Float[Tensor, "m d"] | Float[Tensor, "r s d"] | None = None,
        extra_similarities: Float[Tensor, "r e"] | None = None,
        ids: Int64[Tensor, " n"] | None = None,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `info_nce`."""
        return info_nce(
            query,
            key,
            temperature=self.temperature,
            reduction=self.reduction,
            negatives=negatives,
            extra_similarities=extra_similarities,
            in_batch=self.in_batch,
            ids=ids,
            normalize=self.normalize,
            rows=rows,
        )


class NTXentLoss(SoftmaxLoss):
    """`nt_xent` with its settings."""

    def __init__(self, *, temperature: float = 0.5, reduction: Reduction = "mean", normalize: bool = True) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)

    def forward(
        self,
        query: Float[Tensor, "n d"],
        key: Float[Tensor, "n d"],
        *,
        extra_similarities: Float[Tensor, "t e"] | None = None,
        ids: Int64[Tensor, " n"] | None = None,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `nt_xent`."""
        return nt_xent(
            query,
            key,
            temperature=self.temperature,
            reduction=self.reduction,
            extra_similarities=extra_similarities,
            ids=ids,
            normalize=self.normalize,
            rows=rows,
        )
