import numpy as np
import pytest
import torch

from domains.tables.methods.pairs import gather_pairs, shared_count
from domains.tables.methods.partners import Partners


def coded(pairs: int = 40, attributes: int = 9, values: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(values, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    codes = rng.integers(-30, values, (2, pairs, attributes)).clip(-1)
    return vectors, codes[0], codes[1]


def test_every_attribute_that_one_has_is_there_once():
    vectors, left, right = coded()
    pairs = gather_pairs(vectors, left, right)
    width = pairs.left.shape[1]
    assert width == ((left >= 0) | (right >= 0)).sum(axis=1).max() < left.shape[1]
    for i in range(len(left)):
        there = [(a, b) for a, b in zip(left[i], right[i], strict=True) if a >= 0 or b >= 0]
        for place, (a, b) in enumerate(there):
            assert bool(pairs.left_mask[i, place]) is bool(a >= 0)
            assert bool(pairs.right_mask[i, place]) is bool(b >= 0)
            assert torch.equal(pairs.left[i, place], torch.from_numpy(vectors[a] * (a >= 0)))
            assert torch.equal(pairs.right[i, place], torch.from_numpy(vectors[b] * (b >= 0)))
        assert not pairs.left_mask[i, len(there) :].any()
        assert not pairs.right_mask[i, len(there) :].any()


def test_cosine_and_support_by_loops():
    vectors, left, right = coded()
    cosine, support = gather_pairs(vectors, left, right).cosine, shared_count(left, right)
    for i in range(len(left)):
        both = [float(vectors[a] @ vectors[b]) for a, b in zip(left[i], right[i], strict=True) if a >= 0 and b >= 0]
        assert support[i] == len(both)
        assert float(cosine[i]) == pytest.approx(np.mean(both) if both else 0.0, abs=1e-6)


def test_codes_beyond_the_vectors_are_of_those_that_follow():
    vectors, left, right = coded()
    whole, parts = gather_pairs(vectors, left, right), gather_pairs(vectors[:5], left, right, vectors[5:])
    assert all(torch.equal(a, b) for a, b in zip(vars(whole).values(), vars(parts).values(), strict=True))


def test_no_pairs_no_values():
    vectors, left, right = coded()
    assert gather_pairs(vectors, left[:0], right[:0]).left.shape[0] == 0
    empty = gather_pairs(vectors[:0], np.full((3, 2), -1), np.full((3, 2), -1))
    assert empty.left.shape == (3, 1, 5)
    assert not empty.left_mask.any()


def test_partners_are_those_of_the_pairs_and_all_of_them():
    left, right = np.array([0, 0, 1, 4]), np.array([1, 2, 2, 0])
    partners = Partners.of(6, left, right)
    found = partners.draw(np.arange(6), 200, np.random.default_rng(0))
    assert [set(row.tolist()) for row in found] == [
        {1, 2, 4},
        {0, 2},
        {0, 1},
        {3},
        {0},
        {5},
    ]  # a row alone draws itself


def test_partners_of_no_pairs():
    none = np.empty(0, dtype=np.int64)
    assert Partners.of(3, none, none).draw(np.arange(3), 2, np.random.default_rng(0)).tolist() == [
        [0, 0],
        [1, 1],
        [2, 2],
    ]
