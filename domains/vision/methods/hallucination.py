"""What hallucinated pairs look like while their network learns."""

import torch
from torch import Tensor

from core.samplers import Hallucinator, hallucinator_statistics

__all__ = ["hallucination"]


@torch.no_grad()
def hallucination(hallucinator: Hallucinator, move: Tensor, keep: Tensor) -> dict[str, Tensor | float]:
    """Whether hallucinated pairs are harder than real ones; at the middle ratio, so that nothing is drawn.

    Args:
        hallucinator: as it is.
        move: rows ``(n, d)``.
        keep: their partners.
    """
    made = hallucinator(move, keep, ratio=hallucinator.max_ratio / 2)
    found = hallucinator_statistics(move, keep, made)
    return {
        "cosine of pairs": found.real,
        "cosine of hallucinated pairs": found.hallucinated,
        "cosine of copies": found.copied,
        "hallucinated spread": found.spread * move.shape[1] ** 0.5,
    }
