"""Local contrast: where regions lie, which are near, hand values, partners, errors."""

import math

import pytest
import torch

from core.heads import RegionProjection
from core.losses import LocalRegionLoss, local_region
from core.losses.regions import near_regions, region_corners, region_windows
from tests.core.losses import dense_oracles


def regions(n=3, d=6, seed=0, r=13):
    return torch.randn(n, r, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def maps(n=3, c=2, h=9, w=11, seed=0):
    return torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_corners_are_the_released_ones():
    """m = side - 4 for a window of 3: a 3 x 3 grid at 0, m/2, m, and (m/4, m/4) and so on."""
    grid = [(u, v) for u in (0, 22, 44) for v in (0, 22, 44)]
    middles = [(11, 11), (11, 33), (33, 11), (33, 33)]
    assert list(map(tuple, region_corners(48, 48).tolist())) == grid + middles
    assert list(map(tuple, region_corners(48, 48, num_regions=9).tolist())) == grid
    assert region_corners(48, 20)[:, 1].max() == 16


@pytest.mark.parametrize("window", [1, 2, 3, 5])
@pytest.mark.parametrize("more", range(4, 20))
def test_regions_never_coincide_and_lie_inside(more, window):
    corners = region_corners(window + more, window + more + 3, window=window)
    assert len(torch.unique(corners, dim=0)) == 13
    assert (corners >= 0).all()
    assert (corners.amax(0) + window <= torch.tensor([window + more, window + more + 3])).all()


@pytest.mark.parametrize(("count", "k"), [(13, 5), (13, 4), (13, 12), (9, 5), (9, 1)])
def test_near_regions_are_the_nearest_with_ties_by_index(count, k):
    found = near_regions(count, k)
    assert found.tolist() == dense_oracles.near(count, k)
    assert all(u not in row for u, row in enumerate(found.tolist()))


def test_the_centre_has_the_four_middles_near():
    assert set(near_regions(13, 4)[4].tolist()) == {9, 10, 11, 12}


def test_windows_are_read_where_the_corners_say():
    x = maps()
    found = region_windows(x)
    for r, (u, v) in enumerate(region_corners(9, 11).tolist()):
        torch.testing.assert_close(found[:, r], x[:, :, u : u + 3, v : v + 3].flatten(1))
    assert region_windows(x, num_regions=9, window=1).shape == (3, 9, 2)


@pytest.mark.parametrize("num_negatives", [5, 4, 1])
@pytest.mark.parametrize("count", [13, 9])
def test_it_is_the_equation(count, num_negatives):
    first, second = regions(r=count), regions(seed=1, r=count)
    expected = dense_oracles.local_region(first, second, 0.1, num_negatives)
    settings = {"num_regions": count, "num_negatives": num_negatives}
    torch.testing.assert_close(local_region(first, second, reduction="none", **settings), expected)
    torch.testing.assert_close(LocalRegionLoss(**settings)(first, second), expected.mean())
    torch.testing.assert_close(LocalRegionLoss(reduction="sum", **settings)(first, second), expected.sum())


def test_partners_are_positives_of_the_first_view():
    first, second, partners = regions(), regions(seed=1), torch.stack([regions(seed=2), regions(seed=3)])
    expected = dense_oracles.local_region(first, second, 0.1, 4, partners)
    loss = LocalRegionLoss(strategy="domain", num_negatives=4)
    torch.testing.assert_close(loss(first, second, partners=partners), expected.mean())
    one = local_region(first, second, partners=partners[:1], strategy="domain", reduction="none")
    torch.testing.assert_close(one, dense_oracles.local_region(first, second, 0.1, 5, partners[:1]))


def test_equal_features_cost_log_eleven():
    """Five near regions in each of two maps."""
    same = torch.ones(2, 13, 4)
    assert float(local_region(same, same)) == pytest.approx(math.log(11), abs=1e-6)
    assert float(local_region(same, same, num_negatives=4)) == pytest.approx(math.log(9), abs=1e-6)
    flat = torch.ones(2, 3, 8, 8)
    assert float(local_region(flat, flat)) == pytest.approx(2.3979, abs=1e-4)
    partners = same.expand(2, -1, -1, -1)
    assert float(local_region(same, same, partners=partners, strategy="domain")) == pytest.approx(
        math.log(11), abs=1e-6
    )


def test_maps_and_their_windows_cost_the_same():
    first, second = maps(), maps(seed=1)
    windows = region_windows(first), region_windows(second)
    torch.testing.assert_close(local_region(first, second), local_region(*windows))
    single = local_region(first, second, window=1, num_regions=9)
    corners = region_corners(9, 11, num_regions=9, window=1)
    rows = [m[:, :, corners[:, 0], corners[:, 1]].mT for m in (first, second)]
    torch.testing.assert_close(single, local_region(*rows, num_regions=9))
    partners = torch.stack([maps(seed=2)])
    value = local_region(first, second, partners=partners, strategy="domain")
    torch.testing.assert_close(
        value, local_region(*windows, partners=region_windows(partners[0])[None], strategy="domain")
    )


def test_the_smallest_map():
    first, second = maps(h=7, w=7), maps(h=7, w=7, seed=1)
    assert local_region(first, second).isfinite()
    with pytest.raises(ValueError, match=r"maps must be at least 7 x 7 for a window of 3, got 6 x 7"):
        local_region(maps(h=6, w=7), maps(h=6, w=7))
    with pytest.raises(ValueError, match=r"maps must be at least 5 x 5 for a window of 1, got 7 x 4"):
        local_region(maps(h=7, w=4), maps(h=7, w=4), window=1)


def test_images_do_not_meet():
    first, second = regions(5), regions(5, seed=1)
    terms = local_region(first, second, reduction="none")
    torch.testing.assert_close(terms[:3], local_region(first[:3], second[:3], reduction="none"))
    leaf = first.clone().requires_grad_()
    local_region(leaf, second, reduction="none")[2].backward()
    assert leaf.grad[2].any()
    assert not leaf.grad[[0, 1, 3, 4]].any()


def test_invariances():
    first, second = regions(), regions(seed=1)
    value = local_region(first, second)
    torch.testing.assert_close(local_region(second, first), value)
    lengths = 0.1 + torch.rand(3, 13, 1, generator=torch.Generator().manual_seed(3)).double()
    torch.testing.assert_close(local_region(first * lengths, 5 * second), value)
    rotation = torch.linalg.qr(regions(1, 6, seed=4, r=6)[0])[0]
    torch.testing.assert_close(local_region(first @ rotation, second @ rotation), value)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(local_region(first[order], second[order]), value)


def test_zero_regions_have_cosine_zero_and_no_gradient():
    first, second = regions(), regions(seed=1)
    first[1, 4] = 0
    first.requires_grad_()
    local_region(first, second).backward()
    assert not first.grad[1, 4].any()
    assert first.grad.isfinite().all()
    assert (first.grad.norm(dim=2) > 0).sum() == 3 * 13 - 1


def test_module_shows_its_settings():
    loss = LocalRegionLoss(temperature=0.2, strategy="domain")
    settings = "temperature=0.2, reduction='mean', strategy='domain', num_regions=13, window=3, num_negatives=5"
    assert repr(loss) == f"LocalRegionLoss({settings})"
    assert loss.state_dict() == {}


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    first, second = regions(), regions(seed=1)
    with pytest.raises(ValueError, match="first and second must have the same shape"):
        local_region(first, second[:2])
    with pytest.raises(ValueError, match=r"first must hold num_regions=9 regions, got shape \(3, 13, 6\)"):
        local_region(first, second, num_regions=9)
    with pytest.raises(TypeError, match="second must be a floating tensor"):
        local_region(first, second.long())
    with pytest.raises(ValueError, match="first must have 3 or 4 axes"):
        local_region(first[0], second[0])
    with pytest.raises(ValueError, match="the images of first must be at least 1"):
        local_region(first[:0], second[:0])
    with pytest.raises(ValueError, match="partners belong to strategy='domain', but were given with strategy='random'"):
        local_region(first, second, partners=first[None])
    with pytest.raises(ValueError, match="partners belong to strategy='domain', but are missing"):
        LocalRegionLoss(strategy="domain")(first, second)
    with pytest.raises(ValueError, match=r"partners must have shape \('q', 3, 13, 6\), got \(1, 2, 13, 6\)"):
        local_region(first, second, partners=first[None, :2], strategy="domain")
    with pytest.raises(ValueError, match="partners must have 4 axes"):
        local_region(first, second, partners=first, strategy="domain")
    with pytest.raises(ValueError, match=r"num_regions must be 9 .* or 13 .*, got 12"):
        LocalRegionLoss(num_regions=12)
    with pytest.raises(ValueError, match="num_negatives must be from 1 to 8"):
        LocalRegionLoss(num_regions=9, num_negatives=9)
    with pytest.raises(ValueError, match="strategy must be one of 'random', 'domain', got 'all'"):
        LocalRegionLoss(strategy="all")
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        LocalRegionLoss(window=0)
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        LocalRegionLoss(temperature=0.0)


def test_it_scores_what_the_head_gives():
    head = RegionProjection(2, 5).double()
    value = LocalRegionLoss()(head(maps()), head(maps(seed=1)))
    value.backward()
    assert head.linear.weight.grad.abs().sum() > 0
