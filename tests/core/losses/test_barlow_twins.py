"""Barlow Twins: values by hand, what it does not see, and how it differs from the BatchNorm of released code."""

import pytest
import torch

from core.losses import BarlowTwinsLoss, barlow_twins


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_identical_whitened_views_cost_nothing():
    whitened = torch.linalg.qr(draw(20, 5) - draw(20, 5).mean(dim=0))[0]
    assert float(barlow_twins(whitened, whitened)) < 1e-25
    assert float(barlow_twins(3 * whitened + 1, whitened)) < 1e-25


def test_values_by_hand():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    assert float(barlow_twins(x, x)) == pytest.approx(0, abs=1e-15)
    assert float(barlow_twins(x, -x)) == pytest.approx(2 * 2**2)
    assert float(barlow_twins(x, x.flip(1))) == pytest.approx(2 + 2 * 5e-3)
    twice = x[:, :1].repeat(1, 3)  # one feature three times
    assert float(barlow_twins(twice, twice, lambda_param=0.5)) == pytest.approx(6 * 0.5)
    assert float(barlow_twins(torch.ones(4, 3), torch.ones(4, 3))) == 3  # constant columns correlate with nothing


def test_scale_and_shift_of_a_feature_do_not_matter():
    query, key = draw(9, 4), draw(9, 4, seed=1)
    scale, shift = draw(4, seed=2).exp(), draw(4, seed=3)
    torch.testing.assert_close(barlow_twins(query * scale + shift, key), barlow_twins(query, key))


@pytest.mark.parametrize("rows", [4, 64])
def test_it_is_the_released_batch_norm_form_without_its_epsilon(rows):
    """The released code divides by sqrt(variance + 1e-5), so that its diagonal stays below 1 for equal views."""
    query, key = draw(rows, 8), draw(rows, 8, seed=1)

    def released(eps):
        a, b = (torch.nn.functional.batch_norm(x, None, None, training=True, eps=eps) for x in (query, key))
        c = a.T @ b / rows
        off = c - torch.diag(c.diagonal())
        return (c.diagonal() - 1).square().sum() + 5e-3 * off.square().sum()

    torch.testing.assert_close(barlow_twins(query, key), released(1e-16))
    torch.testing.assert_close(barlow_twins(query, key), released(1e-5), rtol=1e-4, atol=1e-4)


def test_the_same_tensor_on_both_sides_gets_both_gradients():
    x = draw(6, 3).requires_grad_()
    barlow_twins(x, x).backward()
    once, x.grad = x.grad, None
    barlow_twins(x, x.clone()).backward()
    torch.testing.assert_close(once, x.grad)


def test_module_equals_function():
    query, key = draw(9, 4), draw(9, 4, seed=1)
    loss = BarlowTwinsLoss(lambda_param=0.02, scale_loss=0.1)
    torch.testing.assert_close(loss(query, key), 0.1 * barlow_twins(query, key, lambda_param=0.02))
    assert repr(loss) == "BarlowTwinsLoss(lambda_param=0.02, scale_loss=0.1)"
    assert loss.state_dict() == {}
