"""The negative cosine: values, BYOL's form, the stopped gradient."""

import pytest
import torch

from core.losses import NegativeCosineLoss, negative_cosine
from tests.core.losses import oracles


def pair(seed=0):
    return torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_values_between_minus_one_and_one():
    eye = torch.eye(3)
    found = negative_cosine(torch.cat([eye, eye, eye]), torch.cat([2 * eye, eye.roll(1, 0), -eye]), reduction="none")
    assert found.tolist() == [-1.0] * 3 + [0.0] * 3 + [1.0] * 3


def test_byol_squared_distance_is_two_plus_twice_this():
    query, key = pair()
    squared = (oracles.unit(query) - oracles.unit(key)).pow(2).sum(1)
    torch.testing.assert_close(2 + 2 * negative_cosine(query, key, reduction="none"), squared)


def test_byol_terms_lie_between_zero_and_four():
    query, key = pair(), torch.eye(3).double()
    spread = 2 + 2 * negative_cosine(1e3 * query[0], query[1], reduction="none")
    assert ((spread > 0) & (spread < 4)).all()
    ends = [2 + 2 * negative_cosine(3 * key, other, reduction="none") for other in (key, key.roll(1, 0), -key)]
    assert [end.tolist() for end in ends] == [[0.0] * 3, [2.0] * 3, [4.0] * 3]


@pytest.mark.parametrize("stop", [True, False])
def test_the_target_gets_a_gradient_only_if_asked(stop):
    query, key = (x.requires_grad_() for x in pair())
    NegativeCosineLoss(stop_gradient=stop)(query, key).backward()
    assert query.grad.any()
    assert (key.grad is None) == stop
    if not stop:
        assert torch.autograd.gradcheck(lambda a, b: negative_cosine(a, b, stop_gradient=False), (query, key))


def test_zero_rows_count_as_orthogonal_without_gradient():
    query, key = pair()
    query = query.clone()
    query[0], key[1] = 0, 0
    query.requires_grad_()
    found = negative_cosine(query, key, reduction="none")
    found.sum().backward()
    assert found[:2].tolist() == [0, 0]
    assert not query.grad[:2].any()
    assert query.grad[2:].any(dim=1).all()
