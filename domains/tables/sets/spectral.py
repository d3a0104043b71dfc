"""Spectral clustering, with the number of sets read off the gap between eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from domains.tables.sets.problem import Problem, connected

__all__ = ["spectral"]

_DENSE = 512
"""Rows up to which all eigenvalues are looked at."""
_MOST_SETS = 64
"""Sets that a larger component is cut into at a time."""


def spectral(problem: Problem) -> NDArray[np.int64]:
    """Spectral clustering (Ng et al. 2001) inside each component.

    The number of sets k is where the eigenvalues of the normalised Laplacian leap most, l_{k+1} - l_k (von Luxburg
    2007, arXiv 0711.0189, section 8.3); rows of the first k eigenvectors, brought to length 1, go to k-means. A
    component of more than 512 rows is cut into at most 64 sets at a time, and these are looked at again.

    Args:
        problem: the graph; its seed starts k-means and the eigenvectors of large components.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    labels = problem.strong().components()
    split = problem.count
    # Eigenvectors and k-means add up in another order on other numbers of threads.
    with threadpool_limits(1):
        for groups, weight in problem.parts():
            waiting = [(groups, weight)]
            while waiting:
                nodes, local = waiting.pop()
                part = _cut(local, problem.seed)
                for number in range(int(part.max()) + 1):
                    inside = np.flatnonzero(part == number)
                    labels[nodes[inside]] = split
                    split += 1
                    if nodes.size > _DENSE and 2 < inside.size < nodes.size:
                        waiting.append((nodes[inside], local[inside][:, inside]))
    return labels


def _cut(weight: csr_array, seed: int) -> NDArray[np.int64]:
    """``(k,)`` int64 part of each node, connected and numbered from 0."""
    n = weight.shape[0]
    root = 1 / np.sqrt(np.maximum(weight.sum(axis=1), np.finfo(np.float64).tiny))
    normal = diags_array(root) @ weight @ diags_array(root)
    if n <= _DENSE:
        values, vectors = eigh(np.eye(n) - normal.toarray())
    else:
        start = np.random.default_rng(seed).random(n)
        found, vectors = eigsh(normal, k=_MOST_SETS + 1, which="LA", v0=start)
        values, vectors = 1 - found[::-1], vectors[:, ::-1]
    # Rounding must not decide between leaps of equal height: the fewest sets win.
    k = int(np.argmax(np.round(np.diff(values), 9))) + 1
    if k == 1:
        return np.zeros(n, dtype=np.int64)
    rows = vectors[:, :k]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    part = KMeans(k, n_init=10, random_state=seed).fit_predict(rows)
    left, right = weight.nonzero()
    inside = part[left] == part[right]
    return connected(n, left[inside].astype(np.int64), right[inside].astype(np.int64))
