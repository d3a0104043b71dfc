"""Individual temperatures: their gradient against autograd and loops, where they settle, and their memory."""

import math

import pytest
import torch

from core.losses import BimodalISogCLRLoss, ISogCLRLoss, TemperatureState, individual_temperature_step

NEGATIVES = 7


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def log_mean(h, t):
    return (h / t).logsumexp(dim=1) - math.log(h.shape[1])


def divergence(h, t):
    """KL(softmax(h / t) || uniform), term by term."""
    p = torch.softmax(h / t, dim=1)
    return torch.special.xlogy(p, p * h.shape[1]).sum(dim=1)


def state(**settings):
    return TemperatureState(
        6, **{"temperature": 0.1, "tau_min": 0.05, "tau_max": 1.0, "beta": 0.5, "grad_clip": 3.0, **settings}
    )


@pytest.mark.parametrize("t", [1.0, 0.1])
def test_the_gradient_is_rho_minus_the_divergence(t):
    h = 0.5 * draw(4, NEGATIVES)
    scale = torch.full((4, 1), t, dtype=torch.float64, requires_grad=True)
    objective = scale[:, 0] * log_mean(h, scale)
    (slope,) = torch.autograd.grad(objective.sum(), scale)
    torch.testing.assert_close(slope[:, 0], -divergence(h, t))
    found = individual_temperature_step(log_mean(h, t), h, torch.full((4,), t, dtype=torch.float64), 0.3)
    torch.testing.assert_close(found, slope[:, 0] + 0.3)
    torch.testing.assert_close(individual_temperature_step(log_mean(h, t), h, t, 0.3), found)


def test_the_gradient_with_a_moving_average_is_that_of_the_equation():
    h, log_s = 0.5 * draw(4, NEGATIVES), draw(4, seed=1)
    t = torch.tensor([1.0, 0.5, 0.2, 0.1], dtype=torch.float64)
    found = individual_temperature_step(log_s, h, t, 0.3)
    for i in range(4):
        weights = [math.exp(x / t[i]) / math.exp(log_s[i]) for x in h[i]]
        expected = log_s[i] + 0.3 - sum(w * x / t[i] for w, x in zip(weights, h[i], strict=True)) / NEGATIVES
        torch.testing.assert_close(found[i], expected)


@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
def test_the_gradient_is_finite_at_every_temperature(t):
    h = torch.linspace(-2, 2, NEGATIVES)[None]
    found = individual_temperature_step(log_mean(h, t), h, t, 0.3)
    torch.testing.assert_close(found.double(), 0.3 - divergence(h.double(), t), rtol=1e-4, atol=1e-3)


FEATURES = draw(2, 8, 5)


def settle(rho, *, steps=80):
    """Temperatures of a fixed encoder after many steps without averaging, and the divergence at them."""
    loss = ISogCLRLoss(8, temperature=0.3, gamma=1.0, rho=rho, tau_min=0.05, tau_max=20.0, eta=0.15, beta=1.0).double()
    for _ in range(steps):
        loss(*FEATURES, torch.arange(8))
    z = torch.nn.functional.normalize(FEATURES, dim=2).flatten(0, 1)
    keep = (torch.arange(16)[:, None] - torch.arange(16)) % 8 != 0
    h = (z @ z.T)[keep].view(16, 14) - (z[:8] * z[8:]).sum(1).repeat(2)[:, None]
    return loss.temperatures, divergence(h, loss.temperatures.repeat(2)[:, None]).view(2, 8).mean(dim=0)


def test_temperatures_settle_where_the_divergence_is_rho():
    temperatures, kl = settle(0.4)
    torch.testing.assert_close(kl, torch.full((8,), 0.4, dtype=torch.float64), rtol=0, atol=1e-6)
    assert temperatures.min() > 0.06
    assert temperatures.max() > 1.2 * temperatures.min()


def test_a_radius_that_no_weighting_reaches_drives_them_to_the_bound():
    temperatures, kl = settle(1.01 * math.log(14))
    torch.testing.assert_close(temperatures, torch.full((8,), 0.05, dtype=torch.float64), rtol=1e-6, atol=0)
    assert (kl < math.log(14)).all()


def test_equal_negatives_lower_the_temperature_at_rate_eta_rho():
    loss = ISogCLRLoss(4, temperature=0.5, gamma=1.0, rho=0.4, eta=0.03, beta=0.5, tau_min=0.05)
    seen = []
    for _ in range(50):
        loss(torch.eye(4), torch.eye(4), torch.arange(4))
        seen.append(loss.temperatures.clone())
    steps = torch.stack(seen[:-1]) - torch.stack(seen[1:])
    torch.testing.assert_close(steps[10:30], torch.full((20, 4), 0.03 * 0.4), rtol=1e-3, atol=0)
    torch.testing.assert_close(seen[-1], torch.full((4,), 0.05))


def test_look_alikes_get_a_high_temperature_and_loners_a_low_one():
    """The point of the method: eight rows round one direction among forty, each row with two close views."""
    rows = draw(40, 16, seed=2)
    rows[:8] = draw(1, 16) + 0.4 * draw(8, 16, seed=1)
    first, second = rows + 0.05 * draw(40, 16, seed=3), rows + 0.05 * draw(40, 16, seed=4)
    loss = ISogCLRLoss(40, temperature=0.3, rho=0.4, eta=0.02, tau_max=10.0)
    for _ in range(100):
        loss(first.float(), second.float(), torch.arange(40))
    assert loss.temperatures[:8].min() > 1.2 * loss.temperatures[8:].mean()


