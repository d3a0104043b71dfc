"""Real slices: how many dHash keeps.

The numbers are those of an independent count with ImageHash and a plain loop, but for one: of the 100 lung slices that
count kept 81 at a threshold of 9, where ours keeps 82.
"""

import csv
import gzip

import numpy as np
import pytest
import torch
from PIL import Image

from core.samplers import EveryNFilter, RedundancyFilter, hamming_distance, image_hash

THRESHOLDS = (3, 6, 9, 12)


def pictures(folder, order=None):
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if order:
        rows.sort(key=order)
    images = [torch.from_numpy(np.array(Image.open(folder / "images" / row["file"]))) for row in rows]
    return rows, images


def kept(codes, groups=None):
    return [len(RedundancyFilter("hamming", t).fit(codes, groups).keep_indices_) for t in THRESHOLDS]


@pytest.fixture(scope="module")
def brain(data_folder):
    """Slices in the order of the scan, not of their names, and their series."""
    folder = data_folder / "medical" / "brain_mr_series"
    rows, images = pictures(folder, lambda row: (int(row["series"]), int(row["slice"])))
    return images, [row["series"] for row in rows]


@pytest.mark.data
@pytest.mark.slow
def test_brain_series(brain):
    images, series = brain
    assert len(images) == 689
    assert kept(image_hash(images), series) == [622, 481, 362, 288]


@pytest.mark.data
@pytest.mark.slow
def test_covid_ct(data_folder):
    _, images = pictures(data_folder / "medical" / "covid_ct")
    assert len(images) == 746
    assert kept(image_hash(images)) == [677, 471, 273, 150]


@pytest.mark.data
def test_single_slices_of_many_patients_are_hardly_touched(data_folder):
    with np.load(data_folder / "medical" / "ct_slices" / "tcga_lung_ct_100.npz") as file:
        slices = torch.from_numpy(file["images"])
    assert slices.dtype == torch.int16
    assert kept(image_hash(slices)) == [93, 91, 82, 63]


@pytest.mark.data
def test_one_volume_is_reduced_nine_times(data_folder):
    """139 slices, 15 kept. The file is plain NIfTI: a header of 352 bytes, then int16, the slice last and slowest."""
    with gzip.open(data_folder / "medical" / "ct_slices" / "ct_volume_139.nii.gz") as file:
        volume = np.frombuffer(file.read(), dtype="<i2", offset=352)
    slices = torch.from_numpy(volume.reshape(139, 256, 256).copy())
    codes = image_hash(slices)
    assert kept(codes) == [32, 15, 9, 6]
    assert float(hamming_distance(codes[1:], codes[:-1]).float().median()) == 1


@pytest.mark.data
@pytest.mark.slow
def test_measures_at_equal_size_keep_different_slices(brain):
    """Sizes are matched on one scan; overlap is above that of chance, and far from complete."""
    images, series = brain
    scan = torch.stack([image for image, own in zip(images, series, strict=True) if own == "0"])
    share = RedundancyFilter("dhash", 6).fit(scan).ratio_
    sets = {}
    for name in ("dhash", "phash", "nmi", "ssim"):
        reducer = RedundancyFilter(name, 0)
        reducer.calibrate_threshold(scan, share)
        assert abs(reducer.ratio_ - share) <= 0.1
        sets[name] = set(reducer.keep_indices_.tolist())
    sets["every"] = set(EveryNFilter(round(1 / share)).fit(scan).keep_indices_.tolist())
    assert all(0 in found for found in sets.values())
    assert len({frozenset(found) for found in sets.values()}) > 2
