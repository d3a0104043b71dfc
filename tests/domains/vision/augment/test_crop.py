import math
from statistics import fmean

import kornia
import pytest
import torch
from scipy import stats

from domains.vision.augment import RECIPES, CenterSuppressedCrop, RandomResizedCrop
from domains.vision.augment.crop import crop_for

MANY = 4000


def sides(boxes):
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 50), (64, 7), (1, 1), (1, 9), (300, 200)])
@pytest.mark.parametrize("centre", [None, 0.1, 1.0])
def test_whole_pixels_inside_the_image(height, width, centre, generator):
    crop = RandomResizedCrop() if centre is None else CenterSuppressedCrop(centre)
    boxes = crop(500, height, width, generator)
    assert boxes.shape == (500, 4)
    assert torch.equal(boxes, boxes.round())
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= width).all()
    assert (boxes[:, 3] <= height).all()
    w, h = sides(boxes)
    assert (w >= 1).all()
    assert (h >= 1).all()


def reference(height, width, scale, ratio, rng):
    """torchvision's get_params, one image at a time."""
    for _ in range(10):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
            return left, top, left + w, top + h
    if width / height < ratio[0]:
        w, h = width, round(width / ratio[0])
    elif width / height > ratio[1]:
        w, h = round(height * ratio[1]), height
    else:
        w, h = width, height
    return (width - w) // 2, (height - h) // 2, (width - w) // 2 + w, (height - h) // 2 + h


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(32, 32, (0.08, 1.0)), (24, 60, (0.3, 1.0)), (10, 40, (0.9, 0.95))]
)
def test_distribution_of_the_scalar_algorithm(height, width, scale, generator):
    import numpy as np

    rng = np.random.default_rng(0)
    expected = np.array([reference(height, width, scale, (3 / 4, 4 / 3), rng) for _ in range(MANY)])
    boxes = RandomResizedCrop(scale)(MANY, height, width, generator).numpy()
    for column in range(4):
        assert stats.ks_2samp(boxes[:, column], expected[:, column]).pvalue > 1e-3
    area, theirs = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (boxes, expected))
    assert stats.ks_2samp(area, theirs).pvalue > 1e-3


def test_same_areas_as_kornia(generator):
    torch.manual_seed(0)
    crop = kornia.augmentation.random_generator.ResizedCropGenerator((32, 32), (0.08, 1.0), (3 / 4, 4 / 3))
    source = crop((MANY, 3, 64, 64))["src"]
    theirs = (source[:, 2] - source[:, 0] + 1).prod(1)
    w, h = sides(RandomResizedCrop()(MANY, 64, 64, generator))
    assert (w * h).mean().item() == pytest.approx(theirs.float().mean().item(), rel=0.03)
    assert (w * h).std().item() == pytest.approx(theirs.float().std().item(), rel=0.03)


@pytest.mark.parametrize(
    ("height", "width", "box"), [(10, 100, [43, 0, 56, 10]), (100, 10, [0, 43, 10, 56]), (10, 11, [0, 0, 11, 10])]
)
def test_where_no_draw_fits_the_largest_box_at_the_centre(height, width, box, generator):
    crop = RandomResizedCrop((0.999, 1.0), (0.75, 1 / 0.75)) if height != 10 or width != 11 else None
    crop = crop or RandomResizedCrop((0.999, 1.0), (0.8, 0.81 if width == 11 else 1.0))
    boxes = crop(50, height, width, generator)
    if (height, width) == (10, 11):  # the image is wider than allowed: 8 = round(10 * 0.81) of 11 columns
        box = [1, 0, 9, 10]
    assert (boxes == torch.tensor(box, dtype=torch.float32)).all()


def test_whole_image_whatever_its_shape_and_nothing_drawn(generator):
    before = generator.get_state()
    for crop in (RandomResizedCrop((1.0, 1.0), (1.0, 1.0)), CenterSuppressedCrop(0.1, (1.0, 1.0))):
        assert crop(3, 7, 50, generator).tolist() == [[0, 0, 50, 7]] * 3
    assert torch.equal(before, generator.get_state())


def test_no_images(generator):
    for crop in (RandomResizedCrop(), CenterSuppressedCrop(0.1)):
        assert crop(0, 8, 8, generator).shape == (0, 4)


