"""FGM: the closed form on linear models, its length, tokens and samples."""

import pytest
import torch
from torch import nn

from core.adversarial import FGM, PGD
from tests.core.adversarial.toys import Pooled, rng, sequences


@pytest.mark.parametrize(("label", "sign"), [(1.0, -1), (0.0, 1)])
def test_closed_form_of_a_linear_logit(label, sign):
    """-log f of a pair with label 1 grows fastest along -w: r = -eps w / ||w||; label 0 the other way."""
    w = torch.randn(7, generator=rng(), dtype=torch.float64)
    x = torch.randn(5, 7, generator=rng(1), dtype=torch.float64)
    adversary = FGM(epsilon=0.01, objective=nn.functional.binary_cross_entropy_with_logits)
    moved = adversary.perturb(
        lambda z: nn.functional.binary_cross_entropy_with_logits(z @ w, torch.full((5,), label, dtype=torch.float64)), x
    )
    torch.testing.assert_close(moved - x, (sign * 0.01 * w / w.norm()).expand(5, 7), rtol=1e-9, atol=1e-15)
    value = adversary.loss(lambda z: z @ w, x, torch.full((5,), label, dtype=torch.float64))
    logits = x @ w + sign * 0.01 * w.norm()
    expected = torch.stack([nn.functional.softplus(-z if label else z) for z in logits]).mean()
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 5.0])
def test_its_length_is_epsilon(epsilon):
    x, labels, mask = sequences()
    forward = Pooled()
    delta = FGM(epsilon=epsilon).perturb(lambda z: nn.functional.cross_entropy(forward(z), labels), x, mask=mask) - x
    torch.testing.assert_close(delta.flatten(1).norm(dim=1), torch.full((4,), epsilon), rtol=1e-4, atol=1e-5)


def test_per_token_every_real_token_moves_by_epsilon_along_its_own_gradient():
    x, _, mask = sequences()
    a = torch.randn(x.shape, generator=rng(4))
    delta = FGM(epsilon=0.5, scope="token").perturb(lambda z: (z * a).sum(), x, mask=mask) - x
    for i in range(4):
        for t in range(6):
            expected = 0.5 * a[i, t] / a[i, t].norm() if mask[i, t] else torch.zeros(5)
            torch.testing.assert_close(delta[i, t], expected, rtol=1e-4, atol=1e-6)


def test_images_and_flat_inputs():
    images = torch.randn(2, 3, 4, 4, generator=rng())
    a = torch.randn(2, 3, 4, 4, generator=rng(1))
    delta = FGM(epsilon=2.0).perturb(lambda z: (a * z).sum(), images) - images
    torch.testing.assert_close(delta, 2 * a / a.flatten(1).norm(dim=1)[:, None, None, None])


def test_one_pgd_step_is_the_same():
    x, labels, mask = sequences()
    model = Pooled()
    one = PGD(epsilon=0.3, step_size=0.3, steps=1).loss(model, x, labels, mask=mask)
    torch.testing.assert_close(FGM(epsilon=0.3).loss(model, x, labels, mask=mask), one)
