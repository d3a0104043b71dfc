"""How much each level of agreement speaks for a match, learned without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from domains.tables.matching.attributes import Attribute
from domains.tables.matching.compare import BINS, ELSEWHERE, LEVELS, MISSING, Comparison

__all__ = ["Likelihood", "evidence", "fit_likelihood", "random_chances"]

_STRENGTH = 50.0
"""Weight of the prior over levels, in pairs."""
_ROUNDS = 50
_STEADY = 1e-4


@dataclass(frozen=True, eq=False)
class Likelihood:
    """What was learned of a table.

    Attributes:
        weight: ``(m, LEVELS)`` natural logarithm of the odds that a level adds: how much more frequent it is among
            matches than among random pairs.
        prior: for each group of pairs the log odds of a match before anything is compared.
    """

    weight: NDArray[np.float64]
    prior: NDArray[np.float64]


def random_chances(random: Comparison, few: NDArray[np.bool_], attributes: Sequence[Attribute]) -> NDArray[np.float64]:
    """``(m, LEVELS)`` how often random pairs that have values show each level.

    That of equal values is known exactly from how frequent each value is.

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
    return levels


def evidence(comparison: Comparison, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(p, m)`` log odds that each attribute adds: its level's weight and the rarity of what agrees; 0 if missing.

    Args:
        comparison: of the pairs.
        weight: of `Likelihood`.
    """
    column = np.arange(weight.shape[0])
    found = weight[column, np.maximum(comparison.level, 0)] + comparison.rarity
    found[comparison.level == MISSING] = 0
    return found


def fit_likelihood(
    comparison: Comparison,
    chances: NDArray[np.float64],
    group: NDArray[np.int64],
    total: NDArray[np.float64],
    start: NDArray[np.float64],
    known: NDArray[np.float64] | None = None,
) -> Likelihood:
    """Expectation maximisation of Fellegi and Sunter 1969 with chances that are known and not estimated.

    Non-matches among all pairs of rows look like random pairs, so only the levels of matches and the share of matches
    are unknown. The pairs given are candidates: those not given count as non-matches. Rare values that agree count for
    more, common ones for less (Winkler 1989). Levels of one attribute are learned with a prior half from chance and
    half from the candidates. Relations: splink estimates the chances likewise; here the levels are finer, numbers are
    a matter of their own, and each group of pairs has its own share of matches.

    Args:
        comparison: of the candidates, or of an even sample of them.
        chances: ``(m, LEVELS)`` of random pairs.
        group: ``(p,)`` group of each pair, as 0 for pairs within a source and 1 for pairs across sources.
        total: pairs of rows in each group (not candidates only), divided by what was sampled of the candidates.
        start: ``(p,)`` in [0, 1], how probable each match is to begin with.
        known: ``(p,)`` 1 for known matches, 0 for known non-matches, NaN for all others.
    """
    groups = len(total)
    matched = start
    for _ in range(_ROUNDS):
        if known is not None:
            matched = np.where(np.isnan(known), matched, known)
        found = np.bincount(group, matched, groups)
        prior = logit(np.clip((found + 1) / (total + 2), 1e-15, 0.5))
        weight = np.log(_match_levels(comparison, matched, chances) / chances)
        before, matched = matched, expit(prior[group] + evidence(comparison, weight).sum(axis=1))
        if np.abs(matched - before).max(initial=0) < _STEADY:
            break
    return Likelihood(weight, prior)


def _match_levels(
    comparison: Comparison, matched: NDArray[np.float64], chances: NDArray[np.float64]
) -> NDArray[np.float64]:
    levels = np.empty_like(chances)
    for column in range(len(chances)):
        told = comparison.level[:, column] != MISSING
        level = comparison.level[told, column]
        seen = np.bincount(level, minlength=LEVELS) / max(1, len(level))
        prior = 0.5 * chances[column] + 0.5 * np.maximum(seen, 1e-9)
        counted = np.bincount(level, matched[told], LEVELS)
        levels[column] = (counted + _STRENGTH * prior) / (counted.sum() + _STRENGTH * prior.sum())
    return levels
