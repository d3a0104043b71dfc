"""The mixture finds the chances that made the data; calibration halves what counts twice."""

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from domains.tables.matching.calibrate import fit_shift
from domains.tables.matching.compare import BINS, LEVELS, Comparison
from domains.tables.matching.likelihood import evidence, fit_likelihood, own_share
from domains.tables.matching.otsu import otsu

EQUAL = len(BINS) * 8


def _drawn(count=20_000, share=0.1, attributes=4, seed=0):
    """Pairs of which a tenth match; levels equal or unlike, 0.9 against 0.05."""
    draw = np.random.default_rng(seed)
    match = draw.random(count) < share
    equal = draw.random((count, attributes)) < np.where(match, 0.9, 0.05)[:, None]
    level = np.where(equal, EQUAL, 0).astype(np.int8)
    chances = np.full((attributes, LEVELS), 1e-6)
    chances[:, 0], chances[:, EQUAL] = 0.95, 0.05
    return Comparison(level, np.zeros(level.shape, dtype=np.float32)), chances, match


def test_chances_of_matches_are_found():
    compared, chances, match = _drawn()
    group = np.zeros(len(match), dtype=np.int64)
    total = np.array([float(len(match))])
    found = fit_likelihood(compared, chances, group, total, compared, 10**6, 10)
    assert np.allclose(found.weight[:, EQUAL], np.log(0.9 / 0.05), atol=0.1)
    assert np.allclose(expit(found.prior), match.mean(), atol=0.01)
    chance = expit(found.prior[0] + evidence(compared, found).sum(1))
    assert np.mean((chance > 0.5) == match) > 0.98


def test_known_pairs_are_held():
    """The first attribute says nothing of what the labels call a match, the others do."""
    compared, chances, match = _drawn(20_000)
    compared.level[:, 0] = np.random.default_rng(5).permutation(compared.level[:, 0])
    group, total = np.zeros(len(match), dtype=np.int64), np.array([float(len(match))])
    chances[0, EQUAL] = (compared.level[:, 0] == EQUAL).mean()
    chances[0, 0] = 1 - chances[0, EQUAL]
    found = fit_likelihood(compared, chances, group, total, compared, 10**6, 1, match.astype(float))
    assert abs(found.weight[0, EQUAL]) < abs(found.weight[1:, EQUAL]).min() / 1.5
    assert np.allclose(expit(found.prior), match.mean(), atol=0.001)


def test_what_stands_twice_counts_once():
    draw = np.random.default_rng(0)
    truth = draw.random(20_000) < 0.3
    single = np.where(draw.random(20_000) < np.where(truth, 0.8, 0.2), logit(0.8), logit(0.2))
    doubled = np.column_stack([single, single])
    shift = fit_shift(doubled, logit(0.3) + doubled.sum(1), truth.astype(float), np.ones(len(truth)))
    assert np.allclose(shift[:2], -0.5, atol=0.1)
    plain = LogisticRegression(C=np.inf).fit(single[:, None], truth)
    odds = logit(0.3) + doubled @ (1 + shift[:2]) + shift[2]
    assert np.allclose(expit(odds), plain.predict_proba(single[:, None])[:, 1], atol=0.02)


def test_nothing_shifts_without_cause():
    draw = np.random.default_rng(0)
    found = draw.normal(size=(5000, 3)) * 2
    start = found.sum(1)
    assert np.abs(fit_shift(found, start, expit(start), np.ones(5000))).max() < 1e-3


def test_otsu_parts_two_heaps():
    draw = np.random.default_rng(0)
    scores = np.concatenate([draw.normal(0.2, 0.03, 900), draw.normal(0.8, 0.03, 100)])
    assert scores[:900].max() <= otsu(scores) <= scores[900:].min()
    assert otsu(np.full(5, 0.4)) > 0.4


def test_attributes_that_agree_together_count_for_less():
    draw = np.random.default_rng(1)
    town = draw.random(200_000) < 0.05
    alone = draw.random(200_000) < 0.05
    level = np.column_stack([town, town, alone]) * np.int8(EQUAL)
    chances = np.full((3, LEVELS), 1e-6)
    chances[:, 0], chances[:, EQUAL] = 0.95, 0.05
    share = own_share(Comparison(level.astype(np.int8), np.zeros(level.shape, dtype=np.float32)), chances, 10**6)
    assert np.allclose(share, [2**-0.5, 2**-0.5, 1], atol=0.01)


def test_few_pairs_do_not_overrule_that_matches_agree():
    """Ten candidates that are unlike in everything: called matches or not, a match is expected to be equal."""
    level = np.zeros((10, 2), dtype=np.int8)
    compared = Comparison(level, np.zeros(level.shape, dtype=np.float32))
    chances = np.full((2, LEVELS), 1e-6)
    chances[:, 0], chances[:, EQUAL] = 0.95, 0.05
    group, total = np.zeros(10, dtype=np.int64), np.array([1e6])
    found = fit_likelihood(compared, chances, group, total, compared, 10**6, 1000)
    assert np.all(found.weight[:, 0] < -2)
    assert np.all(found.weight[:, EQUAL] > 2)
