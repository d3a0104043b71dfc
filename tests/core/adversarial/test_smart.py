"""SMART: a loop of its equations, the box, regressions."""

import pytest
import torch
from torch import nn

from core.adversarial import SMART
from core.losses import symmetric_kl
from tests.core.adversarial.toys import Pooled, rng, sequences


@pytest.mark.parametrize("scope", ["sample", "token"])
@pytest.mark.parametrize("epsilon", [0.05, 10.0])
def test_against_a_loop_of_the_equations(scope, epsilon):
    """A linear objective, whose gradient is known: a."""
    x = torch.randn(2, 3, 4, generator=rng(), dtype=torch.float64)
    a = torch.randn(2, 3, 4, generator=rng(1), dtype=torch.float64)
    adversary = SMART(epsilon=epsilon, step_size=0.03, sigma=0.1, steps=3, scope=scope, generator=rng(2))
    delta = adversary.perturb(lambda z: (a * z).sum(), x) - x
    noise = 0.1 * torch.randn(2, 3, 4, generator=rng(2), dtype=torch.float64)
    for i in range(2):
        for t in range(3):
            largest = a[i].abs().max() if scope == "sample" else a[i, t].abs().max()
            for j in range(4):
                d = float(noise[i, t, j])
                for _ in range(3):
                    d = min(max(d + 0.03 * float(a[i, t, j] / largest), -epsilon), epsilon)
                assert float(delta[i, t, j]) == pytest.approx(d, abs=1e-12)


def test_the_papers_defaults_stay_in_their_box_and_rise_over_noise():
    x, _, _ = sequences(n=16)
    model = Pooled().double()
    x = x.double()
    clean = model(x).detach()
    value = SMART(generator=rng()).loss(model, x, clean)
    delta = SMART(generator=rng()).perturb(lambda z: symmetric_kl(clean, model(z), reduction="sum"), x) - x
    assert float(delta.abs().max()) <= 1e-5 * (1 + 1e-9)
    noise = (1e-5 * torch.randn(x.shape, generator=rng(1), dtype=torch.float64)).clamp(-1e-5, 1e-5)
    assert value > symmetric_kl(clean, model(x + noise)) > 0


def test_gradient_flows_into_the_clean_logits():
    x, _, _ = sequences()
    model = Pooled()
    clean = model(x).detach().requires_grad_()
    SMART(epsilon=0.5, step_size=0.5, generator=rng()).loss(model, x, clean).backward()
    assert clean.grad.any()


def test_regressions_take_the_squared_error():
    x, _, _ = sequences()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(30, 1))
    clean = model(x).detach()
    adversary = SMART(epsilon=0.1, step_size=1.0, sigma=1e-3, objective="squared_error", generator=rng())
    value = adversary.loss(model, x, clean)
    weights = model[1].weight.detach()[0].abs()
    # the gradient of a linear model's error is parallel to w; after the step most entries are at the wall
    assert 0 < value <= (0.1 * weights.sum()) ** 2
    with pytest.raises(ValueError, match="is 0 for logits of width 1; take objective='squared_error'"):
        SMART(generator=rng()).loss(model, x, clean)


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="sigma must be > 0"):
        SMART(sigma=0.0, generator=rng())
    with pytest.raises(ValueError, match="steps must be at least 1"):
        SMART(steps=0, generator=rng())
    with pytest.raises(ValueError, match="the first noise needs a generator"):
        SMART(generator=None)
    with pytest.raises(ValueError, match="epsilon must be finite"):
        SMART(epsilon=-1.0, generator=rng())
