"""The two numbers behind InfoNCE, NT-Xent, DCL and CLIP: an anchor's positive logit and the log-sum of its negatives.

With s the positive logit and u the log-sum-exp of the negatives, DCL is u - s and InfoNCE is softplus(u - s). Keeping
the positive out of the sum costs nothing and saves the digits that log(e^s + e^u) - s loses when s is far above u.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_paired, check_temperature
from core.losses.normalisation import full_precision, unit_rows
from core.losses.rows import anchor_rows, anchors_of_views, columns, other_members
from core.similarity import cross_logsumexp, similarity_logsumexp

__all__ = ["PairTerms", "checked_ids", "crossed_terms", "one_way_terms", "softplus", "two_way_terms"]


class PairTerms(NamedTuple):
    """One entry per anchor: ``negatives`` is a log-sum-exp, ``positive`` a logit, both divided by the temperature."""

    negatives: Tensor
    positive: Tensor


def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + e^x) exactly; ``F.softplus`` switches to x above 20 and is 2e-9 off there."""
    return -torch.nn.functional.logsigmoid(-x)


def _prepare(x: Tensor, normalize: bool) -> Tensor:
    return unit_rows(x) if normalize else full_precision(x)


def one_way_terms(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""],
    negatives: Float[Tensor, "m d"] | Float[Tensor, "r s d"] | None = None,
    extra_similarities: Float[Tensor, "r e"] | None = None,
    in_batch: bool | None = None,
    ids: Int64[Tensor, " n"] | None = None,
    normalize: bool = True,
    rows: slice | None = None,
) -> PairTerms:
    """Queries against keys: row i of ``key`` is the positive, candidates are the other keys or given negatives.

    Args:
        query: anchors.
        key: row i is the positive of row i of ``query``.
        temperature: > 0.
        negatives: shared ``(m, d)``, or ``(r, s, d)`` for each of the r anchors alone.
        extra_similarities: of each of the r anchors to e more negatives, before the division by the temperature.
        in_batch: whether the other keys are negatives; ``None`` means only where ``negatives`` is not given.
        ids: rows with the same id are the same instance and no negatives of each other.
        normalize: cosine if true, dot product if not.
        rows: anchors, see `core.losses.rows.anchor_rows`.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, or an anchor without any negative.
    """
    check_paired(query, key)
    check_temperature(temperature)
    anchors = anchor_rows(rows, len(query))
    mine = slice(anchors.start, anchors.stop)
    if in_batch is None:
        in_batch = negatives is None
    own = _own_total(extra_similarities, len(anchors), temperature)
    if negatives is not None:
        _check_negatives(negatives, query.shape[1], len(anchors))
    elif in_batch:
        check_at_least("the batch", len(query), 2, "a row's only negatives are the other rows; drop the last batch")
    elif own is None:
        raise ValueError("there are no negatives: pass negatives, or leave in_batch on")

    query, key = _prepare(query[mine], normalize), _prepare(key if in_batch else key[mine], normalize)
    positive = (query * (key[mine] if in_batch else key)).sum(dim=1) / temperature
    if negatives is None and not in_batch and own is not None:
        return PairTerms(own, positive)
    prepared = None if negatives is None else _prepare(negatives, normalize)
    shared = prepared if prepared is not None and prepared.dim() == 2 else None
    extra = prepared if shared is None else None
    exclude = None
    if in_batch:
        parts = [torch.arange(anchors.start, anchors.stop, device=query.device)]
        if ids is not None:
            parts.append(other_members(checked_ids(ids, len(key)))[mine])
        exclude = columns(parts)
        pool = key if shared is None else torch.cat([key, shared])
    elif shared is not None:
        pool = shared
    else:  # the kernel wants at least one shared key: give it one that no row takes
        pool, exclude = key[:1].detach(), torch.zeros(len(query), dtype=torch.int64, device=query.device)
    total = similarity_logsumexp(query, pool, temperature=temperature, exclude=exclude, extra=extra)
    return PairTerms(_joined(total, own), positive)


