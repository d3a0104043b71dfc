import pytest
import torch

from core.multi_crop import multi_crop_forward
from domains.vision.augment import RECIPES, CropGroup, MultiCrop, ViewGenerator

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=6):
    return torch.randint(0, 256, (n, 3, 24, 24), dtype=torch.uint8, generator=seeded(9))


def test_groups_in_order_with_their_sizes():
    crop = MultiCrop([CropGroup(RECIPES["swav_global"], 20, 2), CropGroup(RECIPES["swav_local"], 9, 3)], MEAN, STD)
    views = crop(images(), seeded())
    assert len(crop) == len(views) == 5
    assert [tuple(view.shape) for view in views] == [(6, 3, 20, 20)] * 2 + [(6, 3, 9, 9)] * 3
    assert not torch.equal(views[0], views[1])
    again = crop(images(), seeded())
    assert all(torch.equal(a, b) for a, b in zip(views, again, strict=True))


def test_each_view_has_its_own_recipe():
    crop = MultiCrop([CropGroup(RECIPES["byol_1"], 16), CropGroup(RECIPES["byol_2"], 16)], MEAN, STD)
    first, second = crop(images(), seeded())
    generator = seeded()
    assert torch.equal(first, ViewGenerator(RECIPES["byol_1"], 16, MEAN, STD)(images(), generator))
    assert torch.equal(second, ViewGenerator(RECIPES["byol_2"], 16, MEAN, STD)(images(), generator))


def test_the_core_takes_the_list_as_it_is():
    crop = MultiCrop([CropGroup(RECIPES["swav_global"], 16, 2), CropGroup(RECIPES["swav_local"], 8, 2)], MEAN, STD)
    sizes = []

    def backbone(batch):
        sizes.append((len(batch), batch.shape[-1]))
        return batch.mean((2, 3))

    out = multi_crop_forward(backbone, torch.nn.Identity(), crop(images(), seeded()))
    assert out.shape == (4, 6, 3)
    assert sizes == [(12, 16), (12, 8)]


def test_refused():
    with pytest.raises(ValueError, match="groups"):
        MultiCrop([], MEAN, STD)
    with pytest.raises(ValueError, match="count"):
        CropGroup(RECIPES["mild"], 8, 0)
    with pytest.raises(ValueError, match="size"):
        CropGroup(RECIPES["mild"], 0)
    with pytest.raises(ValueError, match="std"):
        MultiCrop([CropGroup(RECIPES["mild"], 8)], MEAN, (1.0, 1.0, -1.0))
