"""Ridge regression on frozen embeddings, its strength chosen by leaving one out."""

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_targets

__all__ = ["ridge_regression"]


def ridge_regression(
    train: Float[Tensor, "n d"], targets: Float[Tensor, " n"], test: Float[Tensor, "m d"]
) -> Float[Tensor, " m"]:
    """Predict a number from frozen rows with scikit-learn's ``RidgeCV`` on standardised rows.

    The strength is chosen among 1e-3 .. 1e5 on the training rows by leave-one-out errors.

    Args:
        train: embeddings to learn from, at least two rows.
        targets: the number of each.
        test: embeddings to predict for.

    Returns:
        Predictions, in the unit of the targets.

    Raises:
        ValueError: shapes, fewer than two rows, targets that are not finite.

    >>> x = torch.arange(6.0)[:, None]
    >>> ridge_regression(x, 2 * x[:, 0], torch.tensor([[10.0]])).round().tolist()
    [20.0]
    """
    check_embeddings("train", train)
    check_embeddings("test", test)
    check_targets(targets, len(train))
    check_at_least("the number of training rows", len(train), 2)
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-3, 5, 17)))
    model.fit(train.detach().double().numpy(), targets.double().numpy())
    return torch.as_tensor(model.predict(test.detach().double().numpy()), dtype=torch.float32)
