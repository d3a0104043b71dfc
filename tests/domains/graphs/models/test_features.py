"""Sparse features give what dense ones give: projection, gradient, mask, dropout."""

import pytest
import torch

from core.masking import NodeFeatureMasker
from domains.graphs.models.dropout import dropout
from domains.graphs.models.features import (
    SparseFeatures,
    TokenMasked,
    drop,
    mask_features,
    num_rows,
    project,
    to_features,
)


def bag_of_words(rows: int = 40, width: int = 60) -> torch.Tensor:
    x = (torch.rand(rows, width, generator=torch.Generator().manual_seed(0)) < 0.03).float()
    x[3] = 0  # a row without any word
    return x * 0.5


def test_wide_empty_features_become_sparse_and_dense_ones_stay():
    x = bag_of_words()
    features = to_features(x)
    assert isinstance(features, SparseFeatures)
    assert torch.equal(features.dense(), x)
    assert torch.equal(to_features(x.to_sparse_csr()).dense(), x)
    full = torch.randn(4, 5)
    assert to_features(full) is full
    assert torch.equal(to_features(full.to_sparse_csr()), full)


def test_projection_and_weight_gradient_equal_the_dense_ones():
    x = bag_of_words()
    weight = torch.randn(7, 60, generator=torch.Generator().manual_seed(1), requires_grad=True)
    sparse, dense = project(to_features(x), weight), project(x, weight)
    torch.testing.assert_close(sparse, dense)
    pull = torch.randn(sparse.shape)
    torch.testing.assert_close(
        torch.autograd.grad(sparse, weight, pull)[0], torch.autograd.grad(dense, weight, pull)[0]
    )


def test_masked_sparse_features_equal_masked_dense_ones():
    x = bag_of_words()
    mask = NodeFeatureMasker(0.5, 0.2, torch.Generator().manual_seed(3)).draw(len(x))
    token = torch.randn(1, x.shape[1], requires_grad=True)
    masked = mask_features(to_features(x), mask, token)
    expected = mask_features(x, mask, token)
    assert isinstance(masked, TokenMasked)
    assert num_rows(masked) == len(x)
    torch.testing.assert_close(masked.dense(), expected)
    weight = torch.randn(4, x.shape[1], requires_grad=True)
    pull = torch.randn(len(x), 4)
    mine = torch.autograd.grad(project(masked, weight), (weight, token), pull)
    theirs = torch.autograd.grad(project(expected, weight), (weight, token), pull)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_dropout_keeps_the_expectation_and_the_share():
    x = torch.ones(400_000)
    out = dropout(x, 0.2, torch.Generator().manual_seed(0))
    assert abs(float((out == 0).float().mean()) - 0.2) < 0.003
    assert abs(float(out.mean()) - 1) < 0.003
    assert float(out.max()) == pytest.approx(1.25, rel=1e-4)
    again = dropout(x, 0.2, torch.Generator().manual_seed(0))
    assert torch.equal(out, again)
    assert drop(x, 0.0, None) is x


def test_dropout_neighbours_are_independent():
    """The four 16-bit lanes of one draw must not agree more often than chance."""
    out = dropout(torch.ones(400_000), 0.5, torch.Generator().manual_seed(1)).view(-1, 4) > 0
    agreement = (out[:, :1] == out[:, 1:]).float().mean(0)
    assert ((agreement - 0.5).abs() < 0.01).all()


def test_token_rows_are_dropped_one_by_one():
    x = bag_of_words()
    mask = NodeFeatureMasker(0.5, 0.0, torch.Generator().manual_seed(3)).draw(len(x))
    masked = mask_features(to_features(x), mask, torch.ones(1, x.shape[1]))
    dropped = drop(masked, 0.5, torch.Generator().manual_seed(0)).dense()[mask.token_index]
    assert not torch.equal(dropped[0], dropped[1])
