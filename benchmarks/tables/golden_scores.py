"""How good a golden table is beside the true one: rows are paired one to one, then cells are counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from core.errors import UserError
from domains.tables.conflicts.comparable import comparable
from domains.tables.evaluate import Scores

__all__ = ["golden_scores"]


def golden_scores(found: pd.DataFrame, gold: pd.DataFrame) -> dict[str, float]:
    """Rows and cells of a golden table that are right.

    Rows are paired one to one so that as many cells as possible are equal. Values are compared as the tool compares
    them: case, white space and Unicode form do not count. Every cell with a value of either table counts, those of
    rows without a partner too, so that a row too many costs precision and a row too few recall.

    Args:
        found: text columns, in any order; those that ``gold`` does not have are left out.
        gold: text columns.

    Returns:
        ``cell F1``, ``cell precision``, ``cell recall`` (right cells of those of found, of gold), ``rows found``
        (gold rows that some row equals in every cell, of the gold rows), all in [0, 1]; and ``rows``, a count.

    Raises:
        UserError: no column in common.

    >>> gold = pd.DataFrame({"name": ["Ada", "Grace"], "born": ["1815", "1906"]}, dtype="string")
    >>> found = pd.DataFrame({"born": ["1906", None], "name": ["grace", "Ada"]}, dtype="string")
    >>> scores = golden_scores(found, gold)
    >>> scores["cell precision"], scores["cell recall"], scores["rows found"]
    (1.0, 0.75, 0.5)
    """
    shared = [column for column in gold.columns if column in found.columns]
    if not shared:
        raise UserError(f"no column in common: {', '.join(found.columns)} and {', '.join(gold.columns)}")
    equal = np.zeros((len(gold), len(found)), dtype=np.int64)
    same = np.ones((len(gold), len(found)), dtype=bool)
    for column in gold.columns:
        true = _codes_of(gold[column])
        mine = _codes_of(found[column]) if column in shared else np.full(len(found), "", dtype=object)
        both = true[:, None] == mine[None, :]
        same &= both
        equal += both & (true != "")[:, None]
    rows, columns = linear_sum_assignment(equal, maximize=True)
    right = float(equal[rows, columns].sum())
    cells = Scores.of(right, float(found[shared].notna().sum().sum()), float(gold.notna().sum().sum()))
    return {
        "cell F1": cells.f1,
        "cell precision": cells.precision,
        "cell recall": cells.recall,
        "rows found": float(same.any(axis=1).mean()),
        "rows": float(len(found)),
    }


def _codes_of(column: pd.Series) -> NDArray[np.object_]:
    """Values made comparable; "" for a missing one."""
    return np.array(comparable(column.fillna("").tolist()), dtype=object)
