"""Test parts and few labels: shares by class, classes of one image, seeds."""

import pytest
import torch

from core.errors import UserError
from domains.vision.data import splits
from domains.vision.data.images import ImageSet
from domains.vision.data.splits import few_labels


def images(labels=None, count=None, test=None):
    labels = None if labels is None else torch.tensor(labels)
    count = len(labels) if count is None else count
    names = () if labels is None else tuple(map(str, range(int(labels.max()) + 1)))
    pixels = torch.zeros(count, 3, 1, 1, dtype=torch.uint8)
    return ImageSet(pixels, "set", labels, class_names=names, test=test)


def test_the_official_part_is_taken_whatever_the_share():
    test = torch.tensor([False, True, False, True])
    assert splits.test_rows(images([0, 0, 1, 1], test=test), 0.9, 5).tolist() == [1, 3]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_classes_are_drawn_by_their_share(share):
    labels = [0] * 100 + [1] * 50 + [2] * 10
    data = images(labels)
    rows = splits.test_rows(data, share, 0)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert data.labels[rows].bincount().tolist() == [round(share * n) for n in (100, 50, 10)]
    assert torch.equal(rows, splits.test_rows(data, share, 0))
    assert not torch.equal(rows, splits.test_rows(data, share, 1))


def test_every_image_is_drawn_at_some_seed_and_alike():
    counts = torch.zeros(10)
    for seed in range(400):
        counts[splits.test_rows(images([0] * 5 + [1] * 5), 0.2, seed)] += 1
    assert counts.sum() == 800
    assert (counts - 80).abs().max() < 32  # four standard deviations


def test_single_and_unknown_images_stay_for_training():
    rows = splits.test_rows(images([0] * 10 + [1] + [2] * 10 + [-1, -1]), 0.5, 0)
    assert len(rows) == 10
    assert not set(rows.tolist()) & {10, 21, 22}
    few = images([0] * 4 + list(range(1, 9)))
    assert all(max(splits.test_rows(few, 0.5, seed)) < 4 for seed in range(20))


@pytest.mark.parametrize("data", [images(count=10), images(list(range(10))), images([-1] * 9 + [0])])
def test_without_classes_to_draw_by_all_are_drawn_from(data):
    drawn = {row for seed in range(60) for row in splits.test_rows(data, 0.2, seed).tolist()}
    assert drawn == set(range(10))
    assert len(splits.test_rows(data, 0.2, 0)) == 2


def test_at_least_one_for_either_side():
    assert len(splits.test_rows(images([0, 0]), 0.01, 0)) == 1
    assert len(splits.test_rows(images([0, 0, 0]), 0.99, 0)) == 2


def test_bad_shares_and_too_few_images():
    for share in (0, 1, -0.1, 2):
        with pytest.raises(ValueError, match="share must be in"):
            splits.test_rows(images([0, 0]), share, 0)
    with pytest.raises(UserError, match=r"set has 1 image\(s\)"):
        splits.test_rows(images([0]), 0.5, 0)


LABELS = torch.tensor([0] * 100 + [1] * 30 + [2] + [-1] * 20)


def test_few_labels_of_each_class():
    rows = few_labels(LABELS, per_class=5)
    assert LABELS[rows].bincount().tolist() == [5, 5, 1]
    assert LABELS[few_labels(LABELS, share=0.1)].bincount().tolist() == [10, 3, 1]
    assert LABELS[few_labels(LABELS, share=0.01)].bincount().tolist() == [1, 1, 1]
    assert few_labels(LABELS, share=1.0).tolist() == list(range(131))
    assert few_labels(torch.tensor([-1, -1]), per_class=1).tolist() == []


def test_a_smaller_subset_lies_inside_a_larger_one():
    small, large = (set(few_labels(LABELS, per_class=n, seed=3).tolist()) for n in (3, 10))
    assert small < large
    assert set(few_labels(LABELS, per_class=3, seed=4).tolist()) != small


def test_bad_settings_of_few_labels():
    for settings in ({}, {"per_class": 1, "share": 0.1}):
        with pytest.raises(ValueError, match="either per_class or share"):
            few_labels(LABELS, **settings)
    with pytest.raises(ValueError, match="per_class must be >= 1"):
        few_labels(LABELS, per_class=0)
    with pytest.raises(ValueError, match="share must be in"):
        few_labels(LABELS, share=1.5)
