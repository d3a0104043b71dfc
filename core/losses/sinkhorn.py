"""Sinkhorn-Knopp: soft assignments of samples to prototypes that use all prototypes alike."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_positive
from core.distributed import joined_logsumexp
from core.losses.normalisation import full_precision

__all__ = ["check_sinkhorn", "sinkhorn_knopp"]


@torch.no_grad()
def sinkhorn_knopp(
    scores: Float[Tensor, "b k"], *, epsilon: float = 0.05, iterations: int = 3, across_processes: bool = False
) -> Float[Tensor, "b k"]:
    """Balanced assignments of b samples to k prototypes, without gradient.

    Cuturi 2013, arXiv 1306.0895, as used by Caron et al. 2020 (SwAV), arXiv 2006.09882, eqs. 3 to 5. From
    Q = exp(scores / epsilon), each iteration gives every prototype the mass b / k, then every sample the mass 1::

        log Q <- log Q - logsumexp over samples;    log Q <- log Q - logsumexp over prototypes

    The logarithms do what the released code does with Q itself, whose exp(1 / epsilon) leaves float32 at epsilon 0.011
    and float16 at 0.09. Computed in float32 or better, whatever autocast says.

    Args:
        scores: similarity of each sample to each prototype; cosines as a rule, any finite scale is right.
        epsilon: > 0; small is hard, large is uniform. SwAV takes 0.05, and advises 0.03 where training is stuck.
        iterations: >= 1; SwAV takes 3. Samples have mass 1 after any number, prototypes b / k only in the limit.
        across_processes: the rows are this process's share, and prototypes are balanced over the shares of all; every
            process must call. One vector of length k travels in each iteration.

    Shape:
        ``(b, k)`` to ``(b, k)``.

    Returns:
        Q, >= 0, whose rows sum to 1; float32, or float64 for float64.

    Raises:
        TypeError: integer scores.
        ValueError: shapes, no samples, epsilon, iterations, or scores that are not finite.

    Relations:
        Uniform for equal scores and for large epsilon, a hard balanced assignment for small epsilon and many
        iterations. The same constant for all samples of a prototype changes nothing.

    >>> sinkhorn_knopp(torch.tensor([[0.1, 0.0], [0.1, 0.0]])).tolist()  # no sample may take more than its half
    [[0.5, 0.5], [0.5, 0.5]]
    """
    check_sinkhorn(epsilon, iterations)
    check_embeddings("scores", scores)
    check_at_least("the number of samples", len(scores), 1)
    with torch.autocast(scores.device.type, enabled=False):
        logs = full_precision(scores) / epsilon
        if not logs.isfinite().all():
            raise ValueError(_not_finite(scores, epsilon))
        for _ in range(iterations):
            prototype_mass = joined_logsumexp(logs, dim=0) if across_processes else logs.logsumexp(dim=0)
            # log_softmax takes the maximum out first, so that rows sum to 1 however small epsilon is
            logs = torch.log_softmax(logs - prototype_mass, dim=1)
        return logs.exp()


def check_sinkhorn(epsilon: float, iterations: int) -> None:
    """Refuse an epsilon that is not finite and positive, and less than one iteration.

    Raises:
        ValueError: with the name, what is allowed and what came.
    """
    check_positive("epsilon", epsilon, usual="0.03 to 0.05")
    check_at_least("iterations", iterations, 1, "SwAV takes 3")


def _not_finite(scores: Tensor, epsilon: float) -> str:
    bad = int((~scores.isfinite()).any(dim=1).sum())
    if bad:
        return (
            f"scores must be finite, {bad} of {len(scores)} rows are not; scale the features to unit length before the "
            "prototypes"
        )
    return f"scores / epsilon leaves the range of {full_precision(scores).dtype} at epsilon={epsilon!r}"
