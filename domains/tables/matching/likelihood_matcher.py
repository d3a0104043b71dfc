"""Learn, without labels, how probable it is that two rows are the same thing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from core.atomic import atomic_write
from core.checks import check_at_least, check_rate
from core.errors import UserError
from core.progress import watched
from domains.tables.blocking.identical import WithoutCopies, row_groups
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.known_pairs import CheckedLabels, Labels, checked_labels
from domains.tables.matching.attributes import Attribute
from domains.tables.matching.calibrate import fit_shift, shifted
from domains.tables.matching.closing import chained_pairs
from domains.tables.matching.compare import LEVELS, Comparison, compare
from domains.tables.matching.dependence import Link, dependent_attributes
from domains.tables.matching.elsewhere import mark_elsewhere
from domains.tables.matching.learned import Learned
from domains.tables.matching.likelihood import Likelihood, evidence, fit_likelihood, random_chances
from domains.tables.matching.odds import PairOdds, group_totals, pair_groups, pair_odds, source_codes
from domains.tables.matching.sample import learning_pairs
from domains.tables.matching.whole_row import known_attributes, matched_attributes
from domains.tables.seeds import check_seed
from domains.tables.sets.constraints import groups_of
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["IDENTICAL", "LikelihoodMatcher", "MatchSettings"]

_RANDOM = 200_000
_BLOCK = 1 << 18
_SHARE_OF_LABEL = 1e-3
_MOST_OF_LABEL = 20.0
_FEW_LABELS = 10
"""So many labels, or fewer, weigh half of the most, or less, each."""
IDENTICAL = 0.999
"""Rows that are the same in every column are the same thing at least as probably, whatever was learned."""
_HARDLY = -20.0
"""Log odds of a match where nothing could be learned."""


@dataclass(frozen=True)
class MatchSettings:
    """Settings of the matcher.

    Attributes:
        rounds: times that attributes are weighed anew by the sets that they give.
        trust: share of a pair's target that comes from the sets, in [0, 1]; the rest is what was thought before.
        pairs: at most about so many candidates are learned from.
        close: rows of the largest component of likely matches whose missing pairs are compared as well, see
            `domains.tables.matching.closing.chained_pairs`; 0 for none.
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
        check_seed(self.seed)


