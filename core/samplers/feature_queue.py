"""SwAV's queue: features of earlier batches that help to balance the prototypes of a small one."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least, check_embeddings
from core.lasting_state import LastingState

__all__ = ["FeatureQueue"]


class FeatureQueue(LastingState):
    """The last ``length`` features of each assign crop, without gradient, used only once it is full.

    Caron et al. 2020 (SwAV), arXiv 2006.09882, as in its released code: features are kept, not scores, so that scores
    follow the current prototypes. Begin to fill it after some epochs (SwAV: epoch 15) and read before you fill::

        with torch.no_grad():
            queue_scores = prototypes(queue.features())
        value = loss(scores, queue_scores=queue_scores)
        queue.update(features[:2])

    solo-learn reads its queue from a given epoch on, filled or not; here zero rows never take part. Under several
    processes update with gathered features (``gather_with_grad(z, dim=1)``) for a loss in ``GatheredLoss``, or with
    each process's own for ``SwAVLoss(across_processes=True)``. The latter needs DDP's
    ``broadcast_buffers=False``: by default every process is given the queue of the first.

    Args:
        length: features held for each crop, >= 1; SwAV takes 3840 over all processes.
        dim: width of a feature, >= 1.
        num_queues: crops that give codes, >= 1.

    Raises:
        ValueError: a length, width or number below 1.

    >>> queue = FeatureQueue(3, 2)
    >>> queue.update(torch.ones(2, 2, 2)); queue.features().shape
    torch.Size([2, 0, 2])
    >>> queue.update(torch.ones(2, 2, 2)); queue.features().shape
    torch.Size([2, 3, 2])
    """

    rows: Tensor
    written: Tensor

    def __init__(self, length: int, dim: int, *, num_queues: int = 2) -> None:
        super().__init__()
        for name, value in (("length", length), ("dim", dim), ("num_queues", num_queues)):
            check_at_least(name, value, 1)
        self.register_buffer("rows", torch.zeros(num_queues, length, dim))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    @property
    def is_full(self) -> bool:
        """Whether every row is a feature."""
        return int(self.written) >= self.rows.shape[1]

    def features(self) -> Float[Tensor, "q m d"]:
        """A copy of the features, batches newest first; no rows at all until the queue is full."""
        return self.rows.clone() if self.is_full else self.rows[:, :0].clone()

    @torch.no_grad()
    def update(self, features: Float[Tensor, "q n d"]) -> None:
        """Put a batch before the others and let the oldest rows go; what is longer than the queue loses its last rows.

        Args:
            features: those of each assign crop, in the order of the loss's ``assign_crops``. Stored in float32.
                A batch that is not finite is passed over.

        Raises:
            TypeError: integer features.
            ValueError: another number of crops, or another width.
        """
        check_embeddings("features", features, dims=(3,))
        queues, length, dim = self.rows.shape
        if features.shape[0] != queues or features.shape[2] != dim:
            raise ValueError(
                f"features must be ({queues}, n, {dim}), one batch for each queue, got {tuple(features.shape)}"
            )
        if not features.isfinite().all():  # the batch of an encoder that diverged would spoil every code to come
            return
        self.rows.copy_(torch.cat([features.to(self.rows), self.rows], dim=1)[:, :length])
        self.written += features.shape[1]
