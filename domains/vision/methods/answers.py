"""What a supervised method asks of a batch: a class, or a number, for every image."""

from jaxtyping import Float, Int64
from torch import Tensor

from core.errors import UserError
from domains.vision.data.images import ImageBatch

__all__ = ["labels_of", "targets_of"]


def labels_of(batch: ImageBatch, who: str) -> Int64[Tensor, " n"]:
    """The classes of a batch.

    Args:
        batch: images.
        who: needs them, for the message.

    Raises:
        UserError: there are none, or an image's is unknown (-1).
    """
    if batch.labels is None or bool((batch.labels < 0).any()):
        raise UserError(f"{who} needs a label for every image; train on labelled images")
    return batch.labels


def targets_of(batch: ImageBatch, who: str) -> Float[Tensor, " n"]:
    """The numbers of a batch.

    Args:
        batch: images.
        who: needs them, for the message.

    Raises:
        UserError: there are none.
    """
    if batch.targets is None:
        raise UserError(f"{who} needs a number for every image (a column 'target'); there is none")
    return batch.targets
