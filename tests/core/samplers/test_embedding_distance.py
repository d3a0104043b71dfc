"""Distances in float64."""

import pytest
import torch

from core.samplers import embedding_distance


def test_values(generator):
    a, b = torch.randn(2, 20, 7, generator=generator)
    cosine = 1 - torch.nn.functional.cosine_similarity(a.double(), b.double())
    torch.testing.assert_close(embedding_distance(a, b), cosine)
    torch.testing.assert_close(embedding_distance(a, b, metric="euclidean"), (a.double() - b.double()).norm(dim=1))


def test_equal_rows_are_at_distance_zero_exactly(generator):
    a = torch.randn(50, 33, generator=generator) * torch.logspace(-10, 15, 50)[:, None]
    for metric in ("cosine", "euclidean"):
        assert embedding_distance(a, a.clone(), metric=metric).tolist() == [0] * 50
    assert embedding_distance(a, 4 * a).max() == 0
    torch.testing.assert_close(embedding_distance(a, -a), torch.full((50,), 2.0, dtype=torch.float64))


def test_a_zero_row_has_cosine_zero_with_all():
    a = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 2.0]])
    b = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])
    assert embedding_distance(a, b).tolist() == [1, 1, 1]


def test_what_is_refused(unchecked):
    with pytest.raises(ValueError, match="metric must be one of 'cosine', 'euclidean', got 'l1'"):
        embedding_distance(torch.ones(2, 3), torch.ones(2, 3), metric="l1")
    with pytest.raises(ValueError, match="a and b must have the same shape"):
        embedding_distance(torch.ones(2, 3), torch.ones(3, 3))
    with pytest.raises(TypeError, match="a must be a floating tensor"):
        embedding_distance(torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3))
