"""Weighted k-nearest-neighbour classification of frozen embeddings."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from core.checks import check_at_least, check_embeddings, check_labels

__all__ = ["KnnEvaluator"]


class KnnEvaluator:
    """Classify by the k most similar training rows, each voting with exp(cosine / temperature).

    Wu et al. 2018, arXiv 1805.01978, section 3.4. Exact: every similarity is computed, in tiles, so memory is
    O(n) and not O(n m).

    Args:
        k: neighbours, >= 1; more than there are training rows counts as all of them. Usual: 20 or 200.
        temperature: of the votes, > 0; None lets each neighbour count the same.
        tile: query rows worked on at a time.

    Attributes:
        higher_is_better: True.

    >>> x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> KnnEvaluator(k=1).fit(x, torch.tensor([0, 0, 1])).predict(torch.tensor([[0.1, 0.9]])).tolist()
    [1]
    """

    higher_is_better = True

    def __init__(self, *, k: int = 20, temperature: float | None = 0.07, tile: int = 512) -> None:
        check_at_least("k", k, 1)
        check_at_least("tile", tile, 1)
        if temperature is not None and not temperature > 0:
            raise ValueError(f"temperature must be > 0 or None, got {temperature!r}")
        self.k = k
        self.temperature = temperature
        self.tile = tile

    def fit(self, features: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> "KnnEvaluator":
        """Remember the training rows.

        Raises:
            ValueError: no rows, labels of another length or below 0.
        """
        check_embeddings("features", features)
        check_labels(labels, len(features))
        check_at_least("the number of training rows", len(features), 1)
        if int(labels.min()) < 0:
            raise ValueError("labels must be >= 0; leave unlabelled rows (-1) out")
        self._rows = normalize(features.detach().float(), dim=1)
        self._labels = labels
        self._classes = int(labels.max()) + 1
        return self

    def predict(self, features: Float[Tensor, "m d"], *, leave_one_out: bool = False) -> Int64[Tensor, " m"]:
        """The class with the most votes; ties go to the lower class.

        Args:
            features: rows to classify.
            leave_one_out: row i is training row i and may not vote for itself.
        """
        check_embeddings("features", features)
        queries = normalize(features.detach().float(), dim=1)
        k = min(self.k, len(self._rows) - leave_one_out)
        check_at_least("the number of neighbours left", k, 1)
        parts = []
        for start in range(0, len(queries), self.tile):
            block = queries[start : start + self.tile] @ self._rows.T  # (tile, n)
            if leave_one_out:
                own = torch.arange(len(block))
                block[own, own + start] = -torch.inf
            similarity, index = block.topk(k, dim=1)
            weight = torch.ones_like(similarity)
            if self.temperature is not None:  # relative to the best, which changes no vote and cannot overflow
                weight = ((similarity - similarity[:, :1]) / self.temperature).exp()
            votes = weight.new_zeros(len(block), self._classes).scatter_add_(1, self._labels[index], weight)
            parts.append(votes.argmax(1))
        return torch.cat(parts) if parts else self._labels[:0]

    def score(
        self, features: Float[Tensor, "m d"], labels: Int64[Tensor, " m"], *, leave_one_out: bool = False
    ) -> float:
        """Accuracy in [0, 1]."""
        return float((self.predict(features, leave_one_out=leave_one_out) == labels).float().mean())
