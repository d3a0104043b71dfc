"""Learn, without labels, how probable it is that two rows are the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from core.checks import check_at_least, check_rate
from core.progress import watched
from domains.tables.blocking.identical import row_groups
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.matching.attributes import Attribute, attributes_of
from domains.tables.matching.calibrate import fit_shift
from domains.tables.matching.closing import chained_pairs
from domains.tables.matching.compare import LEVELS, Comparison, compare
from domains.tables.matching.elsewhere import mark_elsewhere
from domains.tables.matching.likelihood import Likelihood, evidence, fit_likelihood, random_chances
from domains.tables.matching.sample import learning_pairs
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["Labels", "LikelihoodMatcher", "MatchSettings"]

Labels = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Two rows of each pair, and 1 for the same thing, 0 for different ones."""

_RANDOM = 200_000
_BLOCK = 1 << 18
_SHARE_OF_LABEL = 1e-3
_MOST_OF_LABEL = 20.0
_FEW_LABELS = 10
"""So many labels, or fewer, weigh half of the most, or less, each."""
_SAME = 0.999
"""Rows that are the same in every column are the same thing at least as probably, whatever was learned."""
_HARDLY = -20.0
"""Log odds of a match where nothing could be learned."""
_WINDOW = -12.0
"""Values elsewhere are looked for where the log odds are not below this: it is the dear part."""


@dataclass(frozen=True)
class MatchSettings:
    """Settings of the matcher.

    Attributes:
        rounds: times that attributes are weighed anew by the sets that they give.
        trust: share of a pair's target that comes from the sets, in [0, 1]; the rest is what was thought before.
        pairs: at most about so many candidates are learned from.
        close: rows of the largest component whose missing pairs are compared as well; 0 for none.
        least: probability below which a pair is not kept, in [0, 1].
        seed: of all draws.
    """

    rounds: int = 6
    trust: float = 0.8
    pairs: int = 200_000
    close: int = 200
    least: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least("rounds", self.rounds, 0)
        check_rate("trust", self.trust)
        check_at_least("pairs", self.pairs, 1)
        check_at_least("close", self.close, 0)
        check_rate("least", self.least)


