"""Shape, colour and texture: independent, all there, no combination in both parts, drawn as the names say."""

import math

import pytest
import torch

from domains.vision.data.trifeature import COLOURS, SHAPES, TEXTURES, trifeature


@pytest.fixture(scope="module")
def images():
    return trifeature(size=32, per_combination=2)


def triples(images, rows):
    columns = [images.attributes[name][rows] for name in ("shape", "colour", "texture")]
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_every_combination_and_none_in_both_parts(images):
    training, testing = triples(images, ~images.test), triples(images, images.test)
    assert len(training) == 800
    assert len(testing) == 200
    assert not training & testing
    assert len(images) == 2000
    assert {len(names) for names in (SHAPES, COLOURS, TEXTURES)} == {10}


def test_features_are_pairwise_independent(images):
    features = list(images.attributes.values())
    for i, first in enumerate(features):
        for second in features[:i]:
            table = torch.zeros(10, 10).index_put_((first, second), torch.ones(len(images)), accumulate=True)
            assert (table == len(images) / 100).all()


def test_the_seed_decides_everything():
    first, again, other = (trifeature(size=16, per_combination=1, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.test, again.test)
    assert not torch.equal(first.images, other.images)
    assert not torch.equal(first.test, other.test)


def test_pixels_lie_between_grey_and_the_colour(images):
    colour = 255 * torch.tensor(list(COLOURS.values()))[images.attributes["colour"]]
    low, high = colour.clamp_max(128)[:, :, None, None], colour.clamp_min(128)[:, :, None, None]
    assert ((images.images >= low - 0.5) & (images.images <= high + 0.5)).all()
    solid = images.attributes["texture"] == list(TEXTURES).index("solid")
    far = torch.where(colour < 128, images.images.amin((2, 3)), images.images.amax((2, 3)))
    torch.testing.assert_close(far[solid].float(), colour[solid], atol=0.5, rtol=0)


def solid_areas(images, colour="white"):
    """Painted share of the image by shape, of solid white ones."""
    chosen = (images.attributes["texture"] == 0) & (images.attributes["colour"] == list(COLOURS).index(colour))
    painted = ((images.images[chosen, 0].float() - 128) / 127).mean((1, 2))
    return {list(SHAPES)[code]: painted[images.attributes["shape"][chosen] == code] for code in range(10)}


def test_areas_of_the_shapes():
    """In the square [-1, 1] x [-1, 1], whose side is 36/64 of the image; wherever it lies, it is whole."""
    step = math.pi / 5
    expected = {
        "triangle": 2.0, "square": 4.0, "plus": 20 / 9, "circle": math.pi, "tee": 20 / 9, "rhombus": 2.0,
        "fivesquare": 20 / 9, "trapezoid": 2.1, "pentagon": 2.5 * math.sin(2 * step), "star": 2 * math.sin(step),
    }  # fmt: skip
    found = solid_areas(trifeature(size=48, per_combination=1))
    for name, area in expected.items():
        torch.testing.assert_close(found[name], torch.full((1,), area / 4 * (36 / 64) ** 2), rtol=0.03, atol=0)


def test_textures_leave_different_shares_and_differ():
    u, v = torch.rand(2, 20000, generator=torch.Generator().manual_seed(0)) * 40
    painted = torch.stack([paint(u, v).float() for paint in TEXTURES.values()])
    shares = dict(zip(TEXTURES, painted.mean(1).tolist(), strict=True))
    exact = {"solid": 1, "stripes": 0.5, "grid": 1 - 0.7**2, "dots": 0.14 * 3.1416, "triangles": 0.5, "zigzags": 0.5,
             "rain": 0.4 * 0.6, "pluses": 0.84**2 - 0.56**2, "noise": 0.5, "hexgrid": 1 - 0.72**2}  # fmt: skip
    assert shares == pytest.approx(exact, abs=0.02)
    apart = (painted[:, None] != painted[None]).float().mean(2)
    assert apart[~torch.eye(10, dtype=torch.bool)].min() > 0.1


def test_names_and_limits(images):
    assert images.facts["texture_names"] == list(TEXTURES)
    assert images.class_names == tuple(SHAPES)
    with pytest.raises(ValueError, match="size must be >= 16"):
        trifeature(size=8)
    with pytest.raises(ValueError, match="per_combination must be >= 1"):
        trifeature(per_combination=0)