def crossed_terms(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""],
    rows: slice | None = None,
) -> tuple[PairTerms, PairTerms]:
    """Queries against keys, and keys against queries; arguments and errors are those of `one_way_terms`.

    With all rows as anchors both directions share one similarity matrix, which halves the products.
    """
    if rows is not None:
        return (
            one_way_terms(query, key, temperature=temperature, rows=rows),
            one_way_terms(key, query, temperature=temperature, rows=rows),
        )
    check_paired(query, key)
    check_temperature(temperature)
    check_at_least("the batch", len(query), 2, "a row's only negatives are the other rows; drop the last batch")
    query, key = _prepare(query, True), _prepare(key, True)
    positive = (query * key).sum(dim=1) / temperature
    own = torch.arange(len(query), device=query.device)
    forth, back = cross_logsumexp(query, key, temperature=temperature, exclude=own)
    return PairTerms(forth, positive), PairTerms(back, positive)


def two_way_terms(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""],
    extra_similarities: Float[Tensor, "t e"] | None = None,
    ids: Int64[Tensor, " n"] | None = None,
    normalize: bool = True,
    rows: slice | None = None,
) -> PairTerms:
    """Both views against both views: 2n anchors (first view, then second), each with 2(n - 1) negatives.

    Arguments and errors are those of `one_way_terms`; ``rows`` selects instances, in both views, and
    ``extra_similarities`` has a row for each anchor: first views, then second.
    """
    check_paired(query, key)
    check_temperature(temperature)
    count = len(query)
    check_at_least("the batch", count, 2, "a row's only negatives are the other rows; drop the last batch")
    anchors = anchor_rows(rows, count)
    extra = _own_total(extra_similarities, 2 * len(anchors), temperature)
    views = _prepare(torch.cat([query, key]), normalize)  # (2n, d)
    own = anchors_of_views(anchors, count, 2, views.device)
    parts = [own, (own + count) % (2 * count)]
    if ids is not None:
        same = other_members(checked_ids(ids, count))[anchors.start : anchors.stop].repeat(2, 1)
        parts += [same, torch.where(same < 0, -1, same + count)]
    mine = slice(anchors.start, anchors.stop)
    positive = ((views[:count] * views[count:]).sum(dim=1)[mine] / temperature).repeat(2)
    # The same object on both sides switches the kernel to its symmetric half, so it is indexed only if it must be.
    anchor = views if rows is None else views[own]
    total = similarity_logsumexp(anchor, views, temperature=temperature, exclude=columns(parts))
    return PairTerms(_joined(total, extra), positive)


def _own_total(similarities: Tensor | None, anchors: int, temperature: float | Tensor) -> Tensor | None:
    """Log-sum-exp of the logits that belong to one anchor each; ``None`` where there are none."""
    if similarities is None:
        return None
    if similarities.dim() != 2 or len(similarities) != anchors:
        raise ValueError(
            f"extra_similarities must be ({anchors}, e), a row for each anchor, got {tuple(similarities.shape)}"
        )
    if similarities.shape[1] == 0:
        return None
    check_embeddings("extra_similarities", similarities)
    return (full_precision(similarities) / temperature).logsumexp(dim=1)


def _joined(total: Tensor, own: Tensor | None) -> Tensor:
    return total if own is None else torch.logaddexp(total, own.to(total.dtype))


def checked_ids(ids: Tensor, count: int) -> Int64[Tensor, " n"]:
    """The ids themselves, if there is one int64 for each row.

    Raises:
        ValueError: another type or shape.
    """
    if ids.dtype != torch.int64 or ids.shape != (count,):
        raise ValueError(f"ids must be int64 of shape ({count},), got {ids.dtype} of shape {tuple(ids.shape)}")
    return ids


def _check_negatives(negatives: Tensor, width: int, anchors: int) -> None:
    check_embeddings("negatives", negatives, dims=(2, 3))
    shared = negatives.dim() == 2
    if negatives.shape[-1] != width or 0 in negatives.shape or not (shared or len(negatives) == anchors):
        raise ValueError(
            f"negatives must be (m, {width}), shared by all anchors, or ({anchors}, s, {width}), one set for each, "
            f"with m, s >= 1; got {tuple(negatives.shape)}"
        )
