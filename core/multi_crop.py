"""Crops of several sizes through one encoder: one pass of the backbone for each size, one of the head for all."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least

__all__ = ["multi_crop_forward"]


def multi_crop_forward(
    backbone: Callable[[Tensor], Tensor], head: Callable[[Tensor], Tensor], crops: Sequence[Float[Tensor, "n ..."]]
) -> Float[Tensor, "v n ..."]:
    """What the head says of every crop, stacked in the order of the crops.

    Caron et al. 2020 (SwAV), arXiv 2006.09882, as in its released code: BatchNorm in the backbone sees the crops of one
    size together, BatchNorm in the head sees all of them.

    Args:
        backbone: from images of any size to rows of one width, as with global pooling.
        head: from rows to rows; ``torch.nn.Identity()`` for none.
        crops: v batches of the same n images; crops of equal shape need not be neighbours.

    Shape:
        ``(v, n, d)``; ``flatten(0, 1)`` gives crop-major rows.

    Raises:
        ValueError: no crops, batches of different length, or a backbone whose rows differ in width between sizes.

    Relations:
        ``torch.stack([head(backbone(crop)) for crop in crops])`` without BatchNorm.

    >>> pool = lambda images: images.mean(dim=(1, 2))[:, None]
    >>> multi_crop_forward(pool, torch.nn.Identity(), [torch.ones(2, 8, 8), torch.zeros(2, 4, 4)]).flatten(1).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    check_at_least("the number of crops", len(crops), 1)
    count = len(crops[0])
    lengths = [len(crop) for crop in crops]
    if set(lengths) != {count}:
        raise ValueError(f"every crop must hold the same images, got batches of {lengths}")
    by_size: dict[torch.Size, list[int]] = {}
    for place, crop in enumerate(crops):
        by_size.setdefault(crop.shape[1:], []).append(place)
    features: dict[int, Tensor] = {}
    for places in by_size.values():
        rows = backbone(torch.cat([crops[place] for place in places]))
        features.update(zip(places, rows.unflatten(0, (len(places), count)), strict=True))
    if len({rows.shape for rows in features.values()}) > 1:
        sizes = ", ".join(f"{tuple(size)} to {tuple(features[places[0]].shape)}" for size, places in by_size.items())
        raise ValueError(f"the backbone must give rows of one width for every size of crop, got {sizes}; pool globally")
    outputs = head(torch.cat([features[place] for place in range(len(crops))]))
    stacked: Tensor = outputs.unflatten(0, (len(crops), count))
    return stacked
