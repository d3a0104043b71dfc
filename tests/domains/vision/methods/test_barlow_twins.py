"""Barlow Twins: its defaults, and the value of a run's step."""

import pytest
import torch

from domains.vision.methods.barlow_twins import BarlowTwinsSettings
from tests.domains.vision.methods.frames import batch, build


def test_defaults():
    found = BarlowTwinsSettings()
    assert (found.layers, found.hidden, found.projection, found.loss) == (3, 512, 512, "BarlowTwinsLoss")
    assert build("barlow_twins").objective.loss.lambda_param == 5e-3


def test_the_value_is_the_distance_of_the_correlations_from_the_identity():
    method = build("barlow_twins")
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    method.generator.set_state(state)
    one, two = method.project(batch().images).double()
    one, two = ((z - z.mean(0)) / z.std(0, correction=0) for z in (one, two))
    gap = (one.T @ two / 32 - torch.eye(16)).square()
    expected = gap.diagonal().sum() + 5e-3 * (gap.sum() - gap.diagonal().sum())
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)


def test_white_views_that_are_equal_cost_nothing():
    hadamard = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    loss = build("barlow_twins").objective
    assert float(loss(hadamard.expand(2, 4, 3), batch(4))) == pytest.approx(0.0, abs=1e-6)


def test_settings_reach_the_loss():
    scaled = build("barlow_twins", loss_settings={"scale_loss": 0.1})
    whole = build("barlow_twins")
    torch.testing.assert_close(10 * scaled.training_step(batch(), 0), whole.training_step(batch(), 0))
