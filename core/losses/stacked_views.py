"""Stacked views ``(v, n, d)``: their check, their unit rows, and the products of the views of one instance."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least, check_embeddings
from core.losses.normalisation import full_precision, unit_rows

__all__ = ["instance_products", "prepared_views"]


def prepared_views(views: Float[Tensor, "v n d"], *, normalize: bool = True) -> Float[Tensor, "v n d"]:
    """The views in float32 or better, as unit rows if asked.

    Raises:
        TypeError: not a floating tensor.
        ValueError: not three axes, fewer than 2 views (no positives) or fewer than 2 instances (no negatives).

    >>> prepared_views(torch.full((2, 2, 1), 3.0)).flatten().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    check_embeddings("views", views, dims=(3,))
    check_at_least("the number of views", len(views), 2, "an instance's positives are its other views")
    check_at_least("the batch", views.shape[1], 2, "an instance's negatives are the other rows; drop the last batch")
    return unit_rows(views) if normalize else full_precision(views)


def instance_products(views: Float[Tensor, "v n d"]) -> Float[Tensor, "n v v"]:
    """Inner products of all views of each instance with each other; memory grows with n v v, never with n n.

    >>> instance_products(torch.ones(2, 1, 3)).tolist()
    [[[3.0, 3.0], [3.0, 3.0]]]
    """
    with torch.autocast(views.device.type, enabled=False):
        by_instance = views.transpose(0, 1)
        return by_instance @ by_instance.mT
