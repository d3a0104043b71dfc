"""How well k-means on the embeddings finds the classes."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from torch import Tensor

from core.checks import check_embeddings, check_labels

__all__ = ["ClusteringResult", "cluster_agreement"]


@dataclass(frozen=True)
class ClusteringResult:
    """Normalised mutual information (arithmetic mean, in [0, 1]) and adjusted Rand index (in [-1, 1])."""

    nmi: float
    ari: float


def cluster_agreement(
    embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], *, seed: int = 0, starts: int = 10
) -> ClusteringResult:
    """k-means with k = number of classes, compared with the classes.

    Args:
        embeddings: rows.
        labels: class of each row, >= 0.
        seed: of k-means.
        starts: random starts of k-means; the tightest is kept.
    """
    check_embeddings("embeddings", embeddings)
    check_labels(labels, len(embeddings))
    truth = labels.numpy()
    k = len(set(truth.tolist()))
    guess = KMeans(k, n_init=starts, random_state=seed).fit_predict(embeddings.detach().double().numpy())
    return ClusteringResult(float(normalized_mutual_info_score(truth, guess)), float(adjusted_rand_score(truth, guess)))
