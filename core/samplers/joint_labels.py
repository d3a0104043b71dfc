"""The clustering stage of multistage contrastive learning: groups of samples that all earlier encoders found alike."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_labels
from core.losses.normalisation import unit_rows

__all__ = ["cluster_features", "joint_labels"]


def cluster_features(
    features: Float[Tensor, "m d"],
    num_clusters: int = 10,
    *,
    seed: int = 0,
    batch_size: int = 10_000,
    max_iter: int = 100,
    starts: int = 3,
) -> Int64[Tensor, " m"]:
    """Mini-batch k-means on unit rows: which of K clusters each training sample fell into.

    Zhang et al. 2024, arXiv 2402.11816. Features come from the encoder of the stage before, on training samples without
    augmentation. They are normalised here: k-means on raw rows would cluster by length. K = 10 and 100 iterations are
    the released settings.

    Args:
        features: a row for each training sample.
        num_clusters: K >= 2.
        seed: of k-means; 0 to 2^32 - 1.
        batch_size: rows of a mini-batch of k-means.
        max_iter: passes over the data at most.
        starts: random starts; the tightest is kept.

    Returns:
        Clusters in 0..K-1; some may be empty.

    Raises:
        TypeError: integer features.
        ValueError: fewer than 2 clusters, fewer rows than clusters, features that are not finite.

    >>> cluster_features(torch.tensor([[1.0, 0.0], [5.0, 0.1], [0.0, 2.0]]), 2).unique(return_counts=True)[1].sum()
    tensor(3)
    """
    check_embeddings("features", features)
    check_at_least("num_clusters", num_clusters, 2, "one cluster is a plain run; its labels are all 0")
    check_at_least("the number of rows", len(features), num_clusters, "every cluster needs one")
    for name, value in (("batch_size", batch_size), ("max_iter", max_iter), ("starts", starts)):
        check_at_least(name, value, 1)
    if not features.isfinite().all():
        bad = int((~features.isfinite()).any(dim=1).sum())
        raise ValueError(f"features must be finite, but {bad} of {len(features)} rows are not")
    rows = unit_rows(features.detach()).cpu().numpy()
    means = MiniBatchKMeans(
        num_clusters, batch_size=batch_size, max_iter=max_iter, tol=1e-5, n_init=starts, random_state=seed
    )
    return torch.from_numpy(means.fit_predict(rows)).to(device=features.device, dtype=torch.int64)


def joint_labels(
    labels: Sequence[Int64[Tensor, " m"]], num_clusters: int, *, compact: bool = False
) -> Int64[Tensor, " m"]:
    """One label for the clusters of all stages: equal for two samples only if they agree in every stage.

    Zhang et al. 2024, arXiv 2402.11816, c^(r) the clusters of stage r::

        p_m = sum_{r=0..t} c_m^(r) K^(t-r)

    The released script loads the clusters of the last stage in every turn of this sum, which is
    c^(t) (1 + K + ... + K^t) and forgets all earlier stages; the equation is followed here.

    Args:
        labels: clusters of each stage, oldest first, each in 0..K-1.
        num_clusters: K >= 1.
        compact: number the values that occur 0..G-1, in the same order. Needed where K^(t+1) exceeds int64.

    Returns:
        Joint labels in 0..K^(t+1)-1, or 0..G-1.

    Raises:
        TypeError: labels that are not int64.
        ValueError: no stages, stages of different length, labels out of range, or too many values for int64.

    >>> joint_labels([torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1])], 2).tolist()
    [1, 2, 3]
    """
    check_at_least("num_clusters", num_clusters, 1)
    check_at_least("the number of stages", len(labels), 1)
    if not compact and num_clusters ** len(labels) > 2**63:
        raise ValueError(
            f"{num_clusters}^{len(labels)} joint labels are more than int64 holds; pass compact=True to number those "
            "that occur"
        )
    joint = torch.zeros_like(labels[0])
    for stage, clusters in enumerate(labels):
        check_labels(clusters, len(joint))
        if len(clusters) and not (int(clusters.min()) >= 0 and int(clusters.max()) < num_clusters):
            raise ValueError(
                f"labels[{stage}] must be in 0..{num_clusters - 1}, got {int(clusters.min())}..{int(clusters.max())}"
            )
        joint = joint * num_clusters + clusters
        if compact:
            joint = torch.unique(joint, return_inverse=True)[1]
    return joint
