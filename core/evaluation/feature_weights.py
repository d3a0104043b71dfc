"""How strongly a linear layer holds each feature, and how strongly the best linear model would."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least, check_embeddings

__all__ = ["LinearSpectralSolution", "feature_weights", "linear_spectral_solution"]

TOLERANCE = 1e-5
"""Asymmetry of a correlation that counts as rounding, relative to its largest entry."""


def feature_weights(
    weight: Float[Tensor, "k d"], *, features: Float[Tensor, "d f"] | None = None
) -> Float[Tensor, " w"]:
    """The weights that a linear map, ``x -> weight @ x``, gives to features of its input.

    Xue et al. 2024, arXiv 2403.11391, read from them that deeper layers weigh features more unevenly: in a trained
    two-layer linear model the weights after the first layer are the square roots of those after both.

    Args:
        weight: the matrix of one layer, as ``nn.Linear.weight``, or the product of several, the last one leftmost.
        features: directions of the input, in columns, whose weights are asked for; ``torch.eye(d)`` takes the inputs
            themselves. None takes the directions that the map itself singles out.

    Shape:
        ``(min(k, d),)`` without ``features``, else ``(f,)``.

    Returns:
        Singular values, largest first; or the length of the image of each feature divided by its own.

    Raises:
        TypeError: integer matrices.
        ValueError: shapes, or a feature that is zero.

    >>> feature_weights(torch.tensor([[0.0, 3.0], [2.0, 0.0]])).tolist()
    [3.0, 2.0]
    >>> feature_weights(torch.tensor([[0.0, 3.0], [2.0, 0.0]]), features=torch.eye(2)).tolist()
    [2.0, 3.0]
    """
    check_embeddings("weight", weight)
    check_at_least("the rows of weight", len(weight), 1)
    if features is None:
        values: Tensor = torch.linalg.svdvals(weight)
        return values
    check_embeddings("features", features)
    if features.shape[0] != weight.shape[1]:
        raise ValueError(
            f"features must have {weight.shape[1]} rows, the width of weight's input, got {tuple(features.shape)}"
        )
    lengths: Tensor = torch.linalg.vector_norm(features, dim=0)
    if not bool((lengths > 0).all()):
        raise ValueError("features must not hold a column of zeros: it has no direction")
    images: Tensor = torch.linalg.vector_norm(weight @ features, dim=0)
    return images / lengths


class LinearSpectralSolution(NamedTuple):
    """The trained two-layer linear model: weights after the first layer, after both, and the loss; see below."""

    pre_weights: Tensor
    post_weights: Tensor
    loss: float


def linear_spectral_solution(correlation: Float[Tensor, "d d"], *, width: int | None = None) -> LinearSpectralSolution:
    """What the spectral contrastive loss makes of f(x) = W2 W1 x on whitened inputs, without training.

    With A = E[x x+'] between two views and a_k its eigenvalues, how much of feature k the augmentation leaves, the
    minimum of ``-2 E[f(x).f(x+)] + E[(f(x).f(x'))^2]`` is at (W2 W1)'(W2 W1) = A, and gradient descent from a small
    start keeps the layers balanced, W2'W2 = W1 W1'. So the weights are sqrt(a_k) after both layers and the square
    roots of these after the first, where they are more even: Xue et al. 2024, arXiv 2403.11391. It holds for linear
    models only.

    Args:
        correlation: A, symmetric; eigenvalues below 0 cannot be reached and count as 0.
        width: the narrower of hidden and output width, >= 1: only so many features are kept, the best ones. None keeps
            all.

    Returns:
        Weights (singular values), largest first, ``(d,)`` each, in float64, and the least loss, -sum of a_k^2.

    Raises:
        TypeError: an integer matrix.
        ValueError: not square, not symmetric, a width below 1.

    >>> solution = linear_spectral_solution(torch.diag(torch.tensor([0.0625, 1.0])))
    >>> solution.pre_weights.tolist(), solution.post_weights.tolist(), round(solution.loss, 4)
    ([1.0, 0.5], [1.0, 0.25], -1.0039)
    """
    check_embeddings("correlation", correlation)
    if correlation.shape[0] != correlation.shape[1]:
        raise ValueError(f"correlation must be square, got shape {tuple(correlation.shape)}")
    if width is not None:
        check_at_least("width", width, 1)
    a = correlation.detach().double()
    if float((a - a.T).abs().max()) > TOLERANCE * float(a.abs().max()):
        raise ValueError("correlation must be symmetric: take the mean of the matrix and its transpose")
    kept = torch.linalg.eigvalsh(a).flip(0).clamp(min=0)
    if width is not None:
        kept[width:] = 0
    post = kept.sqrt()
    return LinearSpectralSolution(post.sqrt(), post, -float(kept.square().sum()))
