"""Multi-crop: one pass of the backbone for each size, one of the head, rows in the order of the crops."""

import pytest
import torch
from torch import nn

from core.multi_crop import multi_crop_forward


def crops(*sizes, count=3):
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(count, 2, size, size, generator=draw) for size in sizes]


def network(norm=False):
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5) if norm else nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers), nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4) if norm else nn.Tanh())


@pytest.mark.parametrize("sizes", [(8, 8, 4, 4), (8, 4, 8, 4, 6), (8,)])
def test_it_is_each_crop_alone_where_rows_do_not_meet(sizes):
    backbone, head = network()
    given = crops(*sizes)
    found = multi_crop_forward(backbone, head, given)
    assert found.shape == (len(sizes), 3, 4)
    torch.testing.assert_close(found, torch.stack([head(backbone(crop)) for crop in given]))


def test_crops_of_one_size_go_together_and_the_head_runs_once():
    """BatchNorm: statistics of the backbone are those of a size, those of the head of all crops."""
    backbone, head = network(norm=True)
    seen = {"backbone": [], "head": []}
    backbone.register_forward_hook(lambda module, given, out: seen["backbone"].append(tuple(given[0].shape)))
    head.register_forward_hook(lambda module, given, out: seen["head"].append(tuple(given[0].shape)))
    given = crops(8, 4, 8, 4, 4)
    found = multi_crop_forward(backbone, head, given)
    assert seen == {"backbone": [(6, 2, 8, 8), (9, 2, 4, 4)], "head": [(15, 5)]}
    large = backbone(torch.cat([given[0], given[2]])).chunk(2)
    small = backbone(torch.cat([given[1], given[3], given[4]])).chunk(3)
    expected = head(torch.cat([large[0], small[0], large[1], small[1], small[2]]))
    torch.testing.assert_close(found.flatten(0, 1), expected)


def test_gradients_reach_every_crop_and_rows_may_be_of_any_kind():
    given = [torch.randn(3, 6, requires_grad=True), torch.randn(3, 6, requires_grad=True)]
    multi_crop_forward(nn.Linear(6, 2), nn.Identity(), given).square().sum().backward()
    assert all(crop.grad.any(dim=1).all() for crop in given)


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    backbone, head = network()
    with pytest.raises(ValueError, match="the number of crops must be at least 1, got 0"):
        multi_crop_forward(backbone, head, [])
    with pytest.raises(ValueError, match=r"every crop must hold the same images, got batches of \[3, 2\]"):
        multi_crop_forward(backbone, head, [crops(8)[0], crops(4)[0][:2]])
    with pytest.raises(ValueError, match=r"rows of one width.*\(2, 8, 8\) to \(3, 128\), \(2, 4, 4\) to \(3, 32\)"):
        multi_crop_forward(nn.Flatten(), head, crops(8, 4))
