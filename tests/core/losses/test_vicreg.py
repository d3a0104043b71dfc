"""VICReg: values by hand, each of its three terms alone, and where released code and paper part."""

import pytest
import torch

from core.losses import VICRegLoss, vicreg


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def terms(query, key, **options):
    """Invariance, variance and covariance, each with weight 1."""
    names = ("lambda_param", "mu_param", "nu_param")
    return [float(vicreg(query, key, **{n: float(n == name) for n in names}, **options)) for name in names]


def test_collapsed_features_cost_only_their_variance():
    x = torch.full((6, 4), 0.3, dtype=torch.float64)
    assert terms(x, x) == pytest.approx([0, 0.99, 0], abs=1e-12)
    assert float(vicreg(x, x)) == pytest.approx(25 * 0.99)
    assert terms(x, x, eps=0.25) == pytest.approx([0, 0.5, 0], abs=1e-12)


def test_terms_by_hand():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]], dtype=torch.float64)
    low = 1 - (2 / 3 + 1e-4) ** 0.5  # variances 2/3 and 8/3, with n - 1
    assert terms(x, x) == pytest.approx([0, low / 2, 0])
    assert terms(x, x + 2) == pytest.approx([4, low / 2, 0])
    twice = 3 * x[:, :1].repeat(1, 2)  # a covariance of 6, in both views, twice, over d = 2
    assert terms(twice, twice) == pytest.approx([0, 0, 2 * 36])
    assert terms(x, -x) == pytest.approx([(4 * 2 + 16 * 2) / 8, low / 2, 0])


def test_good_features_cost_nothing():
    whitened = 5 * torch.linalg.qr(draw(20, 5) - draw(20, 5).mean(dim=0))[0]
    assert float(vicreg(whitened, whitened)) == pytest.approx(0, abs=1e-20)


def test_the_paper_adds_the_variances_and_sums_over_features():
    """Equations 5 and 6: ours with weights 25 d and 50. The released code averages both, and so do we."""
    query, key = 0.3 * draw(8, 4), 0.3 * draw(8, 4, seed=1)
    invariance = (query - key).square().sum(dim=1).mean()
    hinges = [torch.relu(1 - (x.var(dim=0) + 1e-4).sqrt()).mean() for x in (query, key)]
    covs = [(torch.cov(x.T) - torch.diag(x.var(dim=0))).square().sum() / 4 for x in (query, key)]
    paper = 25 * invariance + 25 * sum(hinges) + sum(covs)
    torch.testing.assert_close(vicreg(query, key, lambda_param=25.0 * 4, mu_param=50.0), paper)
    torch.testing.assert_close(vicreg(query, key), 25 * invariance / 4 + 25 * sum(hinges) / 2 + sum(covs))


def test_scale_matters_and_a_shift_of_one_view_is_invariance_alone():
    query, key = draw(9, 4), draw(9, 4, seed=1)
    assert terms(query, key + 3)[1:] == pytest.approx(terms(query, key)[1:])
    assert terms(query, key + 3)[0] != pytest.approx(terms(query, key)[0])
    assert terms(2 * query, 2 * key)[2] == pytest.approx(16 * terms(query, key)[2])


def test_module_equals_function():
    query, key = draw(9, 4), draw(9, 4, seed=1)
    settings = {"lambda_param": 10.0, "mu_param": 5.0, "nu_param": 2.0, "eps": 1e-3}
    loss = VICRegLoss(**settings)
    torch.testing.assert_close(loss(query, key), vicreg(query, key, **settings))
    assert repr(loss) == "VICRegLoss(lambda_param=10.0, mu_param=5.0, nu_param=2.0, eps=0.001)"
    assert loss.state_dict() == {}
