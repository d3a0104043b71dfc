"""Logits of a block: products and gradients, which autocast does not round, and no second derivative."""

import pytest
import torch

from core.similarity.block_logits import block_logits


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_products_and_gradients():
    rows, keys = draw(3, 5).requires_grad_(), draw(4, 5, seed=1).requires_grad_()
    torch.testing.assert_close(block_logits(rows, keys), rows @ keys.T)
    assert torch.autograd.gradcheck(block_logits, (rows, keys))
    frozen = keys.detach()
    assert torch.autograd.gradcheck(lambda a: block_logits(a, frozen), (rows,))


def test_autocast_rounds_neither_way():
    rows, keys = draw(3, 64).float().requires_grad_(), draw(4, 64, seed=1).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = block_logits(rows, keys)
        mine = torch.autograd.grad(found.sum(), (rows, keys))
    assert found.dtype == torch.float32
    expected = rows @ keys.T
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(mine, torch.autograd.grad(expected.sum(), (rows, keys)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_second_derivative_is_refused():
    rows = draw(3, 5).requires_grad_()
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(block_logits(rows, rows).square().sum(), rows, create_graph=True)