def centres(boxes, size):
    return (boxes[:, :2] + boxes[:, 2:]) / 2 / size


def test_alpha_one_is_uniform_over_the_box(generator):
    # A small crop fits wherever its centre is drawn.
    crop = CenterSuppressedCrop(1.0, scale=(0.01, 0.01), box=(0.25, 0.75))
    for axis in centres(crop(MANY, 1000, 1000, generator), 1000).T:
        assert 0.249 < axis.min() < 0.26
        assert 0.74 < axis.max() < 0.751
        assert stats.kstest(axis.numpy(), stats.uniform(0.25, 0.5).cdf).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.1, 0.6])
def test_small_alpha_follows_beta_and_prefers_the_rim(alpha, generator):
    crop = CenterSuppressedCrop(alpha, scale=(0.01, 0.01), box=(0.2, 0.8))
    place = (centres(crop(MANY, 10_000, 10_000, generator), 10_000) - 0.2) / 0.6
    law = stats.beta(alpha, alpha)
    for axis in place.double().T:
        near = ((axis < 0.05) | (axis > 0.95)).double().mean().item()
        assert near == pytest.approx(law.cdf(0.05) + law.sf(0.95), abs=0.03)
        assert axis.mean().item() == pytest.approx(0.5, abs=0.03)
        assert axis.std().item() == pytest.approx(law.std(), rel=0.05)
    assert abs(torch.corrcoef(place.T)[0, 1]) < 0.06


def test_pairs_overlap_less_than_ordinary_ones(generator):
    def overlap(first, second):
        inner = torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])
        return inner.clamp(min=0).prod(1).mean().item()

    ordinary, suppressed = RandomResizedCrop((0.2, 0.5)), CenterSuppressedCrop(0.1, (0.2, 0.5), box=(0.0, 1.0))
    pair = [suppressed(MANY, 64, 64, generator) for _ in range(2)]
    usual = [ordinary(MANY, 64, 64, generator) for _ in range(2)]
    assert overlap(*pair) < 0.9 * overlap(*usual)


def test_a_box_off_the_centre_is_kept_where_the_crop_fits(generator):
    boxes = CenterSuppressedCrop(0.5, (0.04, 0.04), (1.0, 1.0), (0.0, 0.2))(500, 100, 100, generator)
    assert boxes[:, :2].min() == 0  # 20 pixels wide: its centre cannot lie nearer than 10 to the edge
    assert boxes[:, :2].max() == 10
    large = CenterSuppressedCrop(0.5, (0.81, 0.81), (1.0, 1.0), (0.0, 0.2))(50, 100, 100, generator)
    assert (large == torch.tensor([0.0, 0.0, 90.0, 90.0])).all()


def test_same_seed_same_boxes():
    for crop in (RandomResizedCrop(), CenterSuppressedCrop(0.1)):
        first, second, other = (crop(40, 32, 32, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, second)
        assert not torch.equal(first, other)
        assert len(first.unique(dim=0)) > 20


def test_recipes_choose_their_crop():
    assert crop_for(RECIPES["mild"]) == RandomResizedCrop((0.2, 1.0))
    assert crop_for(RECIPES["hallucinator"]) == CenterSuppressedCrop(0.1, (0.2, 1.0), box=(0.25, 0.75))


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ValueError, match="alpha"):
        CenterSuppressedCrop(alpha)


def test_ranges_out_of_range():
    for crop in (RandomResizedCrop, lambda **k: CenterSuppressedCrop(0.5, **k)):
        with pytest.raises(ValueError, match="scale"):
            crop(scale=(0.0, 1.0))
        with pytest.raises(ValueError, match="ratio"):
            crop(ratio=(2.0, 1.0))
    with pytest.raises(ValueError, match="box"):
        CenterSuppressedCrop(0.5, box=(0.8, 0.2))
    CenterSuppressedCrop(0.5, box=(0.0, 1.0))


def test_mean_area_is_the_middle_of_the_scale(generator):
    w, h = sides(RandomResizedCrop((0.2, 0.4))(MANY, 200, 200, generator))
    assert fmean((w * h).tolist()) / 200**2 == pytest.approx(0.3, abs=0.005)
