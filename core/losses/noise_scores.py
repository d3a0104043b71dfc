"""What noise-contrastive losses are given: scores of pairs, and log-probabilities of their items under the noise."""

import math

from torch import Tensor

from core.losses.normalisation import full_precision

__all__ = ["check_scores", "checked_noise"]


def check_scores(name: str, scores: Tensor) -> None:
    """Refuse what is not a floating tensor with at least one score.

    Raises:
        TypeError: not of a floating type.
        ValueError: no score.
    """
    if not scores.is_floating_point():
        raise TypeError(f"{name} must be a floating tensor, got {scores.dtype}")
    if not scores.numel():
        raise ValueError(f"{name} must hold at least one score, got shape {tuple(scores.shape)}")


def checked_noise(log_prob: float | Tensor, scores: Tensor) -> float | Tensor:
    """The logarithm of q, if it can be subtracted from the scores without giving them another shape.

    Raises:
        TypeError: a tensor that is not floating.
        ValueError: a number that is not finite, a tensor that does not broadcast to the scores.
    """
    if not isinstance(log_prob, Tensor):
        if not math.isfinite(log_prob):
            raise ValueError(f"noise_log_prob must be finite, got {log_prob!r}; -log(c) is uniform noise over c items")
        return log_prob
    if not log_prob.is_floating_point():
        raise TypeError(f"noise_log_prob must hold floating tensors, got {log_prob.dtype}")
    fits = log_prob.dim() <= scores.dim() and all(
        mine in (1, theirs) for mine, theirs in zip(reversed(log_prob.shape), reversed(scores.shape), strict=False)
    )
    if not fits:
        raise ValueError(
            f"noise_log_prob must broadcast to the scores, shape {tuple(scores.shape)}, got {tuple(log_prob.shape)}"
        )
    return full_precision(log_prob)
