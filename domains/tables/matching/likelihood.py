"""How much each level of agreement speaks for a match, learned without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from domains.tables.matching.attributes import Attribute
from domains.tables.matching.compare import BINS, ELSEWHERE, LEVELS, MISSING, Comparison
from domains.tables.matching.dependence import ALIKE, Link, take_off

__all__ = ["Likelihood", "evidence", "expected_mates", "fit_likelihood", "own_share", "random_chances"]

_STRENGTH = 50.0
"""Weight of the prior over levels, in pairs."""
_USUAL = 0.05
"""The same for each row of a small table, which has fewer matches than that."""
_DEGREES = (0.04, 0.03, 0.03, 0.05, 0.10, 0.15, 0.60)
"""How alike the values of a match are expected to be, from unlike to equal, before anything was seen."""
_UNLIKE = (BINS.index(0.55) + 1) * 8
"""Levels below this one are of the three lowest degrees."""
_MOST_UNLIKE = 0.08
"""Share of the values in which matches are unlike at most, on the mean over attributes."""
_EXPECTED = 0.6
"""Weight of that expectation, in pairs for each row of the table."""
_MATES = 0.2
"""Matches that are expected for each row, before anything was seen."""
_LEAST = 0.1
"""Of what random pairs show at a level, at least this share is not due to the matches among them."""
_ROUNDS = 50
_STEADY = 1e-4


@dataclass(frozen=True, eq=False)
class Likelihood:
    """What was learned of a table.

    Attributes:
        weight: ``(m, LEVELS)`` natural logarithm of the odds that a level adds: how much more frequent it is among
            matches than among random pairs.
        prior: for each group of pairs the log odds of a match before anything is compared.
        share: ``(m,)`` in (0, 1], how much of what an attribute says counts, see `own_share`.
        links: attributes that agree together, see `domains.tables.matching.dependence.dependent_attributes`.
    """

    weight: NDArray[np.float64]
    prior: NDArray[np.float64]
    share: NDArray[np.float64]
    links: tuple[Link, ...] = ()

    def log_odds(self, comparison: Comparison, group: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(p,)`` log odds of a match.

        Args:
            comparison: of the pairs.
            group: ``(p,)`` group of each pair.
        """
        odds: NDArray[np.float64] = self.prior[group] + evidence(comparison, self).sum(axis=1)
        return odds

    def matches(self, total: NDArray[np.float64]) -> float:
        """Share of matches among all pairs of rows.

        Args:
            total: pairs of rows in each group.
        """
        return float(expit(self.prior) @ total / total.sum())


def random_chances(random: Comparison, few: NDArray[np.bool_], attributes: Sequence[Attribute]) -> NDArray[np.float64]:
    """``(m, LEVELS)`` how often random pairs that have values show each level.

    That of equal values is known exactly from how frequent each value is. Of the random pairs of a small table some
    are matches: what is expected of them is taken off, up to nine tenths of a level.

    Args:
        random: comparison of random pairs of rows.
        few: ``(p,)`` the pairs in which values elsewhere were looked for.
        attributes: of the table.
    """
    levels = np.empty((len(attributes), LEVELS))
    top = slice(len(BINS) * 8, ELSEWHERE)
    for column, attribute in enumerate(attributes):
        level = random.level[:, column]
        counted = np.bincount(level[(level >= 0) & (level != ELSEWHERE)], minlength=LEVELS)[:-1].astype(float)
        found = (counted + _STRENGTH / LEVELS) / (counted.sum() + _STRENGTH)
        shape = counted[top] + 0.1
        found[top] = attribute.agreement * shape / shape.sum()
        looked = level[few & (level >= 0)]
        elsewhere = ((looked == ELSEWHERE).sum() + _STRENGTH / LEVELS) / (len(looked) + _STRENGTH)
        levels[column] = np.r_[found / found.sum() * (1 - elsewhere), elsewhere]
    mates = expected_mates(len(attributes[0].code)) if attributes else 0.0
    levels = np.maximum(levels - mates * _expected_levels(levels), _LEAST * levels)
    found_levels: NDArray[np.float64] = levels / levels.sum(axis=1, keepdims=True)
    return found_levels


