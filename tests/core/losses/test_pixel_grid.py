"""Where pixels lie and which are the same place: hand values, signed boxes, random crops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.losses import pixel_grid_centers, positive_pixel_mask
from tests.core.losses import dense_oracles

WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


def boxes(n, seed=0):
    """Signed boxes of random crops of area 0.08 to 1 and aspect 3/4 to 4/3, cut off at the sides of the image."""
    area, aspect, right, down, flip = torch.rand(5, n, generator=torch.Generator().manual_seed(seed))
    area, aspect = 0.08 + 0.92 * area, (4 / 3) ** (2 * aspect - 1)
    w, h = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    x, y = right * (1 - w), down * (1 - h)
    straight = torch.stack([x, y, x + w, y + h], dim=1)
    return torch.where(flip[:, None] < 0.5, straight[:, [2, 1, 0, 3]], straight)


def test_centres_are_those_of_the_formula():
    box = boxes(5)
    found = pixel_grid_centers(box, 3, 4)
    assert found.shape == (5, 12, 2)
    for n in range(5):
        torch.testing.assert_close(found[n], torch.tensor(dense_oracles.centres(box[n], 3, 4)), rtol=1e-5, atol=1e-6)
    assert pixel_grid_centers(WHOLE, 1, 1).tolist() == [[[0.5, 0.5]]]
    assert pixel_grid_centers(WHOLE.double(), 2, 2).dtype == torch.float64
    assert pixel_grid_centers(WHOLE.bfloat16(), 7, 7).dtype == torch.float32


def test_equal_boxes_match_each_pixel_with_itself():
    """The nearest other pixel is at 1 / sqrt(2) = 0.7071 diagonals, so 0.7 gives 49 and 16 positives."""
    for side, count in ((7, 49), (4, 16)):
        mask = positive_pixel_mask(WHOLE, WHOLE, side, side)
        assert torch.equal(mask[0], torch.eye(side * side, dtype=torch.bool))
        assert int(mask.sum()) == count
    wider = positive_pixel_mask(WHOLE, WHOLE, 7, 7, threshold=0.71)
    assert int(wider.sum()) == 49 + 2 * 2 * 42  # 42 neighbours across and 42 down, each both ways
    assert wider.shape == (1, 49, 49)


def test_a_flip_permutes_left_and_right():
    flipped = positive_pixel_mask(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), WHOLE, 7, 7)
    permutation = torch.eye(49).reshape(7, 7, 49).flip(1).reshape(49, 49).bool()
    assert torch.equal(flipped[0], permutation)
    assert int(flipped.sum()) == 49
    upside = positive_pixel_mask(torch.tensor([[0.0, 1.0, 1.0, 0.0]]), WHOLE, 7, 7)
    assert torch.equal(upside[0], torch.eye(49).reshape(7, 7, 49).flip(0).reshape(49, 49).bool())


def test_disjoint_boxes_have_no_positives():
    left, right = torch.tensor([[0.0, 0.0, 0.3, 0.3]]), torch.tensor([[0.6, 0.6, 1.0, 1.0]])
    assert not positive_pixel_mask(left, right, 7, 7).any()


@given(
    seed=st.integers(0, 10_000), h=st.integers(1, 4), w=st.integers(1, 4), threshold=st.sampled_from([0.35, 0.7, 1.4])
)
@settings(max_examples=30, deadline=None)
def test_any_boxes_against_loops(seed, h, w, threshold):
    q, k = boxes(2, seed).double(), boxes(2, seed + 1).double()
    mask = positive_pixel_mask(q, k, h, w, threshold)
    for n in range(2):
        assert torch.equal(mask[n], dense_oracles.positives(q[n], k[n], h, w, threshold))


def test_transposed_and_scaled():
    q, k = boxes(50), boxes(50, seed=1)
    mask = positive_pixel_mask(q, k, 5, 7)
    assert torch.equal(positive_pixel_mask(k, q, 5, 7), mask.mT)
    point = torch.tensor([0.3, -0.2, 0.3, -0.2])
    assert torch.equal(positive_pixel_mask(*((b.double() - point) * 3.7 + point for b in (q, k)), 5, 7), mask)


def test_statistics_of_random_crops():
    """4000 pairs, area 0.08 to 1, 7 x 7 pixels: about 0.8 % without a positive, 125 positives in the mean."""
    counts = positive_pixel_mask(boxes(4000), boxes(4000, seed=1), 7, 7).sum(dim=(1, 2))
    assert float((counts == 0).float().mean()) == pytest.approx(0.008, abs=0.004)
    assert float(counts.float().mean()) == pytest.approx(125, abs=5)


def test_limits():
    pixel = torch.tensor([[0.5, 0.5, 0.5, 0.5]])  # a crop of one pixel has no extent
    assert not positive_pixel_mask(pixel, pixel, 2, 2).any()
    assert positive_pixel_mask(pixel, WHOLE, 2, 2, threshold=1.0).all()
    assert positive_pixel_mask(WHOLE, WHOLE, 3, 3, threshold=float("inf")).all()
    mask = positive_pixel_mask(WHOLE.clone().requires_grad_(), WHOLE, 2, 2)
    assert mask.dtype == torch.bool
    assert not mask.requires_grad
    assert positive_pixel_mask(WHOLE[:0], WHOLE[:0], 2, 3).shape == (0, 6, 6)


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"box must have shape \(n, 4\), x1, y1, x2, y2 of each crop, got \(2, 3\)"):
        pixel_grid_centers(torch.ones(2, 3), 2, 2)
    with pytest.raises(ValueError, match="box_k must have 2 axes"):
        positive_pixel_mask(WHOLE, WHOLE[0], 2, 2)
    with pytest.raises(TypeError, match="box_q must be a floating tensor"):
        positive_pixel_mask(WHOLE.long(), WHOLE, 2, 2)
    with pytest.raises(ValueError, match="one box for each image, got 1 and 2"):
        positive_pixel_mask(WHOLE, WHOLE.repeat(2, 1), 2, 2)
    for threshold in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="threshold must be > 0"):
            positive_pixel_mask(WHOLE, WHOLE, 2, 2, threshold)
    with pytest.raises(ValueError, match="h must be at least 1, got 0"):
        pixel_grid_centers(WHOLE, 0, 2)
    with pytest.raises(ValueError, match="box must be finite"):
        pixel_grid_centers(WHOLE * torch.nan, 2, 2)
