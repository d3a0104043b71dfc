"""FGSM: signs, valid range, relation to PGD."""

import pytest
import torch

from core.adversarial import FGSM, PGD
from tests.core.adversarial.toys import Pooled, rng, sequences


def test_closed_form_of_a_linear_loss():
    a = torch.randn(3, 6, generator=rng())
    a[0, 0] = 0
    x = torch.randn(3, 6, generator=rng(1))
    delta = FGSM(epsilon=0.2).perturb(lambda z: (a * z).sum(1), x) - x
    for i in range(3):
        for j in range(6):
            assert float(delta[i, j]) == pytest.approx(0.2 * ((a[i, j] > 0).item() - (a[i, j] < 0).item()), abs=1e-6)


def test_the_valid_range_is_kept():
    x = torch.rand(20, 9, generator=rng())
    moved = FGSM(epsilon=0.3, bounds=(0.0, 1.0)).perturb(lambda z: z.square().sum(1), x)
    assert moved.min() >= 0
    assert moved.max() == 1
    torch.testing.assert_close(moved, (x + 0.3).clamp(max=1))
    with pytest.raises(ValueError, match=r"x must lie within bounds=\(0\.0, 1\.0\), got values from"):
        FGSM(bounds=(0.0, 1.0)).perturb(torch.sum, x - 0.5)
    with pytest.raises(ValueError, match=r"bounds must be \(lowest, highest\), got \(1\.0, 0\.0\)"):
        FGSM(bounds=(1.0, 0.0))


def test_one_pgd_step_is_the_same():
    x, labels, mask = sequences()
    model = Pooled()
    one = PGD(epsilon=0.1, step_size=0.1, steps=1, norm="linf").loss(model, x, labels, mask=mask)
    torch.testing.assert_close(FGSM(epsilon=0.1).loss(model, x, labels, mask=mask), one)
