"""DCL and DCLW: hand values, bounds, the coupling factor, the weights."""

import math

import pytest
import torch

from core.losses import DCLLoss, DCLWLoss, dcl, negative_positive_coupling, nt_xent, positive_weights
from tests.core.losses import oracles


def pair(n=6, d=5, seed=0):
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("t", "value"), [(1.0, math.log(2) - 1), (0.1, math.log(2) - 10), (0.01, math.log(2) - 100)])
def test_hand_values(t, value):
    """At 0.01 a mask of log(1e-45) instead of minus infinity would give -99.28033."""
    assert float(dcl(torch.eye(2), torch.eye(2), temperature=t)) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("n", [2, 5])
def test_collapse(n):
    same = torch.ones(n, 3)
    assert float(dcl(same, same)) == pytest.approx(math.log(2 * n - 2), abs=4e-6)  # a logit of 10 in float32


def test_lower_bound_is_reached_by_antipodal_pairs():
    poles = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert float(dcl(poles, poles, temperature=0.5)) == pytest.approx(-2 / 0.5 + math.log(2), abs=1e-6)
    for seed in range(5):
        assert dcl(*pair(seed=seed), temperature=0.5) > -4 + math.log(10)


def test_each_nt_xent_gradient_is_the_coupling_times_the_dcl_gradient():
    query, key = pair(4, 3)
    coupling = negative_positive_coupling(query, key, temperature=0.3)
    assert coupling.shape == (8,)
    leaves = query.requires_grad_(), key.requires_grad_()
    decoupled = dcl(*leaves, temperature=0.3, reduction="none")
    coupled = nt_xent(*leaves, temperature=0.3, reduction="none")
    torch.testing.assert_close(coupling, torch.sigmoid(decoupled.detach()))
    torch.testing.assert_close(coupled, decoupled.exp().log1p())
    for i in range(8):
        for plain, scaled in zip(
            torch.autograd.grad(decoupled[i], leaves, retain_graph=True),
            torch.autograd.grad(coupled[i], leaves, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(scaled, coupling[i] * plain)


def test_coupling_is_the_share_of_the_negatives_and_rises_with_the_batch():
    query, key = pair(4, 3)
    z = torch.cat([oracles.unit(query), oracles.unit(key)])
    expected = []
    for i in range(8):
        candidates = {k: float(torch.exp(z[i] @ z[k] / 0.3)) for k in range(8) if k != i}
        expected.append(1 - candidates[(i + 4) % 8] / sum(candidates.values()))
    assert negative_positive_coupling(query, key, temperature=0.3).tolist() == pytest.approx(expected)
    base, noise = pair(256, 16)
    close = base + 0.3 * noise
    means = [float(negative_positive_coupling(base[:n], close[:n], temperature=0.5).mean()) for n in (4, 32, 256)]
    assert means == sorted(means)


def test_weights_of_a_hand_example():
    query = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    key = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    weights = positive_weights(query, key, sigma=0.5)
    assert weights.tolist() == pytest.approx([-0.600440, 1.648069, 1.952371], abs=1e-5)
    clamped = positive_weights(query, key, sigma=0.5, min_weight=0.0)
    assert clamped.tolist() == pytest.approx([0, 1.648069, 1.952371], abs=1e-5)


def test_weights_average_to_one_and_equal_positives_weigh_one():
    query, key = pair(9)
    assert float(positive_weights(query, key).mean()) == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(positive_weights(query, query), torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(DCLWLoss()(query, 2 * query), DCLLoss()(query, 2 * query))


@pytest.mark.parametrize("n", [2, 4, 16])
def test_the_lowest_weight_that_can_be_reached(n):
    """One good pair among opposite ones; -1.79 for n = 4 and -10.6 for n = 16 at sigma 0.5."""
    query = torch.ones(n, 1)
    key = -query.clone()
    key[0] = 1
    lowest = {2: 0.036, 4: -1.79, 16: -10.6}[n]
    assert float(positive_weights(query, key)[0]) == pytest.approx(lowest, abs=0.05)


def test_detached_weights_scale_the_positive_gradient_only():
    query, key = (x.requires_grad_() for x in pair())
    weights = positive_weights(query, key)
    assert not weights.requires_grad
    weighted = DCLWLoss(reduction="sum")(query, key)
    by_hand = oracles.dcl(query, key, 0.1, weights).sum()
    torch.testing.assert_close(weighted, by_hand)
    fixed, by_hand_grad = (torch.autograd.grad(loss, query, retain_graph=True)[0] for loss in (weighted, by_hand))
    torch.testing.assert_close(fixed, by_hand_grad)
    through = DCLWLoss(reduction="sum", detach=False)(query, key)
    torch.testing.assert_close(through, weighted)
    moving = oracles.dcl(query, key, 0.1, oracles.dclw_weights(query, key, 0.5)).sum()
    mine, theirs = (torch.autograd.grad(loss, query)[0] for loss in (through, moving))
    torch.testing.assert_close(mine, theirs)
    assert not torch.allclose(mine, fixed, rtol=1e-3)


def test_queue_form_keeps_the_positive_out():
    query, key = pair()
    queue = pair(seed=7)[0]
    q, k, m = oracles.unit(query), oracles.unit(key), oracles.unit(queue)
    expected = torch.stack([oracles.log_sum([q[i] @ row / 0.1 for row in m]) - q[i] @ k[i] / 0.1 for i in range(6)])
    torch.testing.assert_close(DCLLoss(reduction="none")(query, key, negatives=queue), expected)
    weights = oracles.dclw_weights(query, key, 0.5)
    positive = torch.stack([q[i] @ k[i] / 0.1 for i in range(6)])
    torch.testing.assert_close(
        DCLWLoss(reduction="none")(query, key, negatives=queue), expected + positive - weights * positive
    )


def test_check_finite_looks_only_if_asked():
    query, key = pair()
    key[1, 2] = math.nan
    assert dcl(query, key).isnan()
    for loss in (DCLLoss(check_finite=True), DCLWLoss(check_finite=True)):
        with pytest.raises(ValueError, match="query and key must be finite"):
            loss(query, key)


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"sigma must be finite and > 0, got 0"):
        DCLWLoss(sigma=0.0)
    with pytest.raises(ValueError, match="sigma must be finite and > 0, got -1"):
        positive_weights(*pair(), sigma=-1.0)
    with pytest.raises(ValueError, match=r"positive_weight must have shape \(6,\)"):
        dcl(*pair(), positive_weight=torch.ones(5))


def test_dot_products_instead_of_cosines():
    query, key = pair(2, 3)
    z = torch.cat([query, key])
    s = z @ z.T / 0.7
    expected = torch.stack([torch.logsumexp(s[i, [j for j in range(4) if j % 2 != i % 2]], 0) for i in range(4)])
    expected = expected - torch.stack([s[i, (i + 2) % 4] for i in range(4)])
    torch.testing.assert_close(dcl(query, key, temperature=0.7, normalize=False, reduction="none"), expected)
    torch.testing.assert_close(DCLLoss(temperature=0.7, normalize=False)(query, key), expected.mean())
