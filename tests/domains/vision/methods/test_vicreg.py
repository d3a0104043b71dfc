"""VICReg: its defaults, and the value of a run's step."""

import pytest
import torch

from domains.vision.methods.vicreg import VICRegSettings
from tests.domains.vision.methods.frames import batch, build


def test_defaults():
    found = VICRegSettings()
    assert (found.layers, found.hidden, found.projection, found.loss) == (3, 512, 512, "VICRegLoss")
    loss = build("vicreg").objective.loss
    assert (loss.lambda_param, loss.mu_param, loss.nu_param) == (25.0, 25.0, 1.0)


def test_the_value_is_invariance_variance_and_covariance():
    method = build("vicreg")
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    method.generator.set_state(state)
    one, two = method.project(batch().images).double()
    expected = 25 * (one - two).square().mean()
    for z in (one, two):
        covariance = torch.cov(z.T)
        expected = expected + 12.5 * (1 - (covariance.diagonal() + 1e-4).sqrt()).clamp(min=0).mean()
        expected = expected + (covariance.square().sum() - covariance.diagonal().square().sum()) / 16
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)


def test_collapsed_features_cost_the_variance_term_alone():
    loss = build("vicreg").objective
    assert float(loss(torch.ones(2, 8, 16), batch(8))) == pytest.approx(25 * 0.99)


def test_features_may_change_places(generator):
    loss = build("vicreg").objective
    z = torch.randn(2, 8, 16, generator=generator)
    order = torch.randperm(16, generator=generator)
    torch.testing.assert_close(loss(z[..., order], batch(8)), loss(z, batch(8)))
