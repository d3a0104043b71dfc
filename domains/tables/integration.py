"""From several messy tables to one clean table, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.progress import working
from domains.tables.align.columns import align
from domains.tables.align.mapping import ColumnMapping
from domains.tables.align.union import outer_union
from domains.tables.blocking.default import default_blocker
from domains.tables.conflicts.resolution import Resolution
from domains.tables.conflicts.resolve import AnyRule, resolve
from domains.tables.data.read import read_source, read_sources
from domains.tables.data.source import Source
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.known_pairs import Labels, checked_labels
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher, MatchSettings
from domains.tables.outcome import outcome_tables
from domains.tables.seeds import check_seed
from domains.tables.sets.constraints import Constraints, groups_of
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph
from domains.tables.sets.suspicious import SuspiciousSet, suspicious_sets

__all__ = ["Integration", "Tables", "integrate"]

Tables = str | Path | Sequence["str | Path | pd.DataFrame | Source"] | Mapping[str, pd.DataFrame]
"""Files, folders, wildcards, addresses of databases, data frames (by name or not), or sources as they were read."""


@dataclass(frozen=True, eq=False)
class Integration:
    """g things found in the n rows of several tables.

    Attributes:
        sources: the tables as they were read, with what was guessed and the rows that could not be read.
        mapping: which columns belong together.
        union: the n rows under common columns.
        matcher: what was learned; it judges and explains further pairs.
        graph: compared pairs with the probability that both rows are the same thing.
        threshold: of the sets.
        entity: ``(n,)`` int64, number of the thing of each row, from 1 in the order of first rows.
        suspicious: sets that a person should look at.
        resolution: the golden values and how they came about.
    """

    sources: tuple[Source, ...]
    mapping: ColumnMapping
    union: Table
    matcher: LikelihoodMatcher
    graph: PairGraph
    threshold: float
    entity: NDArray[np.int64]
    suspicious: tuple[SuspiciousSet, ...]
    resolution: Resolution

    @property
    def golden(self) -> pd.DataFrame:
        """One row of text for each thing: ``entity`` and the columns of the union."""
        return self.tables()["golden"]

    @property
    def rows(self) -> pd.DataFrame:
        """Where each input row went: ``source``, ``row`` (from 0), ``entity``."""
        return self.tables()["rows"]

    def tables(self) -> dict[str, pd.DataFrame]:
        """golden, rows, provenance and conflicts, see `domains.tables.outcome.outcome_tables`."""
        rows = pd.DataFrame({"source": self.union.source, "row": self.union.row, "entity": self.entity})
        found = self.resolution
        return outcome_tables(found.golden, rows, found.provenance(), found.conflicts)


def integrate(
    tables: Tables,
    *,
    mapping: ColumnMapping | None = None,
    labels: Labels | None = None,
    threshold: float | None = None,
    method: str = "average_linkage",
    max_size: int = 0,
    one_per_source: bool = False,
    rules: Mapping[str, AnyRule] | AnyRule = "majority",
    seed: int = 0,
    engine: Engine = LOCAL,
) -> Integration:
    """Do everything in one go: read, align columns, find pairs, learn to match, find sets, resolve conflicts.

    No labels are needed. The same input, settings and seed give the same result. A project folder
    (`domains.tables.project`) does the same step by step and lets people decide in between.

    Args:
        tables: see `Tables`; ``"libraries"`` is a small embedded set.
        mapping: which columns belong together; found if None.
        labels: pairs of rows of the union that are known: rows, rows, and 1 for the same thing or 0 for different
            ones. They are learned from, and kept together or apart; rows that are the same join their sets whole.
        threshold: the least probability, in [0, 1]; chosen by the tool if None.
        method: name in `domains.tables.sets.SET_METHODS`.
        max_size: most rows in a set; 0 for no limit.
        one_per_source: whether a set takes at most one row of a source. It loses the true pairs within sources.
        rules: how conflicts are resolved: one rule for all columns or one for each by name, see
            `domains.tables.conflicts.named.rule_of`.
        seed: of all draws.
        engine: where pairs are found and compared: this process, or a Ray cluster.

    Raises:
        UserError: nothing to read, a setting that is wrong, or labels that are not of the union or contradict each
            other.

    >>> found = integrate("libraries")
    >>> found.rows.columns.tolist(), len(found.rows)
    (['source', 'row', 'entity'], 279)
    """
    check_seed(seed)
    sources = _read(tables)
    with working("aligning columns"):
        mapping = mapping or align(sources)
    union = outer_union(sources, mapping)
    cut = 0.5 if threshold is None else threshold
    limits: dict[str, Any] = {"threshold": cut, "max_size": max_size, "one_per_source": one_per_source, "seed": seed}
    _check(union, method, rules, limits)
    left, right, same = checked_labels(([], [], []) if labels is None else labels, len(union))
    must, cannot = (np.column_stack([left, right])[same == answer] for answer in (1, 0))
    Constraints(cannot).check(groups_of(len(union), must))
    candidates = default_blocker(union).candidates(union, engine)
    matcher = LikelihoodMatcher(MatchSettings(seed=seed)).fit(union, candidates, (left, right, same))
    graph = matcher.predict(union, candidates, engine)
    with working("finding sets"):
        found = discover_sets(graph, method, sources=union.source, must_link=must, cannot_link=cannot, **limits)
        suspicious = suspicious_sets(graph, found, union.source, threshold=cut)
    entity = found + 1
    with working("resolving conflicts"):
        resolution = resolve(union, entity, rules)
    return Integration(
        tuple(sources), mapping, union, matcher, graph, cut, entity, tuple(suspicious), resolution
    )  # fmt: skip


def _check(union: Table, method: str, rules: Mapping[str, AnyRule] | AnyRule, limits: Mapping[str, Any]) -> None:
    """Say what is wrong with a setting before the long part, by way of no rows at all."""
    nothing = np.empty(0, dtype=np.int64)
    discover_sets(PairGraph(0, nothing, nothing, np.empty(0, dtype=np.float32)), method, sources=nothing, **limits)
    resolve(union.select(nothing), nothing, rules, whole=union)


def _read(tables: Tables) -> list[Source]:
    if isinstance(tables, Mapping):
        return [read_source(frame, name=str(name)) for name, frame in tables.items()]
    listed = [tables] if isinstance(tables, str | Path | pd.DataFrame | Source) else list(tables)
    return read_sources(listed)
