"""Weigh attributes anew by what the sets say: attributes that speak together must not count twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["fit_shift", "shifted"]

_PENALTY = 100.0
_ROUNDS = 50
_CLIP = 40.0


def shifted(
    start: NDArray[np.float64], evidence: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(p,)`` log odds after `fit_shift`.

    Args:
        start: ``(p,)`` log odds as they were.
        evidence: ``(p, m)`` log odds by attribute.
        shift: ``(m + 1,)`` of the attributes, then of the constant.

    >>> shifted(np.array([1.0]), np.array([[2.0]]), np.array([-0.5, 0.25])).tolist()
    [0.25]
    """
    found: NDArray[np.float64] = start + evidence @ shift[:-1] + shift[-1]
    return found


def fit_shift(
    evidence: NDArray[np.float64],
    start: NDArray[np.float64],
    target: NDArray[np.float64],
    importance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Logistic regression of ``target`` on the evidence of the attributes, drawn towards leaving all as it is.

    The log odds become ``start + evidence @ shift[:-1] + shift[-1]``: a shift of -1 takes an attribute out, -0.5 halves
    it. Minimises the weighted cross-entropy plus 50 times the squared length of the shifts (the constant is free) by
    Newton's method with steps of at most 1.

    Args:
        evidence: ``(p, m)`` log odds by attribute.
        start: ``(p,)`` log odds as they are.
        target: ``(p,)`` in [0, 1].
        importance: ``(p,)`` weights >= 0 of the pairs.

    Returns:
        ``(m + 1,)`` shifts of the attributes, then of the constant.
    """
    inputs = np.column_stack([evidence, np.ones(len(evidence))])
    penalty = np.full(inputs.shape[1], _PENALTY)
    penalty[-1] = 1e-3
    shift = np.zeros(inputs.shape[1])
    for _ in range(_ROUNDS):
        chance = expit(np.clip(start + inputs @ shift, -_CLIP, _CLIP))
        gradient = inputs.T @ (importance * (chance - target)) + penalty * shift
        curvature = (inputs * (importance * chance * (1 - chance))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        length = float(np.abs(step).max())
        shift -= step * min(1.0, 1.0 / max(length, 1e-12))
        if length < 1e-4:
            break
    return shift