def own_share(random: Comparison, chances: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """``(m,)`` how much of what each attribute says is its own, in (0, 1]: one over the root of its correlations.

    The sum of log odds takes attributes for independent. Town, postcode and area code of different things agree
    together; counted in full they would outweigh names that differ. Correlations are those of the evidence in random
    pairs, which are hardly ever matches; negative ones count as none. Two attributes that always agree together get
    0.71 each, one that agrees on its own 1. (The whole of the correlation, without the root, loses true matches on
    every set that was tried.)

    Of the random pairs of a small table some are matches: as many of the most alike ones as are expected are left out.

    Args:
        random: comparison of random pairs of rows.
        chances: ``(m, LEVELS)`` of random pairs.
        rows: of the table.
    """
    alike = (random.level >= ALIKE).sum(axis=1) / np.maximum(1, random.support)
    mates = round(expected_mates(rows) * len(random))
    others = random.select(np.argsort(alike, kind="stable")[: len(random) - mates])
    expected = np.log(_expected_levels(chances) / chances)
    found = evidence(others, Likelihood(expected, np.empty(0), np.ones(len(chances))))
    spread = found.std(axis=0)
    scaled = (found - found.mean(axis=0)) / np.where(spread > 0, spread, 1)
    together = np.clip(scaled.T @ scaled / max(1, len(scaled)), 0, 1)
    np.fill_diagonal(together, 1)
    share: NDArray[np.float64] = together.sum(axis=1) ** -0.5
    return share


def expected_mates(rows: int) -> float:
    """Share of all pairs of rows that are expected to be matches: a fifth of a pair for each row.

    >>> round(expected_mates(11), 3), expected_mates(1)
    (0.04, 0.4)
    """
    return 2 * _MATES / max(1, rows - 1)


def evidence(comparison: Comparison, learned: Likelihood) -> NDArray[np.float64]:
    """``(p, m)`` log odds that each attribute adds: its level's weight and the rarity of what agrees; 0 if missing.

    Args:
        comparison: of the pairs.
        learned: weights, and what is taken off where attributes agree together.
    """
    column = np.arange(learned.weight.shape[0])
    found = (learned.weight[column, np.maximum(comparison.level, 0)] + comparison.rarity) * learned.share
    found[comparison.level == MISSING] = 0
    take_off(found, comparison, learned.links)
    return found


def fit_likelihood(
    comparison: Comparison,
    chances: NDArray[np.float64],
    group: NDArray[np.int64],
    total: NDArray[np.float64],
    random: Comparison,
    table_rows: int,
    rows: float,
    known: NDArray[np.float64] | None = None,
    links: tuple[Link, ...] = (),
) -> Likelihood:
    """Expectation maximisation of Fellegi and Sunter 1969 with chances that are known and not estimated.

    Non-matches among all pairs of rows look like random pairs, so only the levels of matches and the share of matches
    are unknown. The pairs given are candidates: those not given count as non-matches. Rare values that agree count for
    more, common ones for less (Winkler 1989). Relations: splink estimates the chances likewise; here the levels are
    finer, numbers are a matter of their own, each group of pairs has its own share of matches, attributes that agree
    together count for less (`own_share`, `dependent_attributes`), and matches are expected to agree.

    The last keeps a table with few duplicates, or none, from being merged by what its things have in common: matches
    would have to be pairs whose values are mostly the same. The expectation weighs 0.6 pairs for each row of the table,
    so that many true matches which are otherwise overrule it.

    Args:
        comparison: of the candidates, or of an even sample of them.
        chances: ``(m, LEVELS)`` of random pairs.
        group: ``(p,)`` group of each pair, as 0 for pairs within a source and 1 for pairs across sources.
        total: pairs of rows in each group (not candidates only), divided by what was sampled of the candidates.
        random: comparison of random pairs of rows.
        table_rows: rows of the table.
        rows: the same times the share of the candidates that was sampled.
        known: ``(p,)`` 1 for known matches, 0 for known non-matches, NaN for all others.
        links: attributes that agree together; they can be found once matches are known roughly.
    """
    learned = Likelihood(
        np.log(_expected_levels(chances) / chances),
        np.full(len(total), logit(expected_mates(round(rows)))),
        own_share(random, chances, table_rows),
        links,
    )
    matched = expit(learned.log_odds(comparison, group))
    for _ in range(_ROUNDS):
        if known is not None:
            matched = np.where(np.isnan(known), matched, known)
        found = np.bincount(group, matched, len(total))
        prior = logit(np.clip((found + 1) / (total + 2), 1e-15, 0.5))
        weight = np.log(_match_levels(comparison, matched, chances, rows) / chances)
        learned = replace(learned, weight=weight, prior=prior)
        before, matched = matched, expit(learned.log_odds(comparison, group))
        if np.abs(matched - before).max(initial=0) < _STEADY:
            break
    return learned


def _match_levels(
    comparison: Comparison, matched: NDArray[np.float64], chances: NDArray[np.float64], rows: float
) -> NDArray[np.float64]:
    """Levels among matches, with a prior half from chance and half from the candidates, and the expected degrees."""
    levels, weight = np.empty_like(chances), np.empty(len(chances))
    for column in range(len(chances)):
        told = comparison.level[:, column] != MISSING
        level = comparison.level[told, column]
        seen = np.bincount(level, minlength=LEVELS) / max(1, len(level))
        usual = 0.5 * chances[column] + 0.5 * np.maximum(seen, 1e-9)
        counted = np.bincount(level, matched[told], LEVELS) + min(_STRENGTH, _USUAL * rows) * usual
        counted += _EXPECTED * rows * _expected_levels(usual[None])[0]
        levels[column] = counted / counted.sum()
        weight[column] = matched[told].sum() + rows
    return _mostly_alike(levels, weight)


def _mostly_alike(levels: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels under which matches are, on the mean over attributes, unlike in no more than a twelfth of their values.

    One attribute may differ in all matches, as numbers do that each source gives on its own. But where most attributes
    differ, the pairs that were taken for matches have a place or a name in common and are different things; among many
    rows there are so many of those that they would overrule every expectation.
    """
    unlike = levels[:, :_UNLIKE].sum(axis=1)
    scale = min(1.0, _MOST_UNLIKE / float(np.average(unlike, weights=weight)))
    levels[:, :_UNLIKE] *= scale
    levels[:, _UNLIKE:] *= ((1 - scale * unlike) / (1 - unlike))[:, None]
    return levels


def _expected_levels(usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(m, LEVELS)`` degrees of similarity as matches are expected to have them; within a degree as is usual."""
    m = len(usual)
    inner = usual[:, :ELSEWHERE].reshape(m, len(_DEGREES), -1)
    inner = inner / inner.sum(axis=2, keepdims=True) * np.array(_DEGREES)[:, None]
    found = np.concatenate([inner.reshape(m, -1), usual[:, ELSEWHERE:]], axis=1)
    levels: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
    return levels
