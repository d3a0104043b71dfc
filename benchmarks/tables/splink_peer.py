"""splink as its documentation tells: blocking rules, comparisons by kind of column, u by sampling, m by EM.

The models were chosen with the truth in view, to splink's benefit: it has no default model.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["MODELS", "THRESHOLDS", "SplinkModel", "run_splink", "splink_installed"]

THRESHOLDS = (0.5, 0.7, 0.9, 0.95, 0.99, 0.999)
"""Of clusters; all are given, so that the best of them can be shown beside .9."""


@dataclass(frozen=True)
class SplinkModel:
    """What a user of splink writes down for a table.

    Attributes:
        columns: name in the table by the name in the rules.
        comparisons: for each compared column the name in splink's comparison library, and its thresholds.
        blocking: columns or expressions of each rule.
        certain: rules of pairs that are nearly always the same thing.
        recall: share of the true pairs that the certain rules find, as guessed.
        training: rules of the EM sessions.
        frequent: columns whose agreement counts by the rarity of the value.
    """

    columns: Mapping[str, str]
    comparisons: Mapping[str, tuple[str, Sequence[float]]]
    blocking: Sequence[Sequence[str]]
    certain: Sequence[Sequence[str]]
    recall: float
    training: Sequence[Sequence[str]]
    frequent: Sequence[str] = ()


_NAME = ("JaroWinklerAtThresholds", (0.92, 0.8))
_EDITS = ("LevenshteinAtThresholds", (1, 2))
_SAME = ("ExactMatch", ())
_CHICAGO = SplinkModel(
    {"site": "Site name", "address": "Address", "zip": "Zip", "phone": "Phone"},
    {"site": ("JaroWinklerAtThresholds", (0.95, 0.88, 0.75)), "phone": _EDITS,
     "address": ("JaroWinklerAtThresholds", (0.98, 0.92, 0.85)), "zip": _SAME},
    (("phone",), ("substr(site, 1, 6)",), ("substr(address, 1, 8)",)),
    (("phone",), ("site", "address")),
    0.7,
    (("phone",), ("site",)),
)  # fmt: skip
_CORA = SplinkModel(
    {name: name for name in ("title", "author", "venue", "year", "pages", "volume")},
    {
        "title": ("JaroWinklerAtThresholds", (0.95, 0.88, 0.7)),
        "author": ("JaroWinklerAtThresholds", (0.92, 0.8, 0.7)),
        "venue": _NAME,
        "year": _SAME,
        "pages": _EDITS,
    },
    (("substr(title, 1, 10)",), ("substr(author, 1, 6)", "year"), ("pages",)),
    (("title", "year"),),
    0.6,
    (("substr(title, 1, 10)",), ("substr(author, 1, 6)", "year")),
    ("title",),
)
_CUT_COLUMNS = ("given_name", "surname", "suburb", "state")
_CUT = SplinkModel(
    {name: name for name in _CUT_COLUMNS},
    {"given_name": _NAME, "surname": _NAME, "suburb": _NAME, "state": _SAME},
    (("given_name",), ("surname",), ("suburb",)),
    (("given_name", "surname", "suburb"),),
    0.5,
    (("given_name", "surname"), ("suburb",)),
    ("given_name", "surname", "suburb"),
)  # fmt: skip
_WHOLE_COLUMNS = (*_CUT_COLUMNS, "street_number", "address_1", "postcode", "date_of_birth", "soc_sec_id")
_WHOLE = SplinkModel(
    {name: name for name in _WHOLE_COLUMNS},
    {**_CUT.comparisons, "street_number": _SAME, "address_1": _NAME, "postcode": _EDITS, "date_of_birth": _EDITS,
     "soc_sec_id": _EDITS},
    (("given_name", "surname"), ("soc_sec_id",), ("date_of_birth", "postcode"), ("address_1",)),
    (("soc_sec_id",), ("given_name", "surname", "date_of_birth")),
    0.9,
    (("given_name", "surname"), ("soc_sec_id",)),
    ("given_name", "surname", "suburb"),
)  # fmt: skip
MODELS: Mapping[str, SplinkModel] = {
    "chicago_early_childhood": _CHICAGO,
    "cora": _CORA,
    **{f"febrl_dataset{number}": _WHOLE for number in (1, 2, 3)},
    **{f"febrl_dataset{number}_cut": _CUT for number in (1, 2, 3)},
}
"""By data set."""


def splink_installed() -> bool:
    """Whether the package is there."""
    return find_spec("splink") is not None


def run_splink(
    frame: pd.DataFrame, model: SplinkModel, seed: int, thresholds: Sequence[float] = THRESHOLDS
) -> dict[float, NDArray[np.int64]]:
    """Train and cluster; values are in lower case.

    Args:
        frame: n rows of text.
        model: see `SplinkModel`.
        seed: of the sample from which u is estimated.
        thresholds: at which clusters are made.

    Returns:
        ``(n,)`` sets by threshold.
    """
    import splink.comparison_library as library
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    rows = pd.DataFrame({short: frame[long].str.lower() for short, long in model.columns.items()})
    rows = rows.astype(object).where(rows.notna(), None)
    rows.insert(0, "unique_id", range(len(rows)))
    comparisons: list[Any] = []
    for column, (kind, bounds) in model.comparisons.items():
        creator = getattr(library, kind)
        one = creator(column, list(bounds)) if bounds else creator(column)
        comparisons.append(one.configure(term_frequency_adjustments=True) if column in model.frequent else one)
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in model.blocking],
    )
    database = DuckDBAPI()
    linker = Linker(database.register(rows), settings, log_level=logging.ERROR)
    training = linker.training
    training.estimate_probability_two_random_records_match([block_on(*r) for r in model.certain], recall=model.recall)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=seed)
    for rule in model.training:
        training.estimate_parameters_using_expectation_maximisation(block_on(*rule))
    pairs = linker.inference.predict(threshold_match_probability=0.01)
    found = {}
    for threshold in thresholds:
        clusters: Any = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold)
        sets = clusters.as_pandas_dataframe()
        found[threshold] = pd.factorize(sets.sort_values("unique_id")["cluster_id"])[0].astype(np.int64)
    return found
