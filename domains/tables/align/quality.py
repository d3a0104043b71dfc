"""How well columns are matched: precision and recall of pairs, and sources whose names were disguised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from domains.tables.align.columns import AlignSettings, align
from domains.tables.align.mapping import ColumnMapping, ColumnRef, NamedFrame

__all__ = ["AlignmentQuality", "Disguise", "DisguisedSource", "alignment_quality", "disguise", "disguised_quality"]

Disguise = Literal["kept", "edited", "numbered"]


@dataclass(frozen=True)
class AlignmentQuality:
    """Pairs of columns of different sources.

    Attributes:
        found: pairs that share a target.
        true: pairs that should.
        right: pairs that do and should.
    """

    found: int
    true: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the found pairs that are right; 1 where none was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were found; 1 where there is none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 1.0


def alignment_quality(mapping: ColumnMapping, truth: Mapping[ColumnRef, str]) -> AlignmentQuality:
    """Compare a mapping with the true meaning of each column.

    Args:
        mapping: what was found; columns that ``truth`` does not name play no part.
        truth: columns with equal meanings belong together.
    """
    found = {pair for pair in mapping.pairs() if pair[0] in truth and pair[1] in truth}
    refs = sorted(truth)
    true = {(a, b) for i, a in enumerate(refs) for b in refs[i + 1 :] if truth[a] == truth[b] and a.source != b.source}
    return AlignmentQuality(len(found), len(true), len(found & true))


@dataclass(frozen=True, eq=False)
class DisguisedSource:
    """A source under other column names.

    Attributes:
        name: of the source.
        frame: its rows.
        truth: the name that each column had.
    """

    name: str
    frame: pd.DataFrame
    truth: Mapping[ColumnRef, str]


def disguise(sources: Sequence[NamedFrame], names: Disguise, *, seed: int = 0) -> list[DisguisedSource]:
    """Shuffle the columns of each source and change their names; columns without any value are left out.

    Args:
        sources: whose columns with equal names mean the same.
        names: "kept"; "edited": each is, at random, cut to four letters, without vowels, or written together; or
            "numbered": "column 1" and so on, which leaves nothing but the values.
        seed: of the shuffle and the edits.

    Raises:
        ValueError: an unknown way to change names.
    """
    if names not in get_args(Disguise):
        raise ValueError(f"names must be one of {', '.join(get_args(Disguise))}, got {names!r}")
    rng = np.random.default_rng(seed)
    disguised = []
    for source in sources:
        filled = [str(c) for c in source.frame.columns if source.frame[c].notna().any()]
        order = [filled[i] for i in rng.permutation(len(filled))]
        given: dict[str, str] = {}
        for position, column in enumerate(order):
            wanted = {"kept": column, "edited": _edited(column, rng), "numbered": f"column {position + 1}"}[names]
            given[column] = wanted if wanted not in given.values() else f"{wanted} {position + 1}"
        frame = source.frame[order].rename(columns=given)
        disguised.append(DisguisedSource(source.name, frame, {ColumnRef(source.name, given[c]): c for c in order}))
    return disguised


def disguised_quality(
    sources: Sequence[NamedFrame], names: Disguise, *, settings: AlignSettings | None = None, seed: int = 0
) -> AlignmentQuality:
    """Disguise the sources, align them again and compare.

    Args:
        sources: whose columns with equal names mean the same.
        names: see `disguise`.
        settings: see `domains.tables.align.columns.AlignSettings`.
        seed: of the disguise.
    """
    hidden = disguise(sources, names, seed=seed)
    truth = {ref: meaning for one in hidden for ref, meaning in one.truth.items()}
    return alignment_quality(align(hidden, settings=settings), truth)


def _edited(name: str, rng: np.random.Generator) -> str:
    words = name.replace("_", " ").split()
    edits = (
        ["_".join(word[:4] for word in words), "".join(words).upper(), "_".join(_consonants(word) for word in words)]
        if words
        else [name]
    )
    return edits[int(rng.integers(len(edits)))].lower()


def _consonants(word: str) -> str:
    return word[:1] + "".join(c for c in word[1:] if c.lower() not in "aeiou")
