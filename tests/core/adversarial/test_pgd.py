"""PGD: the maximiser of linear and quadratic losses over the ball, its start, its projection."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adversarial import PGD
from tests.core.adversarial.toys import rng


@given(seed=st.integers(0, 1000), steps=st.integers(1, 6), random_start=st.booleans())
@settings(max_examples=20, deadline=None)
def test_linear_loss_is_maximised_exactly(seed, steps, random_start):
    """max of a.r over the ball: epsilon ||a||_2 at epsilon a / ||a||, or epsilon ||a||_1 at epsilon sign(a)."""
    a = torch.randn(4, 6, generator=rng(seed), dtype=torch.float64)
    x = torch.randn(4, 6, generator=rng(seed + 1), dtype=torch.float64)
    for norm, best in (("l2", a / a.norm(dim=1, keepdim=True)), ("linf", a.sign())):
        adversary = PGD(
            epsilon=0.3, norm=norm, steps=steps, step_size=100.0, random_start=random_start, generator=rng()
        )
        moved = adversary.perturb(lambda z: (a * z).sum(1), x)
        tolerance = 0.01 if norm == "l2" and random_start else 1e-9  # a start of 0.3 turns a step of 100 a little
        torch.testing.assert_close(moved - x, 0.3 * best, rtol=0, atol=tolerance)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_default_step_reaches_the_rim_from_any_start(norm):
    a = torch.ones(50, 3, dtype=torch.float64)
    adversary = PGD(epsilon=0.3, norm=norm, steps=10, random_start=True, generator=rng())
    delta = adversary.perturb(lambda z: (a * z).sum(1), torch.zeros(50, 3, dtype=torch.float64))
    sizes = delta.norm(dim=1) if norm == "l2" else delta.abs().amax(1)
    torch.testing.assert_close(sizes, torch.full((50,), 0.3, dtype=torch.float64))


def test_against_a_loop_of_the_equations():
    """A quadratic loss, sample by sample in plain float64, small steps inside the ball and back from outside."""
    h = torch.randn(5, 5, generator=rng(), dtype=torch.float64)
    h = h @ h.T
    x = torch.randn(3, 5, generator=rng(1), dtype=torch.float64)
    for norm in ("l2", "linf"):
        moved = PGD(epsilon=0.4, norm=norm, steps=5, step_size=0.15).perturb(lambda z: (z @ h * z).sum(1), x)
        for i in range(3):
            r = torch.zeros(5, dtype=torch.float64)
            for _ in range(5):
                g = 2 * h @ (x[i] + r)
                if norm == "l2":
                    r = r + 0.15 * g / g.norm()
                    r = r * min(1.0, 0.4 / float(r.norm()))
                else:
                    r = torch.stack([(r[j] + 0.15 * g[j].sign()).clamp(-0.4, 0.4) for j in range(5)])
            torch.testing.assert_close(moved[i] - x[i], r)


def test_the_random_start_fills_the_ball_evenly():
    """With no step to take the start is what is returned: ||r|| / epsilon to the power d is uniform."""
    for norm in ("l2", "linf"):
        adversary = PGD(epsilon=2.0, norm=norm, steps=1, step_size=0.0, random_start=True, generator=rng())
        r = adversary.perturb(lambda z: z.sum(1), torch.zeros(4000, 3))
        sizes = r.norm(dim=1) if norm == "l2" else r.abs().amax(1)
        uniform = (sizes / 2).pow(3)
        assert uniform.max() <= 1 + 1e-5
        assert float(uniform.mean()) == pytest.approx(0.5, abs=0.02)
        assert float(uniform.var()) == pytest.approx(1 / 12, abs=0.01)
        assert r.mean(0).abs().max() < 0.06


def test_the_ball_of_a_token():
    a = torch.randn(2, 4, 3, generator=rng())
    delta = PGD(epsilon=0.3, scope="token", steps=4).perturb(lambda z: (a * z).sum(), torch.zeros(2, 4, 3))
    torch.testing.assert_close(delta, 0.3 * a / a.norm(dim=2, keepdim=True))


def test_the_valid_range_is_kept_in_every_step():
    seen = []

    def closure(z):
        seen.append(z.detach())
        return z.sum(1)

    x = torch.rand(10, 4, generator=rng())
    adversary = PGD(epsilon=0.5, norm="linf", bounds=(0.0, 1.0), random_start=True, generator=rng(1))
    moved = adversary.perturb(closure, x)
    assert all(((z >= 0) & (z <= 1)).all() for z in [*seen, moved])
    assert len(seen) == 3
    with pytest.raises(ValueError, match="x must lie within bounds"):
        adversary.perturb(closure, x + 2)


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        PGD(steps=0)
    with pytest.raises(ValueError, match="norm must be one of 'l2', 'linf', got 'l1'"):
        PGD(norm="l1")
    with pytest.raises(ValueError, match="step_size must be finite and >= 0"):
        PGD(step_size=-1.0)
    with pytest.raises(ValueError, match="random_start needs a generator"):
        PGD(random_start=True)
    with pytest.raises(ValueError, match="bounds must be"):
        PGD(bounds=(1.0, 1.0))