class LikelihoodMatcher:
    """Odds of a match from how rows agree, attribute by attribute; neither labels nor downloads.

    1. Pairs become levels of agreement by attribute (`compare`), values in the wrong place among them
       (`mark_elsewhere`).
    2. Expectation maximisation finds how much more frequent each level is among matches (`fit_likelihood`), from what
       matches are expected to be like. Attributes that agree together in random pairs count for less (`own_share`).
    3. Attributes that speak together (agency, programme and funding of one list) would count several times; sets of
       rows by average linkage say what really belongs together, and a logistic regression towards them weighs the
       attributes anew (`fit_shift`), some rounds.

    Labels, where there are some, are held in step 2 and weigh up to 20 pairs each in step 3, see `_weight_of_label`.

    Args:
        settings: see `MatchSettings`.
    """

    def __init__(self, settings: MatchSettings | None = None) -> None:
        self.settings = settings or MatchSettings()
        self.names: list[str] = []
        self._likelihood = Likelihood(np.empty((0, LEVELS)), np.empty(0), np.empty(0))
        self._shift = np.empty(0)

    def fit(self, table: Table, candidates: Candidates, labels: Labels | None = None) -> LikelihoodMatcher:
        """Learn from the rows themselves.

        Args:
            table: the rows.
            candidates: pairs worth comparing. Where there are none, or no attribute tells rows apart, nothing is
                learned, and only identical rows match.
            labels: known pairs.
        """
        settings = self.settings
        attributes = attributes_of(table)
        draw = np.random.default_rng(settings.seed)
        self.names = [attribute.name for attribute in attributes]
        self._shift = np.zeros(len(attributes) + 1)
        if not attributes or not len(candidates):
            groups = _groups(_source_codes(table), candidates.left, candidates.right)[1]
            nothing = np.zeros((len(attributes), LEVELS))
            self._likelihood = Likelihood(nothing, np.full(len(groups), _HARDLY), np.ones(len(attributes)))
            return self
        random, chances = self._chances(attributes, len(table), draw)
        source = _source_codes(table)
        chosen, share = learning_pairs(candidates, settings.pairs, draw)
        left, right = candidates.left[chosen], candidates.right[chosen]
        if labels is not None:
            joined = Candidates.union(
                len(table), [Candidates(len(table), left, right), Candidates.of(len(table), labels[0], labels[1])]
            )
            left, right = joined.left, joined.right
        compared = compare(attributes, left, right)
        mark_elsewhere(compared, attributes, left, right)
        group, total = _groups(source, left, right)
        self._likelihood = fit_likelihood(
            compared,
            chances,
            group,
            total * share,
            random,
            len(table),
            len(table) * share,
            _known(len(table), left, right, labels),
        )
        self._calibrate(source, attributes, Candidates(len(table), left, right), labels)
        return self

    def _chances(
        self, attributes: Sequence[Attribute], count: int, draw: np.random.Generator
    ) -> tuple[Comparison, NDArray[np.float64]]:
        """Random pairs, and how often they show each level."""
        left = draw.integers(0, count, _RANDOM)
        right = (left + draw.integers(1, count, _RANDOM)) % count  # another row
        random = compare(attributes, left, right)
        few = np.arange(len(left)) < _RANDOM // 10  # looking elsewhere is dear, and random pairs are much the same
        mark_elsewhere(random, attributes, left, right, few)
        return random, random_chances(random, few, attributes)

    def _calibrate(
        self, source: NDArray[np.int64], attributes: Sequence[Attribute], candidates: Candidates, labels: Labels | None
    ) -> None:
        """Weigh attributes anew by sets, rounds of it; chained pairs join the candidates first."""
        settings = self.settings
        odds, _ = self._odds(source, attributes, candidates)
        if settings.close:
            chained = chained_pairs(candidates, odds > 0, settings.close)
            candidates = Candidates.union(candidates.count, [candidates, chained])
        start, found = self._odds(source, attributes, candidates)
        known = _known(candidates.count, candidates.left, candidates.right, labels)
        told = ~np.isnan(known)
        importance = np.where(told, _weight_of_label(int(told.sum()), len(candidates)), 1.0)
        must, cannot = (_pairs(candidates, told & (known == value)) for value in (1, 0))
        chance = expit(start)
        for _ in watched(range(settings.rounds), "weighing attributes", settings.rounds):
            graph = PairGraph.of(candidates.count, candidates.left, candidates.right, chance)
            sets = discover_sets(graph, must_link=must, cannot_link=cannot)
            together = sets[candidates.left] == sets[candidates.right]
            target = settings.trust * together + (1 - settings.trust) * chance
            target[told] = known[told]
            self._shift = fit_shift(found, start, target, importance)
            chance = expit(start + found @ self._shift[:-1] + self._shift[-1])

    def _odds(
        self, source: NDArray[np.int64], attributes: Sequence[Attribute], candidates: Candidates
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log odds before any shift, and the evidence of each attribute."""
        left, right = candidates.left, candidates.right
        compared = compare(attributes, left, right)
        prior = self._likelihood.prior[_groups(source, left, right)[0]]
        odds = prior + self._evidence(compared).sum(axis=1)
        mark_elsewhere(compared, attributes, left, right, odds > _WINDOW)
        found = self._evidence(compared)
        return prior + found.sum(axis=1), found

    def predict(self, table: Table, candidates: Candidates, engine: Engine = LOCAL) -> PairGraph:
        """Probabilities of the candidates, and of the pairs that chains of likely matches join.

        Args:
            table: rows with the attributes learned from; others are ignored, missing ones say nothing.
            candidates: pairs worth comparing.
            engine: where blocks of pairs are compared.
        """
        rows = self._rows(table)
        graph = self._predict(rows, candidates, engine)
        if not self.settings.close:
            return graph
        kept = Candidates(graph.count, graph.left, graph.right)
        chained = self._predict(rows, chained_pairs(kept, graph.weight > 0.5, self.settings.close), engine)
        return PairGraph.of(
            graph.count,
            np.concatenate([graph.left, chained.left]),
            np.concatenate([graph.right, chained.right]),
            np.concatenate([graph.weight, chained.weight]),
        )

    def _rows(self, table: Table) -> _Rows:
        attributes = [Attribute.of(name, table.frame[name]) for name in self.names if name in table.frame]
        return _Rows(attributes, _source_codes(table), row_groups(table))

    def _predict(self, rows: _Rows, candidates: Candidates, engine: Engine) -> PairGraph:
        count = candidates.count
        blocks = [
            Candidates(count, candidates.left[start : start + _BLOCK], candidates.right[start : start + _BLOCK])
            for start in range(0, len(candidates), _BLOCK)
        ]
        parts = list(engine.map(_probable, (self, rows), blocks, "comparing pairs"))
        if not parts:
            none = np.empty(0, dtype=np.int64)
            return PairGraph(count, none, none, np.empty(0, dtype=np.float32))
        return PairGraph(count, *(np.concatenate(x) for x in zip(*parts, strict=True)))

    def _evidence(self, compared: Comparison) -> NDArray[np.float64]:
        return evidence(compared, self._likelihood)

    def _shifted(self, odds: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
        shifted: NDArray[np.float64] = odds + found @ self._shift[:-1] + self._shift[-1]
        return shifted


@dataclass(frozen=True, eq=False)
class _Rows:
    """What comparing needs of a table: its attributes, the source of each row, groups of identical rows."""

    attributes: list[Attribute]
    source: NDArray[np.int64]
    group: NDArray[np.int64]


def _probable(
    shared: tuple[LikelihoodMatcher, _Rows], part: Candidates
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The pairs of a block that are probable enough to be kept, and their probabilities."""
    matcher, rows = shared
    chance = expit(matcher._shifted(*matcher._odds(rows.source, rows.attributes, part)))
    same = (rows.group[part.left] == rows.group[part.right]) & (rows.group[part.left] >= 0)
    chance = np.where(same, np.maximum(chance, _SAME), chance)
    kept = chance >= matcher.settings.least
    return part.left[kept], part.right[kept], chance[kept].astype(np.float32)


def _source_codes(table: Table) -> NDArray[np.int64]:
    """``(n,)`` number of the source of each row."""
    return np.unique(table.source.astype(str), return_inverse=True)[1].reshape(-1).astype(np.int64)


def _groups(
    source: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """0 for pairs within a source, 1 across sources; and how many pairs of rows there are of each."""
    size = np.bincount(source).astype(float)
    n = float(len(source))
    within = float((size * (size - 1)).sum()) / 2
    return (source[left] != source[right]).astype(np.int64), np.array([within, n * (n - 1) / 2 - within])


def _weight_of_label(labels: int, pairs: int) -> float:
    """Pairs that each label counts for: at least 1, at most 20 or a thousandth of those learned from.

    The pairs that people are asked about are doubtful ones and not drawn at random. A few right answers, most of them
    "no", must not move what is thought of all others, so the first labels weigh less than those of a longer list.

    >>> _weight_of_label(1, 50_000), _weight_of_label(30, 50_000), _weight_of_label(30, 2_000)
    (1.8181818181818181, 15.0, 1.5)
    """
    most = min(_MOST_OF_LABEL, _SHARE_OF_LABEL * pairs)
    return max(1.0, most * labels / (labels + _FEW_LABELS))


def _known(count: int, left: NDArray[np.int64], right: NDArray[np.int64], labels: Labels | None) -> NDArray[np.float64]:
    """``(p,)`` the label of each pair, NaN where there is none."""
    known = np.full(len(left), np.nan)
    if labels is None:
        return known
    low, high = np.minimum(labels[0], labels[1]), np.maximum(labels[0], labels[1])
    key, wanted = left * count + right, low * count + high
    place = np.searchsorted(key, wanted)
    found = place < len(key)
    found[found] = key[place[found]] == wanted[found]
    known[place[found]] = labels[2][found]
    return known


def _pairs(candidates: Candidates, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.column_stack([candidates.left[chosen], candidates.right[chosen]])
