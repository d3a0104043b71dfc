"""Column alignment: columns of several sources that mean the same, found without labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from core.progress import watched
from domains.tables.align.assignment import clear_matches, constrained_groups, hungarian_pairs
from domains.tables.align.mapping import ColumnMapping, ColumnRef, Evidence, Member, NamedFrame, Target
from domains.tables.align.similarity import ColumnSimilarity, column_similarity
from domains.tables.align.sketch import sketch

__all__ = ["AlignSettings", "align"]

_HASHES = 2_000_000  # of all columns together: a thousand columns are compared by 2,000 values each


@dataclass(frozen=True)
class AlignSettings:
    """How columns are matched.

    The defaults were chosen on the ER-Magellan pair sets and the nine Chicago sources, with names kept, edited and
    taken away (`domains.tables.align.quality`), where pairs that belong together and others part between 0.35 and 0.5.

    Attributes:
        threshold: the least score of a match, in [0, 1].
        clear: what the values must say at least where no other column is like either of two; 1 for never.
        lead: how many times as much as about any other column, >= 1.
        name_weight: how far equal names alone carry, in [0, 1].
        value_weight: how far common values alone carry.
        content_weight: how far common words and 3-grams alone carry.
        sample: distinct values of a column that are compared, >= 1; fewer where there are more than 200 columns.
        described: distinct values of a column whose words, 3-grams and formats are looked at, >= 1.
    """

    threshold: float = 0.4
    clear: float = 0.25
    lead: float = 1.5
    name_weight: float = 0.8
    value_weight: float = 0.8
    content_weight: float = 0.6
    sample: int = 10_000
    described: int = 500

    def __post_init__(self) -> None:
        for field in ("threshold", "clear", "name_weight", "value_weight", "content_weight"):
            if not 0 <= getattr(self, field) <= 1:
                raise UserError(f"{field} must lie in [0, 1], got {getattr(self, field)}")
        for field in ("lead", "sample", "described"):
            if getattr(self, field) < 1:
                raise UserError(f"{field} must be >= 1, got {getattr(self, field)}")


def align(
    sources: Sequence[NamedFrame],
    *,
    settings: AlignSettings | None = None,
    forbid: Iterable[tuple[ColumnRef, ColumnRef]] = (),
) -> ColumnMapping:
    """Match the columns of all sources.

    Every two columns of different sources get a score from their names, values, content and formats, see
    `domains.tables.align.similarity.column_similarity`. Two sources are matched by the Hungarian method with "no match"
    below the threshold, more by average-linkage clustering in which no group holds two columns of a source. What is
    left is matched by its values alone where nothing else comes near, see
    `domains.tables.align.assignment.clear_matches`: "street" and "address" in tables where no other column has such
    values. ALITE (Khatiwada et al., PVLDB 2022) clusters embeddings of column contents under the same constraint; here
    names and formats count too.

    Which columns are matched does not depend on the order of the sources, of their columns or of their rows; targets
    stand in the order of the first source that has them.

    Args:
        sources: one or more, with names that differ.
        settings: thresholds and weights.
        forbid: pairs of columns that must not be matched.

    Raises:
        UserError: no source, a name or a column twice, a forbidden column that does not exist.
    """
    settings = settings or AlignSettings()
    _check(sources)
    pairs = tuple(forbid)
    # one order for all work, whatever the order given: ties and rounding come out the same
    ordered = sorted(sources, key=lambda source: source.name)
    refs = [ColumnRef(s.name, str(c)) for s in ordered for c in sorted(map(str, s.frame.columns))]
    forbidden = _forbidden(refs, pairs)
    if not refs:
        return ColumnMapping(())
    frames = {source.name: source.frame for source in ordered}
    sample = min(settings.sample, max(_HASHES // len(refs), 1))
    sketches = [
        sketch(frames[ref.source][ref.column], sample=sample, described=settings.described)
        for ref in watched(refs, "reading columns", len(refs))
    ]
    weights = (settings.name_weight, settings.value_weight, settings.content_weight)
    similarity = column_similarity([ref.column for ref in refs], sketches, weights)
    number = {source.name: i for i, source in enumerate(ordered)}
    origin = np.array([number[ref.source] for ref in refs], dtype=np.int64)
    group = _groups(similarity, origin, len(ordered), settings, forbidden)
    members = _members(refs, origin, group, similarity)
    return ColumnMapping(_targets(sources, members), pairs)


def _check(sources: Sequence[NamedFrame]) -> None:
    if not sources:
        raise UserError("no sources to align; give at least one table")
    name, times = Counter(source.name for source in sources).most_common(1)[0]
    if times > 1:
        raise UserError(f"{times} sources are called {name!r}; give each its own name")
    for source in sources:
        twice = source.frame.columns[source.frame.columns.duplicated()]
        if len(twice):
            raise UserError(f"source {source.name!r} has the column {twice[0]!r} twice; rename one of them")


def _forbidden(refs: list[ColumnRef], pairs: tuple[tuple[ColumnRef, ColumnRef], ...]) -> NDArray[np.bool_]:
    at = {ref: i for i, ref in enumerate(refs)}
    forbidden = np.zeros((len(refs), len(refs)), dtype=bool)
    for a, b in pairs:
        for ref in (a, b):
            if ref not in at:
                raise UserError(f"forbid names {ref}, which no source has")
        forbidden[at[a], at[b]] = forbidden[at[b], at[a]] = True
    return forbidden


def _groups(
    similarity: ColumnSimilarity,
    origin: NDArray[np.int64],
    count: int,
    settings: AlignSettings,
    forbidden: NDArray[np.bool_],
) -> NDArray[np.int64]:
    score, apart = similarity.score, forbidden | (origin[:, None] == origin[None, :])
    if count == 2:
        left, right = np.flatnonzero(origin == 0), np.flatnonzero(origin == 1)
        allowed = np.where(forbidden, -np.inf, score)[np.ix_(left, right)]
        group = np.arange(len(score))
        for i, j in hungarian_pairs(allowed, settings.threshold):
            group[right[j]] = left[i]
    else:
        group = constrained_groups(score, settings.threshold, apart)
    return clear_matches(similarity.by_values, group, apart, settings.clear, settings.lead)


def _members(
    refs: list[ColumnRef], origin: NDArray[np.int64], group: NDArray[np.int64], similarity: ColumnSimilarity
) -> list[list[Member]]:
    """Members of each group, in the order of the groups' first columns."""
    foreign = origin[:, None] != origin[None, :]
    together = (group[:, None] == group[None, :]) & ~np.eye(len(group), dtype=bool)
    members: dict[int, list[Member]] = {}
    for i, ref in enumerate(refs):
        mates = np.flatnonzero(together[i])
        others = mates if mates.size else np.flatnonzero(foreign[i])
        nearest = None
        if others.size:
            j = int(others[similarity.score[i, others].argmax()])
            nearest = _evidence(refs[j], i, j, similarity)
        mean = round(float(similarity.score[i, mates].mean()), 3) if mates.size else None
        members.setdefault(int(group[i]), []).append(Member(ref, mean, nearest))
    return list(members.values())


