"""The hot path under every softmax loss: the log-sum-exp of the similarities of each query to all keys."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.similarity.arguments import prepare
from core.similarity.both_sides import is_bounded
from core.similarity.exclusions import is_symmetric
from core.similarity.own_candidates import own_logits
from core.similarity.plain import plain_logsumexp, plain_symmetric_logsumexp
from core.similarity.symmetric import symmetric_logsumexp
from core.similarity.two_sided import attended_logsumexp, tiled_logsumexp

__all__ = ["similarity_logsumexp"]


def similarity_logsumexp(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "m d"],
    *,
    temperature: float | Float[Tensor, ""] | Float[Tensor, " n"],
    exclude: Int64[Tensor, " n"] | Int64[Tensor, "n e"] | None = None,
    extra: Float[Tensor, "n s d"] | None = None,
    tile: int | None = None,
    matmul_dtype: torch.dtype | None = None,
) -> Float[Tensor, " n"]:
    """Log-sum-exp of the similarities of each query to its candidates, exact, without the (n, m) matrix.

    lse_i = log( sum_{j not in exclude_i} exp(<query_i, key_j> / T_i) + sum_s exp(<query_i, extra_is> / T_i) )

    Tiles with a running maximum and recomputation in the backward pass (Cheng et al., arXiv 2410.17243; Dao et al.,
    arXiv 2205.14135). When ``query is key`` and the temperature is one number, only the tiles on and above the
    diagonal are formed. Small problems take the plain matrix. Differentiable once, in query, key, extra and
    temperature; a side without ``requires_grad`` costs nothing in the backward pass. Autocast does not reach inside.

    Args:
        query: the anchors, as they are: nothing is normalised, and any scale is right.
        key: the candidates of all anchors, m >= 1.
        temperature: > 0; a number, a scalar tensor, or one per row (which takes the two-sided tiles).
        exclude: for each row the columns left out, -1 for none. Meant for a few per row (own view, positive); work
            and memory grow with n e, so a loss that leaves out whole groups sums over sorted groups instead.
        extra: candidates of one row alone. Their (n, s) logits are kept.
        tile: rows and columns of a tile, >= 1; None takes the plain matrix or a tile that fits the cache.
        matmul_dtype: None multiplies in the type of the inputs (float32 for half types); ``torch.bfloat16`` rounds the
            operands of every product, which costs about three digits (the benchmark ``losses`` measures it) and pays
            only on hardware with bfloat16 matrix units.

    Returns:
        (n,), float32 for half-precision inputs, otherwise their type.

    Raises:
        TypeError: integer embeddings or temperature, ``exclude`` not int64, or another ``matmul_dtype``.
        ValueError: shapes that do not fit, no keys, temperature <= 0, an index outside -1 .. m - 1, or a row without
            any candidate.

    Relations:
        Equals ``(query @ key.T / temperature).logsumexp(1)`` without the optional arguments.

    >>> z = torch.eye(3)
    >>> similarity_logsumexp(z, z, temperature=1.0, exclude=torch.arange(3))  # two orthogonal rows each: log 2
    tensor([0.6931, 0.6931, 0.6931])
    """
    given = prepare(
        query, key, temperature=temperature, exclude=exclude, tile=tile, matmul_dtype=matmul_dtype, extra=extra
    )
    inverse, exclude, dtype, operands, plain, size = given
    symmetric = query is key and inverse.dim() == 0 and (exclude is None or is_symmetric(exclude))
    with torch.autocast(query.device.type, enabled=False):
        rows = query.to(dtype)
        # One tensor for both sides, so that their gradients meet before a half type rounds them.
        keys = rows if query is key else key.to(dtype)
        scaled = rows * inverse
        if symmetric and not plain:
            value = symmetric_logsumexp(rows * inverse.sqrt(), exclude, size, operands)
        elif symmetric and is_bounded(scaled, keys):
            value = plain_symmetric_logsumexp(rows * inverse.sqrt(), exclude, operands)
        elif plain:
            value = plain_logsumexp(scaled, keys, exclude, operands)
        elif scaled.requires_grad and not keys.requires_grad:
            value = attended_logsumexp(scaled, keys, exclude, size, operands)
        else:
            value = tiled_logsumexp(scaled, keys, exclude, size, operands)
        if extra is not None and extra.shape[1] > 0:
            value = torch.logaddexp(value, own_logits(scaled, extra.to(dtype)).logsumexp(1))
    return value
