"""Heads of the frame of one encoder: learned ones, none, and fixed weights."""

import pytest
import torch

from core.heads import ProjectionHead, ReweightingHead
from domains.vision.methods.simclr import SimCLR, SimCLRSettings


def build(**settings):
    made = SimCLRSettings(width=4, depth=10, stem="medium", projection=8, **settings)
    return SimCLR(made, size=8, mean=[0.5] * 3, std=[0.5] * 3)


@pytest.mark.parametrize(("layers", "stages", "width"), [(2, 3, 8), (1, 2, 8), (0, 2, 32)])
def test_learned_heads(layers, stages, width):
    method = build(layers=layers)
    assert isinstance(method.head, ProjectionHead)
    assert len(method.head.stages) == stages
    images = torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8)
    assert method.project(images).shape == (2, 6, width)
    assert method.embed_stage(images, "projection").shape == (6, width)


def test_fixed_weights_take_the_place_of_a_learned_head():
    method = build(reweighting=100.0)
    assert isinstance(method.head, ReweightingHead)
    assert method.head.ratio == pytest.approx(100)
    assert not list(method.head.parameters())
    images = torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8)
    assert method.project(images).shape == (2, 6, method.out_dim)
    before, after = (method.embed_stage(images, stage) for stage in ("backbone", "projection"))
    kappa = 100 ** (1 / (method.out_dim - 1))
    expected = before * torch.tensor([kappa**-i for i in range(method.out_dim)])
    assert torch.allclose(after, expected, rtol=1e-5)


@pytest.mark.parametrize("value", [1.0, 0.5, -3.0, float("inf"), float("nan")])
def test_a_ratio_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="reweighting must be 0 or > 1"):
        SimCLRSettings(reweighting=value)
