"""SimCSE: hand values, cross-entropy, the weight of the own hard negative, duplicates, shares."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from core.losses import SimCSELoss, info_nce, sim_cse

# cosines [[1, 0], [.5, .8]]
QUERY = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.8, math.sqrt(0.11)]], dtype=torch.float64)
KEY = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)


def rows(n=6, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_hand_values():
    assert float(sim_cse(QUERY, KEY, temperature=1.0)) == pytest.approx(0.433808, abs=1e-6)
    assert float(SimCSELoss()(QUERY, KEY)) == pytest.approx(0.001238, abs=1e-6)


def test_it_is_cross_entropy_with_the_row_as_the_class():
    q, k, hard = rows(), rows(seed=1), rows(seed=2)
    s = normalize(q) @ normalize(torch.cat([k, hard])).T / 0.05
    own = torch.arange(6)
    torch.testing.assert_close(sim_cse(q, k, reduction="none"), cross_entropy(s[:, :6], own, reduction="none"))
    torch.testing.assert_close(sim_cse(q, k, hard, reduction="none"), cross_entropy(s, own, reduction="none"))


@pytest.mark.parametrize("weight", [-40.0, -1.0, 0.7, 40.0])
def test_the_weight_is_added_to_the_logit_of_the_own_hard_negative_alone(weight):
    q, k, hard = rows(), rows(seed=1), rows(seed=2)
    s = normalize(q) @ normalize(torch.cat([k, hard])).T / 0.05
    s[torch.arange(6), torch.arange(6, 12)] += weight
    expected = cross_entropy(s, torch.arange(6), reduction="none")
    torch.testing.assert_close(SimCSELoss(hard_negative_weight=weight, reduction="none")(q, k, hard), expected)


def test_without_hard_negatives_it_is_info_nce():
    q, k = rows(), rows(seed=1)
    assert torch.equal(SimCSELoss(temperature=0.1)(q, k), info_nce(q, k, temperature=0.1))


def test_random_rows_give_about_log_n_and_equal_ones_log_2n():
    q, k = rows(64, 2000), rows(64, 2000, seed=1)
    assert float(sim_cse(q, k, temperature=1.0)) == pytest.approx(math.log(64), abs=0.02)
    same = torch.ones(5, 3)
    assert float(sim_cse(same, same, same)) == pytest.approx(math.log(10), abs=1e-5)


def test_a_batch_of_one_has_its_own_hard_negative():
    q, k, hard = rows(1), rows(1, seed=1), rows(1, seed=2)
    s = [torch.cosine_similarity(q, x) / 0.05 for x in (k, hard)]
    expected = torch.log1p(torch.exp(s[1] + 2 - s[0]))[0]
    torch.testing.assert_close(sim_cse(q, k, hard, hard_negative_weight=2.0), expected)
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        sim_cse(q, k)


def test_positives_of_the_same_sentence_are_no_negatives():
    q, k, hard = rows(), rows(seed=1), rows(seed=2)
    ids = torch.tensor([7, 1, 2, 7, 3, 7])
    s = normalize(q) @ normalize(torch.cat([k, hard])).T / 0.05
    same = (ids[:, None] == ids) & ~torch.eye(6, dtype=torch.bool)
    s[:, :6] = s[:, :6].masked_fill(same, -torch.inf)
    expected = cross_entropy(s, torch.arange(6), reduction="none")
    torch.testing.assert_close(sim_cse(q, k, hard, ids=ids, reduction="none"), expected)
    plain = cross_entropy(s[:, :6], torch.arange(6))
    torch.testing.assert_close(SimCSELoss()(q, k, ids=ids), plain)
    all_same = torch.zeros(6, dtype=torch.int64)  # hard negatives are left
    assert sim_cse(q, k, hard, ids=all_same).isfinite()


def test_shares_average_to_the_whole():
    q, k, hard = rows().requires_grad_(), rows(seed=1), rows(seed=2)
    ids = torch.tensor([7, 1, 2, 7, 3, 4])
    loss = SimCSELoss(hard_negative_weight=1.0)
    whole = loss(q, k, hard, ids=ids)
    shares = torch.stack([loss(q, k, hard, ids=ids, rows=slice(i, i + 2)) for i in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, whole)
    torch.testing.assert_close(torch.autograd.grad(shares, q)[0], torch.autograd.grad(whole, q)[0])


def test_reductions_settings_and_dot_products():
    q, k, hard = rows(), rows(seed=1), rows(seed=2)
    terms = sim_cse(q, k, hard, reduction="none")
    torch.testing.assert_close(SimCSELoss(reduction="sum")(q, k, hard), terms.sum())
    torch.testing.assert_close(SimCSELoss()(q, k, hard), terms.mean())
    dots = q @ torch.cat([k, hard]).T / 2
    plain = SimCSELoss(temperature=2.0, normalize=False)(q, k, hard)
    torch.testing.assert_close(plain, cross_entropy(dots, torch.arange(6)))
    shown = repr(SimCSELoss(hard_negative_weight=0.5))
    assert "temperature=0.05, reduction='mean', normalize=True, hard_negative_weight=0.5" in shown


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    q, k = rows(), rows(seed=1)
    with pytest.raises(ValueError, match="query and hard_negatives must have the same shape"):
        sim_cse(q, k, k[:3])
    with pytest.raises(TypeError, match="hard_negatives must be a floating tensor"):
        sim_cse(q, k, k.long())
    with pytest.raises(ValueError, match="query and key must have the same shape"):
        sim_cse(q, k[:3], k)
    with pytest.raises(ValueError, match=r"hard_negative_weight=1\.0 has nothing to weigh: pass hard_negatives"):
        SimCSELoss(hard_negative_weight=1.0)(q, k)
    with pytest.raises(ValueError, match="hard_negative_weight must be finite, got -inf"):
        SimCSELoss(hard_negative_weight=-math.inf)
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        SimCSELoss(temperature=0.0)
    with pytest.raises(ValueError, match="ids must be int64"):
        sim_cse(q, k, k, ids=torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="rows must be a slice"):
        sim_cse(q, k, k, rows=slice(4, 9))
