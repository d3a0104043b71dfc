"""Connected components: rows that a chain of strong pairs links."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.problem import Problem

__all__ = ["components"]


def components(problem: Problem) -> NDArray[np.int64]:
    """Whatever is linked by a chain of strong pairs is one set: the baseline, in which one false pair merges two sets.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    return problem.strong().components()