def _evidence(other: ColumnRef, i: int, j: int, similarity: ColumnSimilarity) -> Evidence:
    parts = (similarity.name, similarity.value, similarity.content, similarity.kind)
    shown = [None if np.isnan(part[i, j]) else round(float(part[i, j]), 3) for part in parts]
    return Evidence(other, round(float(similarity.score[i, j]), 3), *shown)


def _targets(sources: Sequence[NamedFrame], groups: list[list[Member]]) -> tuple[Target, ...]:
    """Groups in the order of the sources, each with the name that most of its columns have."""
    place = {
        ColumnRef(source.name, str(column)): (s, c)
        for s, source in enumerate(sources)
        for c, column in enumerate(source.frame.columns)
    }
    named: list[tuple[list[Member], str]] = []
    for members in sorted(groups, key=lambda its: min(ref.ref for ref in its)):
        counts = Counter(member.ref.column for member in members)
        named.append((members, min(counts, key=lambda column: (-counts[column], not column.strip(), column))))
    taken = Counter(name for _, name in named)
    used: set[str] = {name for name, times in taken.items() if times == 1}
    targets = []
    for members, name in named:
        unique = name if name.strip() else "column"
        if unique not in used and taken[name] > 1:  # the first of equal names keeps it
            used.add(unique)
        elif taken[name] > 1 or not name.strip():
            unique = _free_name(f"{unique} ({min(members, key=lambda m: m.ref).ref.source})", used)
        targets.append(Target(unique, tuple(sorted(members, key=lambda member: place[member.ref]))))
    return tuple(sorted(targets, key=lambda target: place[target.members[0].ref]))


def _free_name(wanted: str, used: set[str]) -> str:
    name, number = wanted, 2
    while name in used:
        name, number = f"{wanted} {number}", number + 1
    used.add(name)
    return name
