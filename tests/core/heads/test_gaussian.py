"""The Gaussian head: densities against torch.distributions, the bound, the gradient that shrinks the variance."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from core.heads import GaussianHead, gaussian_log_prob


def rows(n=5, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def head(**settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GaussianHead(6, 3, **settings).double()


def test_densities_are_those_of_torch_distributions():
    z, mean, logvar = rows(d=3), rows(d=3, seed=1), rows(d=3, seed=2)
    expected = Independent(Normal(mean, (logvar / 2).exp()), 1).log_prob(z)
    torch.testing.assert_close(gaussian_log_prob(z, mean, logvar), expected)
    torch.testing.assert_close(gaussian_log_prob(z), Independent(Normal(torch.zeros(3), torch.ones(3)), 1).log_prob(z))
    torch.testing.assert_close(gaussian_log_prob(z, logvar=logvar), gaussian_log_prob(z, torch.zeros_like(z), logvar))
    torch.testing.assert_close(gaussian_log_prob(z, mean), gaussian_log_prob(z, mean, torch.zeros_like(z)))


def test_a_code_comes_with_its_own_density(generator):
    model = head()
    code = model(rows(), generator=generator)
    assert [tuple(part.shape) for part in code] == [(5, 3), (5, 3), (5, 3), (5,)]
    torch.testing.assert_close(code.log_q, gaussian_log_prob(code.z, code.mean, code.logvar))
    mean, logvar = model.moments(rows())
    assert torch.equal(mean, code.mean)
    assert torch.equal(logvar, code.logvar)


def test_the_mean_is_the_feature():
    code = head()(rows(), sample=False)
    assert torch.equal(code.z, code.mean)
    torch.testing.assert_close(code.log_q, gaussian_log_prob(code.z, code.mean, code.logvar))


def test_the_same_seed_gives_the_same_code_and_noise_has_the_right_spread():
    model = head()

    def draw(seed):
        return model(rows(), generator=torch.Generator().manual_seed(seed)).z

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    code = model(rows().repeat(4000, 1), generator=torch.Generator().manual_seed(2))
    spread = ((code.z - code.mean) / (code.logvar / 2).exp()).var(dim=0)
    torch.testing.assert_close(spread, torch.ones(3).double(), rtol=0.05, atol=0)


def test_the_loss_falls_with_the_variance_by_a_quarter_a_dimension(generator):
    """Minus half of log q, where the code moves with its scale: +1/4 exactly. A VAE's KL has (e^logvar - 1) / 2."""
    code = head()(rows(), generator=generator)
    gradient = torch.autograd.grad(-0.5 * code.log_q.sum(), code.logvar)[0]
    assert torch.equal(gradient, torch.full_like(gradient, 0.25))
    kl = (code.logvar.exp() + code.mean.square() - 1 - code.logvar).sum() / 2
    assert (torch.autograd.grad(kl, code.logvar)[0][code.logvar < 0] < 0).all()


def test_the_bound_holds():
    model = head(min_logvar=-2.0)
    with torch.no_grad():
        model.logvar.bias.fill_(-50.0)
    code = model(rows())
    assert torch.equal(code.logvar, torch.full_like(code.logvar, -2.0))
    (-code.log_q.sum()).backward()
    assert not model.logvar.bias.grad.any()


def test_with_the_least_variance_a_code_is_nearly_its_mean(generator):
    model = head(min_logvar=-40.0)
    with torch.no_grad():
        model.logvar.bias.fill_(-60.0)
    code = model(rows(), generator=generator)
    torch.testing.assert_close(code.z, code.mean, rtol=0, atol=1e-8)


def test_a_free_variance_is_warned_of():
    with pytest.warns(UserWarning, match="min_logvar=None leaves the variance free"):
        model = GaussianHead(6, 3, min_logvar=None)
    with torch.no_grad():
        model.logvar.bias.fill_(-50.0)
    assert (model(rows().float()).logvar < -40).all()


def test_half_precision_state_and_repr(generator):
    model = head().float()
    with torch.autocast("cpu", torch.bfloat16):
        code = model(rows().float(), generator=generator)
    assert {part.dtype for part in code} == {torch.float32}
    other = GaussianHead(6, 3)
    other.load_state_dict(model.state_dict())
    x = rows().float()
    assert torch.equal(other(x, sample=False).z, model(x, sample=False).z)
    assert "min_logvar=-6.0" in repr(model)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    with pytest.raises(ValueError, match="latent must be at least 1, got 0"):
        GaussianHead(6, 0)
    with pytest.raises(ValueError, match="in_dim must be at least 1, got 0"):
        GaussianHead(0, 2)
    with pytest.raises(ValueError, match="min_logvar must be finite or None, got nan"):
        GaussianHead(6, 2, min_logvar=math.nan)
    with pytest.raises(ValueError, match=r"logvar must have the shape of z, \(5, 6\), got \(6,\)"):
        gaussian_log_prob(rows(), rows(), rows()[0])
    with pytest.raises(TypeError, match="z must be a floating tensor"):
        gaussian_log_prob(rows().long())
