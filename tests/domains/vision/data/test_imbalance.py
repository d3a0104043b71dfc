"""Uneven cuts: counts of each class by the published rules, the test part untouched, rows in their order."""

import pytest
import torch

from core.errors import UserError
from domains.vision.data.images import ImageSet
from domains.vision.data.imbalance import imbalanced_targets, linear_imbalance, long_tailed


def images(counts, test_each=3, unknown=4):
    """Training images by class, some of unknown class, then test images; the pixels number them."""
    labels = [c for c, n in enumerate(counts) for _ in range(n)] + [-1] * unknown
    test = [False] * len(labels) + [True] * test_each * len(counts)
    labels += [c for c in range(len(counts)) for _ in range(test_each)]
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    pixels = torch.zeros(len(labels), 3, 1, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = torch.arange(len(labels)) // 256, torch.arange(len(labels)) % 256
    names = tuple(map(str, range(len(counts))))
    return ImageSet(pixels, "set", torch.tensor(labels)[order], class_names=names, test=torch.tensor(test)[order])


def numbers(data):
    return (data.images[:, 0, 0, 0].long() * 256 + data.images[:, 0, 0, 1]).tolist()


def counted(data):
    training = data.labels[~data.test]
    return training[training >= 0].bincount(minlength=data.num_classes).tolist()


@pytest.mark.parametrize("factor", [1, 10, 100])
def test_long_tail_by_the_formula(factor):
    data = images([500] * 10)
    cut = long_tailed(data, factor)
    assert counted(cut) == [int(500 * (1 / factor) ** (c / 9)) for c in range(10)]
    assert int(cut.test.sum()) == 30
    assert int((cut.labels == -1).sum()) == 4
    assert numbers(cut) == sorted(numbers(cut))
    assert cut.class_names == data.class_names
    assert cut.name == f"set-lt{factor}"


def test_long_tail_of_uneven_and_small_classes():
    assert counted(long_tailed(images([200, 3, 200]), 100)) == [200, 3, 2]
    assert counted(long_tailed(images([10, 10]), 100)) == [10, 1]
    assert counted(long_tailed(images([10]), 100)) == [10]


def test_linear_imbalance_by_the_formula():
    data = images([100, 90, 50, 7])
    cut = linear_imbalance(data)
    assert counted(cut) == [int((c + 1) / 4 * n) for c, n in enumerate([100, 90, 50, 7])]
    assert int(cut.test.sum()) == 12
    assert numbers(cut) == numbers(linear_imbalance(data)) != numbers(linear_imbalance(data, seed=1))


def test_targets_grow_rare_towards_one_end():
    count = 5000
    targets = torch.rand(count, generator=torch.Generator().manual_seed(0)) * 90 - 45
    test = torch.arange(count) % 5 == 0
    data = ImageSet(torch.zeros(count, 3, 1, 1, dtype=torch.uint8), "set", targets=targets, test=test)
    cut = imbalanced_targets(data, factor=16, bins=5)
    assert torch.equal(cut.targets[cut.test], targets[test])
    before, after = (torch.histc(d.targets[~d.test], 5, -45, 45) for d in (data, cut))
    share = after / before
    torch.testing.assert_close(share, torch.tensor([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]), atol=0.01, rtol=0.02)
    equal = ImageSet(data.images, "set", targets=torch.full((count,), 2.0))
    assert len(imbalanced_targets(equal)) == count


def test_settings_and_sets_that_do_not_fit():
    data = images([5, 5])
    with pytest.raises(ValueError, match="factor must be >= 1"):
        long_tailed(data, 0.5)
    with pytest.raises(UserError, match="set has no targets"):
        imbalanced_targets(data)
    plain = ImageSet(data.images, "plain", targets=torch.zeros(len(data)))
    for cut in (long_tailed, linear_imbalance):
        with pytest.raises(UserError, match="plain has no classes"):
            cut(plain)
    with pytest.raises(ValueError, match="factor must be >= 1"):
        imbalanced_targets(plain, float("nan"))
    with pytest.raises(ValueError, match="bins must be >= 2"):
        imbalanced_targets(plain, bins=1)
