"""Negative labels: never an own one, in exact proportion to the counts, the same for the same seed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.samplers import sample_negative_labels

COUNTS = torch.tensor([5, 2, 0, 7, 1, 3])
OWN = torch.tensor([[1, 3], [4, -1], [0, 5], [-1, -1]])


def test_shares_are_those_of_the_counts_that_are_left(generator):
    drawn = sample_negative_labels(OWN, 6, 20_000, counts=COUNTS, generator=generator)
    assert drawn.shape == (4, 20_000)
    for row, own in zip(drawn, OWN, strict=True):
        left = COUNTS.clone().double()
        left[own[own >= 0]] = 0
        share = torch.bincount(row, minlength=6) / len(row)
        assert not share[left == 0].any()
        torch.testing.assert_close(share.double(), left / left.sum(), rtol=0, atol=0.015)


@given(
    sets=st.lists(st.sets(st.integers(0, 7), max_size=7), min_size=1, max_size=6),
    counts=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_own_and_absent_labels_never_come(sets, counts, seed):
    counts = torch.tensor([c + (i == 0) for i, c in enumerate(counts)])
    mask = torch.zeros(len(sets), 8, dtype=torch.bool)
    for i, own in enumerate(sets):
        mask[i, [label for label in own if label != 0]] = True  # label 0 occurs and is left to everyone
    drawn = sample_negative_labels(mask, 8, 30, counts=counts, generator=torch.Generator().manual_seed(seed))
    assert not mask.gather(1, drawn).any()
    assert (counts[drawn] > 0).all()


def test_without_counts_all_labels_are_alike_and_the_seed_decides():
    def draw(seed):
        return sample_negative_labels(torch.tensor([2]), 4, 3000, generator=torch.Generator().manual_seed(seed))

    share = torch.bincount(draw(0)[0], minlength=4) / 3000
    assert share[2] == 0
    torch.testing.assert_close(share[[0, 1, 3]], torch.full((3,), 1 / 3), rtol=0, atol=0.04)
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


def test_huge_counts_are_exact(generator):
    counts = torch.tensor([2**51, 1, 2**51])
    drawn = sample_negative_labels(torch.tensor([[0, 2], [0, -1]]), 3, 50, counts=counts, generator=generator)
    assert drawn[0].unique().tolist() == [1]
    assert drawn[1].unique().tolist() == [2]


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    own = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="num_labels must be at least 1, got 0"):
        sample_negative_labels(own, 0, 2)
    with pytest.raises(ValueError, match="num_negatives must be at least 1, got 0"):
        sample_negative_labels(own, 3, 0)
    with pytest.raises(TypeError, match=r"counts must be int64, got torch\.float32; round them"):
        sample_negative_labels(own, 3, 2, counts=torch.ones(3))
    with pytest.raises(ValueError, match=r"counts must have shape \(3,\), one a label, got \(2,\)"):
        sample_negative_labels(own, 3, 2, counts=torch.ones(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="got a least one of -1 and a sum of 1"):
        sample_negative_labels(own, 3, 2, counts=torch.tensor([1, -1, 1]))
    with pytest.raises(ValueError, match="input 1 has every label that occurs, so there is no negative to draw"):
        sample_negative_labels(own, 3, 2, counts=torch.tensor([0, 4, 0]))
    with pytest.raises(ValueError, match="targets must hold indices from 0 to 2"):
        sample_negative_labels(torch.tensor([3]), 3, 2)