class LikelihoodMatcher:
    """Odds of a match from how rows agree, attribute by attribute; neither labels nor downloads.

    1. Pairs become levels of agreement by attribute (`compare`), values in the wrong place among them
       (`mark_elsewhere`).
    2. Expectation maximisation finds how much more frequent each level is among matches (`fit_likelihood`), from what
       matches are expected to be like; first of the candidates, then of all pairs that chains of likely matches join.
       Attributes that agree together in random pairs count for less (`own_share`, `dependent_attributes`).
    3. Attributes that speak together (agency, programme and funding of one list) would count several times; sets of
       rows by average linkage say what really belongs together, and a logistic regression towards them weighs the
       attributes anew (`fit_shift`), some rounds.

    Labels, where there are some, are held in step 2 and weigh up to 20 pairs each in step 3, see `_weight_of_label`.

    Args:
        settings: see `MatchSettings`.
    """

    def __init__(self, settings: MatchSettings | None = None) -> None:
        self.settings = settings or MatchSettings()
        self._learned: Learned | None = None

    @property
    def learned(self) -> Learned:
        """What was learned.

        Raises:
            UserError: nothing yet.
        """
        if self._learned is None:
            raise UserError("the matcher has not learned anything yet; call fit, or load one that has")
        return self._learned

    @classmethod
    def load(cls, path: str | Path) -> LikelihoodMatcher:
        """Read a matcher that was saved.

        Args:
            path: of the file.

        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            content = json.loads(Path(path).read_text("utf-8"))
            matcher = cls(MatchSettings(**content["settings"]))
            matcher._learned = Learned.from_json(content)
        except (OSError, ValueError, TypeError, KeyError) as error:
            again = "fit a matcher again and save it (in a project: run match again)"
            raise UserError(f"{path} cannot be read as a matcher ({error}); {again}") from error
        return matcher

    def save(self, path: str | Path) -> None:
        """Write settings and what was learned as JSON; values of rows are not in it.

        Args:
            path: of the file; written whole or not at all.

        Raises:
            UserError: nothing was learned yet.
        """
        content = {"settings": asdict(self.settings), **self.learned.to_json()}
        with atomic_write(path) as file:
            json.dump(content, file)

    def explain(self, table: Table) -> PairOdds:
        """What each attribute says of pairs of rows.

        Args:
            table: as of `predict`.

        Raises:
            UserError: nothing was learned yet.

        >>> import pandas as pd
        >>> table = Table.of(pd.DataFrame({"name": ["Ada Lovelace", "Ada Lovelace", "Alan Turing", "Kurt Goedel"]}))
        >>> pairs = Candidates.of(4, np.array([0, 0]), np.array([1, 2]))
        >>> odds = LikelihoodMatcher().fit(table, pairs).explain(table)
        >>> odds.of(0, 1)["name"] > 0 > odds.of(0, 2)["name"]
        True
        """
        return PairOdds(self.learned, table)

    def fit(self, table: Table, candidates: Candidates, labels: Labels | None = None) -> LikelihoodMatcher:
        """Learn from the rows themselves.

        Args:
            table: the rows.
            candidates: pairs worth comparing. Where there are none, or no attribute tells rows apart, nothing is
                learned, and only identical rows match.
            labels: known pairs; some may be no candidates. Of two for one pair the last counts.

        Raises:
            UserError: labels that are not of this table.
        """
        settings = self.settings
        known = checked_labels(labels, len(table)) if labels is not None else checked_labels(([], [], []), len(table))
        thin = WithoutCopies.of(table)
        table, candidates, known = thin.table, thin.pairs(candidates), _placed(known, thin.place)
        attributes = matched_attributes(table)
        draw = np.random.default_rng(settings.seed)
        names = tuple(attribute.name for attribute in attributes)
        source = source_codes(table)
        if not attributes or not len(candidates):
            nothing = np.zeros((len(attributes), LEVELS))
            likelihood = Likelihood(nothing, np.full(2, _HARDLY), np.ones(len(attributes)))
            self._learned = Learned(names, likelihood, np.zeros(len(names) + 1))
            return self
        random, chances = self._chances(attributes, len(table), draw)
        chosen, share = learning_pairs(candidates, settings.pairs, draw)
        pairs = Candidates(len(table), candidates.left[chosen], candidates.right[chosen])
        pairs = Candidates.union(len(table), [pairs, Candidates.of(len(table), known[0], known[1])])
        total = group_totals(source) * share

        def learn(links: tuple[Link, ...] = ()) -> Likelihood:
            group, answers = pair_groups(source, pairs), _answers(pairs, known)
            rows = len(table)
            return fit_likelihood(compared, chances, group, total, random, rows, rows * share, answers, links)

        compared = _compared(attributes, pairs)
        likelihood = learn()
        if settings.close:
            # Candidates are the most alike pairs of a thing of many rows. What its other pairs are like, and how many
            # there are, is seen once all are compared.
            chained = chained_pairs(
                pairs, likelihood.log_odds(compared, pair_groups(source, pairs)) > 0, settings.close
            )
            order = np.argsort(np.concatenate([pairs.key, chained.key]), kind="stable")
            compared = compared.joined(_compared(attributes, chained), order)
            pairs = Candidates.union(len(table), [pairs, chained])
            likelihood = learn()
        if links := dependent_attributes(random, likelihood.matches(total)):
            likelihood = learn(links)
        start = likelihood.log_odds(compared, pair_groups(source, pairs))
        shift = self._calibrate(start, evidence(compared, likelihood), pairs, known)
        self._learned = Learned(names, likelihood, shift)
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
        self, start: NDArray[np.float64], found: NDArray[np.float64], candidates: Candidates, known: CheckedLabels
    ) -> NDArray[np.float64]:
        """Weigh attributes anew by the sets that they give, rounds of it."""
        settings = self.settings
        shift = np.zeros(found.shape[1] + 1)
        answer = _answers(candidates, known)
        told = ~np.isnan(answer)
        importance = np.where(told, _weight_of_label(int(told.sum()), len(candidates)), 1.0)
        must, cannot = (_pairs(candidates, told & (answer == value)) for value in (1, 0))
        group = groups_of(candidates.count, must)
        cannot = cannot[group[cannot[:, 0]] != group[cannot[:, 1]]]  # labels of real data are not always consistent
        chance = expit(start)
        for _ in watched(range(settings.rounds), "weighing attributes", settings.rounds):
            graph = PairGraph.of(candidates.count, candidates.left, candidates.right, chance)
            sets = discover_sets(graph, must_link=must, cannot_link=cannot)
            together = sets[candidates.left] == sets[candidates.right]
            target = settings.trust * together + (1 - settings.trust) * chance
            target[told] = answer[told]
            shift = fit_shift(found, start, target, importance)
            chance = expit(shifted(start, found, shift))
        return shift

    def predict(self, table: Table, candidates: Candidates, engine: Engine = LOCAL) -> PairGraph:
        """Probabilities of the candidates, and of the pairs that chains of likely matches join.

        Of more than a thousand rows that are the same in every column most become `PairGraph.copies`.

        Args:
            table: rows with the attributes learned from; others are ignored, missing ones say nothing.
            candidates: pairs worth comparing.
            engine: where blocks of pairs are compared.

        Raises:
            UserError: nothing was learned yet.
        """
        thin = WithoutCopies.of(table)
        candidates = thin.pairs(candidates)
        rows = self._rows(thin.table)
        graph = self._predict(rows, candidates, engine)
        if self.settings.close:
            kept = Candidates(graph.count, graph.left, graph.right)
            chained = self._predict(rows, chained_pairs(kept, graph.weight > 0.5, self.settings.close), engine)
            graph = PairGraph.of(
                graph.count,
                np.concatenate([graph.left, chained.left]),
                np.concatenate([graph.right, chained.right]),
                np.concatenate([graph.weight, chained.weight]),
            )
        return PairGraph(len(table), thin.rows[graph.left], thin.rows[graph.right], graph.weight, thin.copies)

    def _rows(self, table: Table) -> _Rows:
        return _Rows(known_attributes(self.learned.names, table), source_codes(table), row_groups(table))

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
    learned = matcher.learned
    chance = expit(learned.log_odds(*pair_odds(learned.likelihood, rows.source, rows.attributes, part)))
    same = (rows.group[part.left] == rows.group[part.right]) & (rows.group[part.left] >= 0)
    chance = np.where(same, np.maximum(chance, IDENTICAL), chance)
    kept = chance >= matcher.settings.least
    return part.left[kept], part.right[kept], chance[kept].astype(np.float32)


def _weight_of_label(labels: int, pairs: int) -> float:
    """Pairs that each label counts for: at least 1, at most 20 or a thousandth of those learned from.

    The pairs that people are asked about are doubtful ones and not drawn at random. A few right answers, most of them
    "no", must not move what is thought of all others, so the first labels weigh less than those of a longer list.

    >>> _weight_of_label(1, 50_000), _weight_of_label(30, 50_000), _weight_of_label(30, 2_000)
    (1.8181818181818181, 15.0, 1.5)
    """
    most = min(_MOST_OF_LABEL, _SHARE_OF_LABEL * pairs)
    return max(1.0, most * labels / (labels + _FEW_LABELS))


def _placed(known: CheckedLabels, place: NDArray[np.int64]) -> CheckedLabels:
    """Labels of rows in their places; those of a row and its copy are dropped."""
    left, right = place[known[0]], place[known[1]]
    kept = left != right
    return np.minimum(left, right)[kept], np.maximum(left, right)[kept], known[2][kept]


def _compared(attributes: Sequence[Attribute], pairs: Candidates) -> Comparison:
    compared = compare(attributes, pairs.left, pairs.right)
    mark_elsewhere(compared, attributes, pairs.left, pairs.right)
    return compared


def _answers(pairs: Candidates, known: CheckedLabels) -> NDArray[np.float64]:
    """``(p,)`` the label of each pair, NaN where there is none."""
    left, right, value = known
    answer, key, wanted = np.full(len(pairs), np.nan), pairs.key, left * pairs.count + right
    place = np.searchsorted(key, wanted)
    found = place < len(key)
    found[found] = key[place[found]] == wanted[found]
    answer[place[found]] = value[found]
    return answer


def _pairs(candidates: Candidates, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.column_stack([candidates.left[chosen], candidates.right[chosen]])
