"""A small table of made-up people, each once or twice with errors, and who is who."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.augment import SemanticAugmenter
from domains.tables.data.table import Table
from domains.tables.methods.value_perturbation import ValuePerturbation

__all__ = ["people"]

_FIRST = [
    "ada",
    "bruno",
    "clara",
    "dmitri",
    "elena",
    "farid",
    "greta",
    "hugo",
    "ines",
    "jonas",
    "kira",
    "luis",
    "mira",
    "nils",
    "olga",
    "pavel",
]
_LAST = [
    "abbott",
    "becker",
    "castillo",
    "dimitrov",
    "eriksen",
    "fischer",
    "garcia",
    "hansen",
    "ibrahim",
    "jensen",
    "kowalski",
    "larsen",
]
_STREETS = ["main street", "oak avenue", "mill road", "church lane", "station square", "park drive", "lake boulevard"]


def people(entities: int = 60, seed: int = 0) -> tuple[Table, NDArray[np.int64]]:
    """Rows and the entity of each; every entity comes twice, the second time with one or two values changed."""
    rng = np.random.default_rng(seed)
    rows = [
        [
            f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
            f"{rng.integers(1, 200)} {rng.choice(_STREETS)}",
            str(rng.integers(10_000, 99_999)),
            None if rng.random() < 0.3 else str(rng.choice(["north", "south", "east"])),
        ]
        for _ in range(entities)
    ]
    first = np.array(rows, dtype=object)
    second = ValuePerturbation(most=1, semantic=SemanticAugmenter(), rate=0.4).rows(first, rng)
    frame = pd.DataFrame(np.concatenate([first, second]), columns=["name", "address", "zip", "side"])
    return Table.of(frame, name="people"), np.tile(np.arange(entities), 2)
