"""Do embeddings tell held-out edges from pairs that are not connected?"""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, cat, ones, zeros
from torch.nn.functional import cosine_similarity

from core.checks import check_at_least, check_embeddings

__all__ = ["LinkResult", "link_prediction"]


@dataclass(frozen=True)
class LinkResult:
    """Area under the ROC curve and average precision, in [0, 1]."""

    auc: float
    average_precision: float


def link_prediction(
    embeddings: Float[Tensor, "n d"], positive: Int64[Tensor, "2 p"], negative: Int64[Tensor, "2 m"]
) -> LinkResult:
    """Rank pairs by the cosine of their ends.

    Args:
        embeddings: of all nodes, computed on a graph from which the ``positive`` edges were removed (else they leak).
        positive: held-out edges.
        negative: pairs that are no edges.

    Raises:
        ValueError: no positive or no negative pair.
    """
    check_embeddings("embeddings", embeddings)
    check_at_least("the number of positive pairs", positive.shape[1], 1)
    check_at_least("the number of negative pairs", negative.shape[1], 1)
    pairs = cat([positive, negative], 1)
    score = cosine_similarity(embeddings[pairs[0]], embeddings[pairs[1]], dim=1).detach().double().numpy()
    truth = cat([ones(positive.shape[1]), zeros(negative.shape[1])]).numpy()
    return LinkResult(float(roc_auc_score(truth, score)), float(average_precision_score(truth, score)))
