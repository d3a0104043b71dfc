"""One call at the program's edge that fixes every global generator."""

import random

import numpy as np
import torch

__all__ = ["seed_everything"]


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and torch, and return a generator of its own stream for the method.

    Args:
        seed: 0 to 2^32 - 1.

    Raises:
        ValueError: out of range.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in 0..4294967295, got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)
