"""SiFT: its normalisation, invariance to the scale of embeddings, and a loop of its step."""

import pytest
import torch
from torch import nn

from core.adversarial import SiFT
from tests.core.adversarial.toys import Pooled, rng, sequences


def test_normalisation_is_layer_norm_without_weights():
    x = torch.randn(2, 3, 5, generator=rng(), dtype=torch.float64)
    for i in range(2):
        for t in range(3):
            mean = sum(x[i, t]) / 5
            variance = sum((v - mean) ** 2 for v in x[i, t]) / 5
            torch.testing.assert_close(SiFT.normalize(x)[i, t], (x[i, t] - mean) / (variance + 1e-7) ** 0.5)
    once = SiFT.normalize(x)
    torch.testing.assert_close(SiFT.normalize(once), once, rtol=1e-6, atol=1e-6)
    assert not SiFT.normalize(torch.full((2, 4), 3.0)).any()


@pytest.mark.parametrize("scale", [1e-2, 7.0, 1e3])
def test_the_scale_of_raw_embeddings_does_not_matter(scale):
    # eps 1e-7 beside the variance is all that differs
    x, _, mask = sequences()
    x = x.double()
    model = Pooled(mask=mask).double()

    def loss(raw):
        return SiFT(step_size=0.1, generator=rng()).loss(model, raw, model(SiFT.normalize(raw)), mask=mask)

    torch.testing.assert_close(loss(scale * x), loss(x), rtol=5e-2 if scale < 1 else 1e-5, atol=0)
    moved, same = (SiFT(generator=rng()).perturb(lambda z: model(z).square().sum(), c * x) for c in (1.0, scale))
    torch.testing.assert_close(moved, same, rtol=0, atol=5e-2 if scale < 1 else 1e-5)


@pytest.mark.parametrize("scope", ["token", "sample"])
def test_against_a_loop_of_the_released_code(scope):
    x, _, mask = sequences()
    x = x.double()
    a = torch.randn(x.shape, generator=rng(1), dtype=torch.float64)
    adversary = SiFT(step_size=0.05, sigma=0.5, scope=scope, generator=rng(2))
    delta = adversary.perturb(lambda z: (a * z).sum(), x, mask=mask) - SiFT.normalize(x)
    noise = torch.randn(x.shape, generator=rng(2), dtype=torch.float64) * 0.5
    assert (noise.abs() > 1).any()  # so that the cut at two standard deviations is seen
    for i, t in mask.nonzero().tolist():
        largest = a[i, t].abs().max() if scope == "token" else a[i][mask[i]].abs().max()
        expected = noise[i, t].clamp(-1, 1) + 0.05 * a[i, t] / (largest + 1e-6)
        torch.testing.assert_close(delta[i, t], expected)
    assert not delta[~mask].any()


def test_its_gradient_is_that_of_the_released_cross_entropies():
    """CE(p, q) + CE(q, p) with the weights detached: the entropies that we keep are constants."""
    x, _, _ = sequences()
    model = Pooled().double()
    e = SiFT.normalize(x.double())
    clean = model(e)
    SiFT(step_size=0.3, generator=rng()).loss(model, e, clean).backward()
    mine = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    clean = model(e)
    target = clean.detach()
    moved = SiFT(step_size=0.3, generator=rng()).perturb(
        lambda z: nn.functional.cross_entropy(model(z), target.softmax(1), reduction="sum"), e
    )
    adversarial = model(moved)
    first = nn.functional.cross_entropy(adversarial, clean.detach().softmax(1))
    second = nn.functional.cross_entropy(clean, adversarial.detach().softmax(1))
    (first + second).backward()
    torch.testing.assert_close(mine, [p.grad for p in model.parameters()], rtol=1e-5, atol=1e-10)


def test_embeddings_learn_through_the_clean_logits_only():
    x, _, _ = sequences()
    model = Pooled()
    x.requires_grad_()
    SiFT(generator=rng()).loss(model, x, model(SiFT.normalize(x)).detach()).backward()
    assert x.grad is None
    SiFT(generator=rng()).loss(model, x, model(SiFT.normalize(x))).backward()
    assert x.grad.any()


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="sigma must be > 0"):
        SiFT(sigma=0.0, generator=rng())
    with pytest.raises(ValueError, match="step_size must be finite"):
        SiFT(step_size=float("nan"), generator=rng())
    with pytest.raises(ValueError, match="SiFT has no radius"):
        SiFT(generator=rng()).perturb(torch.sum, torch.ones(2, 3), epsilon=1.0)
    with pytest.raises(ValueError, match="the first noise needs a generator"):
        SiFT(generator=None)
