"""The shared linear map of the regions: what it reads, that it has no bias, errors."""

import pytest
import torch

from core.heads import RegionProjection
from core.losses.regions import region_corners


def maps(n=2, c=3, h=9, w=10):
    return torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("window", "regions"), [(3, 13), (1, 13), (2, 9)])
def test_it_is_a_convolution_read_at_the_corners(window, regions):
    head = RegionProjection(3, 5, num_regions=regions, window=window)
    kernel = head.linear.weight.reshape(5, 3, window, window)
    dense = torch.nn.functional.conv2d(maps(), kernel)
    corners = region_corners(9, 10, num_regions=regions, window=window)
    found = head(maps())
    assert found.shape == (2, regions, 5)
    torch.testing.assert_close(found, dense[:, :, corners[:, 0], corners[:, 1]].mT)


def test_one_matrix_without_bias():
    head = RegionProjection(3)
    assert [p.shape for p in head.parameters()] == [(128, 27)]
    assert not head(torch.zeros(1, 3, 8, 8)).any()
    assert "in_channels=3, num_regions=13, window=3" in repr(head)
    other = RegionProjection(3)
    other.load_state_dict(head.state_dict())
    assert torch.equal(head(maps()), other(maps()))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match="num_regions must be 9"):
        RegionProjection(3, num_regions=4)
    for name in ("in_channels", "out_dim", "window"):
        settings = {"in_channels": 3, "out_dim": 4, "window": 3, name: 0}
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            RegionProjection(**settings)
    with pytest.raises(ValueError, match=r"maps must have in_channels=3, got shape \(2, 4, 9, 10\)"):
        RegionProjection(3)(maps(c=4))
    with pytest.raises(ValueError, match="maps must be at least 7 x 7"):
        RegionProjection(3)(maps(h=6))
    with pytest.raises(TypeError, match="maps must be a floating tensor"):
        RegionProjection(3)(maps().long())
