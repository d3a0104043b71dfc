"""Which columns of the sources are one column of the union, with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from core.errors import UserError, unknown_name

__all__ = ["ColumnMapping", "ColumnRef", "Evidence", "Member", "NamedFrame", "Target"]


@runtime_checkable
class NamedFrame(Protocol):
    """What alignment needs of a source: a name, unlike all others, and columns of text."""

    @property
    def name(self) -> str:
        """Name of the source."""
        ...

    @property
    def frame(self) -> pd.DataFrame:
        """Its rows; dtype "string", missing cells are ``pd.NA``."""
        ...


@dataclass(frozen=True, order=True)
class ColumnRef:
    """One column of one source."""

    source: str
    column: str

    def __str__(self) -> str:
        return f"{self.source}.{self.column}"


@dataclass(frozen=True)
class Evidence:
    """Why two columns are, or are not, alike: a score and its parts in [0, 1]; None where a part has nothing to go by.

    Attributes:
        other: the column compared with.
        score: all together.
        name: words of the names.
        value: common values.
        content: common words and 3-grams of the values.
        kind: formats, lengths and ranges.
    """

    other: ColumnRef
    score: float
    name: float | None = None
    value: float | None = None
    content: float | None = None
    kind: float | None = None


@dataclass(frozen=True)
class Member:
    """A column in a target.

    Attributes:
        ref: the column.
        score: mean score with the other members; None for a column that is alone.
        nearest: the most similar other member; of a column that is alone, the most similar column of another source.
    """

    ref: ColumnRef
    score: float | None = None
    nearest: Evidence | None = None


@dataclass(frozen=True)
class Target:
    """One column of the union: its name and at most one column of each source."""

    name: str
    members: tuple[Member, ...]

    def column_of(self, source: str) -> str | None:
        """The column of a source that stands here, or None."""
        return next((member.ref.column for member in self.members if member.ref.source == source), None)


@dataclass(frozen=True)
class ColumnMapping:
    """Where each column of each source goes.

    Attributes:
        targets: columns of the union, in their order.
        forbidden: pairs that must not share a target; the next alignment keeps them apart.
        left_out: columns that a person wants in no target.

    Raises:
        UserError: a column in two places, two columns of a source in one target, a target twice or without a name or
            members, a forbidden pair in one target.
    """

    targets: tuple[Target, ...]
    forbidden: tuple[tuple[ColumnRef, ColumnRef], ...] = ()
    left_out: tuple[ColumnRef, ...] = ()

    def __post_init__(self) -> None:
        named = Counter(target.name for target in self.targets)
        for target in self.targets:
            if not target.name.strip():
                raise UserError(f"the target of {target.members[0].ref if target.members else 'nothing'} needs a name")
            if named[target.name] > 1:
                raise UserError(f"target {target.name!r} stands twice; rename one or move its columns to the other")
            if not target.members:
                raise UserError(f"target {target.name!r} has no columns; give it one or delete it")
            source, number = Counter(member.ref.source for member in target.members).most_common(1)[0]
            if number > 1:
                raise UserError(f"target {target.name!r} holds {number} columns of {source!r}; move all but one")
        placed = [member.ref for target in self.targets for member in target.members]
        ref, number = next(iter(Counter([*placed, *self.left_out]).most_common(1)), (None, 0))
        if number > 1:
            raise UserError(f"column {ref} stands in {number} places; keep one of them")
        where = {member.ref: target.name for target in self.targets for member in target.members}
        for a, b in self.forbidden:
            if a == b or (a in where and where[a] == where.get(b)):
                raise UserError(f"{a} and {b} are forbidden to share a target, and both are in {where.get(a)!r}")

    @property
    def names(self) -> list[str]:
        """Names of the targets."""
        return [target.name for target in self.targets]

    @property
    def unmatched(self) -> list[Member]:
        """Columns that are alone in their target."""
        return [target.members[0] for target in self.targets if len(target.members) == 1]

    def pairs(self) -> set[tuple[ColumnRef, ColumnRef]]:
        """All pairs of columns that share a target, the smaller one first."""
        found: set[tuple[ColumnRef, ColumnRef]] = set()
        for target in self.targets:
            refs = sorted(member.ref for member in target.members)
            found.update((a, b) for i, a in enumerate(refs) for b in refs[i + 1 :])
        return found

    def check_sources(self, sources: Sequence[NamedFrame]) -> None:
        """Refuse a mapping that does not fit the sources.

        Raises:
            UserError: it names a source or column that is not there, or leaves a column of a source without a place.
        """
        columns = {source.name: [str(c) for c in source.frame.columns] for source in sources}
        placed = [member.ref for target in self.targets for member in target.members]
        named = [*placed, *self.left_out, *(ref for pair in self.forbidden for ref in pair)]
        for ref in named:
            if ref.source not in columns:
                raise unknown_name("source in the mapping", ref.source, columns)
            if ref.column not in columns[ref.source]:
                raise unknown_name(f"column of {ref.source!r} in the mapping", ref.column, columns[ref.source])
        known = {*placed, *self.left_out}
        for source, its in columns.items():
            lost = [c for c in its if ColumnRef(source, c) not in known]
            if lost:
                raise UserError(
                    f"column {lost[0]!r} of {source!r} has no place in the mapping; add it to a target or to left_out"
                )

    def to_yaml(self) -> str:
        """Text for a person to edit, see `domains.tables.align.mapping_yaml`."""
        from domains.tables.align.mapping_yaml import write_mapping

        return write_mapping(self)

    @classmethod
    def from_yaml(cls, text: str, *, name: str | Path = "mapping", sources: Iterable[NamedFrame] = ()) -> ColumnMapping:
        """Read what `to_yaml` wrote and a person edited.

        Args:
            text: YAML.
            name: file name for messages.
            sources: if given, the mapping must fit them.

        Raises:
            UserError: with the line and column of what is wrong.
        """
        from domains.tables.align.mapping_yaml import read_mapping

        mapping = read_mapping(text, str(name))
        given = list(sources)
        if given:
            mapping.check_sources(given)
        return mapping
