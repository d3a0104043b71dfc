"""Made-up worlds: items with a truth, and sources that know it with given probabilities."""

import numpy as np
import pandas as pd

from domains.tables.conflicts.truth import ClaimGraph


def world(accuracies, items=200, values=6, *, seed=0, copies=()):
    """Claims of sources with these accuracies; a pair (copier, original) in ``copies`` says the same.

    Returns the graph and, for each item, its true fact (-1 where nobody claims it).
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, values, items)
    wrong = (truth[None] + rng.integers(1, values, (len(accuracies), items))) % values
    said = np.where(rng.random((len(accuracies), items)) < np.array(accuracies)[:, None], truth, wrong)
    for copier, original in copies:
        said[copier] = said[original]
    source, item = np.indices(said.shape).reshape(2, -1)
    frame = pd.DataFrame({"source": source, "item": item, "value": [f"v{one}" for one in said.ravel()]})
    graph = ClaimGraph.of(frame)
    facts = np.full(items, -1)
    right = graph.text == np.array([f"v{one}" for one in truth], dtype=object)[graph.item]
    facts[graph.item[right]] = np.flatnonzero(right)
    return graph, facts


def accuracy(graph, truth, facts):
    """Share of items whose most probable fact is true; ties go to the first."""
    order = np.lexsort((-truth.score, graph.item))
    first = order[np.flatnonzero(np.diff(graph.item[order], prepend=-1))]
    return float((first == facts).mean())
