"""Masks as indices: counts, disjointness, noise, the dense form, uniformity."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.masking import NodeFeatureMasker, masked_count, random_mask


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(count=st.integers(1, 500), hundredths=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_floor_of_the_exact_product(count, hundredths):
    expected = math.floor(Fraction(hundredths, 100) * count)
    assert masked_count(count, hundredths / 100) == expected
    drawn = random_mask(count, hundredths / 100, generator=seeded())
    assert len(drawn) == len(set(drawn.tolist())) == expected


def test_rows_of_a_batch_are_independent_draws():
    drawn = random_mask(12, 0.5, generator=seeded(), rows=50)
    assert drawn.shape == (50, 6)
    assert drawn.dtype == torch.int64
    assert all(len(set(row)) == 6 for row in drawn.tolist())
    assert len({tuple(sorted(row)) for row in drawn.tolist()}) > 40


@pytest.mark.parametrize("rows", [None, 1])
def test_every_position_is_drawn_equally_often(rows):
    draw, hits = seeded(), torch.zeros(10)
    for _ in range(2000):
        hits[random_mask(10, 0.3, generator=draw, rows=rows).flatten()] += 1
    # Binomial(2000, 0.3): standard deviation 20.5; 5 of them.
    assert (hits - 600).abs().max() < 103


@given(
    count=st.integers(10, 200),
    rate=st.sampled_from([0.25, 0.5, 0.75]),
    replace=st.sampled_from([0.0, 0.05, 0.1, 0.5]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_token_and_noise_share_the_mask(count, rate, replace, seed):
    mask = NodeFeatureMasker(rate, replace, seeded(seed)).draw(count)
    hidden, token, noise = (set(i.tolist()) for i in (mask.mask_index, mask.token_index, mask.noise_index))
    assert len(mask.mask_index) == len(hidden) == math.floor(rate * count)
    assert token | noise == hidden
    assert not token & noise
    assert len(noise) == round(replace * len(hidden)) == len(mask.noise_source)
    assert len(set(mask.noise_source.tolist())) == len(mask.noise_source), "drawn without replacement"
    assert all(0 <= i < count for i in mask.noise_source.tolist())


def test_dense_features_under_the_mask():
    x = torch.randn(40, 6, generator=seeded(1))
    before = x.clone()
    token = torch.full((1, 6), 7.0)
    mask = NodeFeatureMasker(0.5, 0.2, seeded()).draw(40)
    masked = mask.apply(x, token)
    assert torch.equal(x, before), "the input is left alone"
    assert (masked[mask.token_index] == 7).all()
    assert torch.equal(masked[mask.noise_index], before[mask.noise_source])
    rest = torch.ones(40, dtype=torch.bool)
    rest[mask.mask_index] = False
    assert rest.sum() == 20
    assert torch.equal(masked[rest], before[rest])
    assert torch.equal(mask.apply(x, token[0]), masked)


def test_without_noise_all_masked_rows_show_the_token():
    x = torch.randn(11, 3, generator=seeded(1))
    mask = NodeFeatureMasker(0.5, 0.0, seeded()).draw(11)
    assert len(mask.noise_index) == len(mask.noise_source) == 0
    masked = mask.apply(x, torch.zeros(3))
    assert not masked[mask.mask_index].any()
    assert torch.equal(mask.mask_index.sort()[0], mask.token_index.sort()[0])


def test_the_token_gets_the_gradient_of_its_rows_and_hidden_features_none():
    x = torch.randn(10, 3, generator=seeded(1), requires_grad=True)
    token = torch.zeros(1, 3, requires_grad=True)
    mask = NodeFeatureMasker(0.5, 0.2, seeded()).draw(10)
    mask.apply(x, token).sum().backward()
    assert token.grad.tolist() == [[float(len(mask.token_index))] * 3]
    hidden = set(mask.mask_index.tolist()) - set(mask.noise_source.tolist())
    assert hidden
    assert not x.grad[list(hidden)].any()


def test_the_generator_alone_decides():
    first, again = (NodeFeatureMasker(0.5, 0.1, seeded(3)) for _ in range(2))
    for _ in range(3):
        one, two = first.draw(40), again.draw(40)
        for name in ("mask_index", "token_index", "noise_index", "noise_source"):
            assert torch.equal(getattr(one, name), getattr(two, name))
    assert not torch.equal(first.draw(40).mask_index, one.mask_index), "each draw is new"


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    for rate in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match=r"mask_rate must be in \(0, 1\)"):
            NodeFeatureMasker(rate)
    with pytest.raises(ValueError, match=r"replace_rate must be in \[0, 1\), got 1\.0"):
        NodeFeatureMasker(0.5, 1.0)
    with pytest.raises(ValueError, match=r"mask_rate 0\.1 of 5 nodes hides none"):
        NodeFeatureMasker(0.1).draw(5)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        random_mask(0, 0.5)
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), got 1\.0"):
        random_mask(5, 1.0)
    with pytest.raises(ValueError, match=r"token must have shape \(3,\) or \(1, 3\), got \(4,\)"):
        NodeFeatureMasker(0.5).draw(6).apply(torch.ones(6, 3), torch.zeros(4))