def test_a_visit_clips_averages_steps_and_bounds():
    memory = state()
    index = torch.tensor([4, 1])
    memory.update(index, torch.tensor([-9.0, 1.0]), eta=0.03)  # clipped to -3
    torch.testing.assert_close(memory.momentum, torch.tensor([0, 0.5, 0, 0, -1.5, 0]))
    torch.testing.assert_close(memory.temperatures, torch.tensor([0.1, 0.085, 0.1, 0.1, 0.145, 0.1]))
    memory.update(index, torch.tensor([-1.0, 2.0]), eta=0.03)
    torch.testing.assert_close(memory.momentum[index], torch.tensor([-1.25, 1.25]))
    torch.testing.assert_close(memory.read(index), torch.tensor([0.1825, 0.05]))  # 0.0475 is below the bound
    memory.update(index, torch.tensor([-3.0, -3.0]), eta=10.0)
    torch.testing.assert_close(memory.read(index), torch.ones(2))


def test_the_gradient_is_bounded_by_three_for_views_and_by_five_for_modalities():
    assert ISogCLRLoss(4).temperature_state.grad_clip == 3.0
    assert BimodalISogCLRLoss(4).temperature_a.grad_clip == 5.0


def test_a_step_size_of_zero_leaves_temperatures_and_a_schedule_moves_them():
    steps = []
    for eta, epoch in ((0.0, 0), (0.03, 0), (lambda epoch: 0.03 / 2**epoch, 1)):
        loss = ISogCLRLoss(4, temperature=0.5, eta=eta)
        loss.set_epoch(epoch)
        loss(torch.eye(4), torch.eye(4), torch.arange(4))
        steps.append(0.5 - float(loss.temperatures[0]))
    assert steps[0] == 0
    assert steps[1] > 0
    assert steps[2] == pytest.approx(steps[1] / 2, rel=1e-4)


def test_temperatures_of_before_the_step_are_used_and_hold_no_graph():
    z, index = torch.eye(4).requires_grad_(), torch.arange(4)
    loss = ISogCLRLoss(4, temperature=0.5, rho=0.0, gamma=1.0, eta=0.1)
    loss.temperature_state.momentum.fill_(1.0)
    value = loss(z, z, index)
    torch.testing.assert_close(value.detach(), torch.tensor(-1.0))  # t log exp(-1 / t)
    assert not any(buffer.requires_grad for buffer in loss.buffers())
    assert (loss.temperatures < 0.5).all()


def test_gradients_that_are_not_finite_are_passed_over():
    memory = state()
    memory.update(torch.tensor([0, 3]), torch.tensor([math.nan, 1.0]), eta=0.03)
    assert memory.temperatures.isfinite().all()
    torch.testing.assert_close(memory.read(torch.tensor([0, 3])), torch.tensor([0.1, 0.085]))


def test_state_dict_round_trip_is_exact():
    first, second = state(), state(temperature=0.2)
    first.update(torch.tensor([2, 5]), torch.tensor([0.3, -0.7]), eta=0.03)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.temperatures, second.temperatures)
    assert torch.equal(first.momentum, second.momentum)
    assert repr(first) == "TemperatureState(num_samples=6, tau_min=0.05, tau_max=1.0, beta=0.5, grad_clip=3.0)"


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    for settings, message in [
        ({"tau_min": 0.0}, "tau_min must be finite and > 0, got 0.0"),
        ({"tau_min": -1.0}, "tau_min must be finite and > 0"),
        ({"tau_max": math.inf}, "tau_max must be finite and > 0"),
        ({"tau_min": 0.2}, r"tau_min <= temperature <= tau_max is required, got 0\.2, 0\.1 and 1\.0"),
        ({"tau_max": 0.06}, "tau_min <= temperature <= tau_max is required"),
        ({"tau_min": 0.5, "tau_max": 0.4, "temperature": 0.45}, "tau_min <= temperature <= tau_max is required"),
        ({"beta": 0.0}, r"beta, the weight of the new gradient, must be in \(0, 1\], got 0\.0"),
        ({"beta": 1.5}, "beta, the weight"),
        ({"grad_clip": 0.0}, "grad_clip must be finite and > 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            state(**settings)
        with pytest.raises(ValueError, match=message):
            ISogCLRLoss(6, **{"temperature": 0.1, **settings})
    for rho in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match="rho must be finite and >= 0"):
            ISogCLRLoss(6, rho=rho)
    with pytest.raises(ValueError, match="eta, the step size of the temperatures, must be finite and >= 0, got -1"):
        ISogCLRLoss(6, eta=-1.0)
    with pytest.raises(ValueError, match="eta, the step size"):
        ISogCLRLoss(6, eta=lambda epoch: -epoch).set_epoch(2)
    with pytest.raises(ValueError, match="num_samples must be at least 1"):
        TemperatureState(0, temperature=0.1, tau_min=0.05, tau_max=1.0, beta=0.5, grad_clip=3.0)
    with pytest.raises(ValueError, match="eta, the step size"):
        state().update(torch.tensor([0]), torch.tensor([0.0]), eta=math.nan)
    with pytest.raises(ValueError, match="index must hold positions from 0 to 5"):
        state().update(torch.tensor([6]), torch.tensor([0.0]), eta=0.1)
    with pytest.raises(ValueError, match="the number of negatives must be at least 1"):
        individual_temperature_step(torch.zeros(2), torch.zeros(2, 0), 0.1, 0.3)
    with pytest.raises(ValueError, match="temperature must be finite and > 0 in every row"):
        individual_temperature_step(torch.zeros(2), torch.zeros(2, 3), torch.tensor([0.1, 0.0]), 0.3)
    with pytest.raises(ValueError, match="rho must be finite"):
        individual_temperature_step(torch.zeros(2), torch.zeros(2, 3), 0.1, -0.3)
