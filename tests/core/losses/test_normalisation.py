"""Unit rows: lengths, zero rows, precision."""

import pytest
import torch

from core.losses.normalisation import cosines, inverse_norms, unit_rows


def test_rows_become_unit_length_whatever_their_scale():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1e-9], [1.0], [1e6], [1e15], [3.0]]
    )
    torch.testing.assert_close(unit_rows(x).norm(dim=1), torch.ones(5))
    torch.testing.assert_close(unit_rows(x), torch.nn.functional.normalize(x))
    stacked = x.reshape(1, 5, 3)
    assert torch.equal(unit_rows(stacked)[0], unit_rows(x))


def test_zero_rows_stay_zero_and_send_no_gradient():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1e-13, 0.0]], requires_grad=True)
    unit = unit_rows(x)
    assert unit[[0, 2]].abs().sum() == 0
    (unit * torch.tensor([1.0, 2.0])).sum().backward()
    assert x.grad[[0, 2]].abs().sum() == 0
    assert x.grad[1].abs().sum() > 0
    assert inverse_norms(x.detach()).flatten().tolist() == pytest.approx([0, 0.2, 0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_raised_to_float32(dtype):
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert unit_rows(x).dtype == torch.float32
    torch.testing.assert_close(unit_rows(x).norm(dim=1), torch.ones(4))
    torch.testing.assert_close(cosines(x, x), torch.ones(4))


def test_cosines_in_float64():
    a, b = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(cosines(a, b), torch.cosine_similarity(a, b))
    assert torch.autograd.gradcheck(cosines, (a.requires_grad_(), b.requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_gradient_is_rounded_once(dtype):
    """Each part of it was rounded for itself: of a gradient along the row, which cancels, one part in 256 stayed."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(64, 16, generator=draw).to(dtype).requires_grad_()
    direction = unit_rows(x.detach()) + 1e-3 * torch.randn(64, 16, generator=draw)
    exact = x.detach().double().requires_grad_()
    (unit_rows(x) * direction).sum().backward()
    (unit_rows(exact) * direction.double()).sum().backward()
    assert (x.grad.double() - exact.grad).norm() < 2 * torch.finfo(dtype).eps * exact.grad.norm()
