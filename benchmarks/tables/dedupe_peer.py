"""dedupe with thirty labels: its own active-learning questions, answered by the truth.

Its questions depend on the order of sets of objects in memory, which no seed fixes: runs differ, and are repeated.
"""

from __future__ import annotations

import io
import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from importlib.util import find_spec

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["FIELDS", "LABELS", "THRESHOLDS", "dedupe_installed", "run_dedupe"]

LABELS = 30
THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
"""Of clusters; .5 is the default of its documentation."""
_CUT = (("given_name", "String"), ("surname", "String"), ("suburb", "String"), ("state", "Exact"))
_WHOLE = (
    *_CUT,
    ("street_number", "String"),
    ("address_1", "String"),
    ("postcode", "ShortString"),
    ("date_of_birth", "ShortString"),
    ("soc_sec_id", "ShortString"),
)
FIELDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "chicago_early_childhood": (
        ("Site name", "String"),
        ("Address", "String"),
        ("Zip", "Exact"),
        ("Phone", "String"),
    ),
    "cora": (
        ("title", "String"),
        ("author", "String"),
        ("venue", "String"),
        ("year", "Exact"),
        ("pages", "ShortString"),
    ),
    **{f"febrl_dataset{number}": _WHOLE for number in (1, 2, 3)},
    **{f"febrl_dataset{number}_cut": _CUT for number in (1, 2, 3)},
}
"""Column and kind of variable by data set; chicago's are those of dedupe's own example for these data."""


def dedupe_installed() -> bool:
    """Whether the package is there."""
    return find_spec("dedupe") is not None


def run_dedupe(
    frame: pd.DataFrame, fields: Sequence[tuple[str, str]], labels: NDArray[np.int64], seed: int
) -> dict[float, NDArray[np.int64]]:
    """Ask, train, cluster.

    Args:
        frame: n rows of text.
        fields: see `FIELDS`.
        labels: ``(n,)`` truth, which answers the questions and nothing else.
        seed: of dedupe's samples; what it learns differs between runs all the same.

    Returns:
        ``(n,)`` sets by threshold.
    """
    import dedupe
    from dedupe import variables

    logging.disable(logging.WARNING)
    random.seed(seed)
    np.random.seed(seed)  # dedupe draws from both
    columns = [name for name, _ in fields]
    texts = {name: [_plain(value) for value in frame[name].tolist()] for name in columns}
    rows = {row: {name: texts[name][row] for name in columns} for row in range(len(frame))}
    truth = {row: int(label) for row, label in enumerate(labels)}
    kinds = [getattr(variables, kind)(name, has_missing=frame[name].isna().any()) for name, kind in fields]
    model = dedupe.Dedupe(kinds, num_cores=0)
    numbered = {row: {**record, "row": row} for row, record in rows.items()}
    with redirect_stderr(io.StringIO()):
        model.prepare_training(numbered)
        for _ in range(LABELS):
            ((one, other),) = model.uncertain_pairs()
            same = truth[one["row"]] == truth[other["row"]]
            model.mark_pairs({"match": [(one, other)] if same else [], "distinct": [] if same else [(one, other)]})
        model.train()
        found = {}
        for threshold in THRESHOLDS:
            sets = np.arange(len(frame))
            for members, _ in model.partition(numbered, threshold):
                sets[list(members)] = members[0]
            found[threshold] = sets
    return found


def _plain(value: object) -> str | None:
    """Lower case without outer white space, as in dedupe's examples."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return text or None
