"""The filter: the loop's result in blocks, its promises, its groups, its thresholds, its errors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.reporting import measure
from core.samplers import (
    EmbeddingDistance,
    EveryNFilter,
    HammingDistance,
    HashDistance,
    Measure,
    PreparedItems,
    RedundancyFilter,
    SharedInformation,
    StructuralSimilarity,
    embedding_distance,
    entropy,
    hamming,
    mutual_information,
    ssim,
)
from tests.core.samplers.exemplar_oracle import assert_exemplars, greedy


def walks(count, length, seed=0, bits=64, rate=0.03):
    """Codes of ``count / length`` scans, each of which changes little from slice to slice."""
    draw = np.random.default_rng(seed)
    start = draw.random((count // length, 1, bits)) < 0.5
    flips = draw.random((count // length, length, bits)) < rate
    flips[:, 0] = False
    return torch.from_numpy((start ^ (flips.cumsum(axis=1) % 2 == 1)).reshape(-1, bits))


def scans(count=24, length=6, size=12, seed=0):
    """Images in which neighbours share a pattern, uint8."""
    draw = torch.Generator().manual_seed(seed)
    pattern = torch.rand(count // length, size, size, generator=draw).repeat_interleave(length, 0)
    return (200 * pattern + 55 * torch.rand(count, size, size, generator=draw)).to(torch.uint8)


def fast_loop(rows_near, groups):
    """`greedy` with rows of a matrix, for collections where pairs in Python would take long."""
    exemplar = np.full(len(groups), -1)
    for i in range(len(groups)):
        if exemplar[i] < 0:
            exemplar[(exemplar < 0) & (groups == groups[i]) & rows_near(i)] = i
            exemplar[i] = i
    return exemplar.tolist()


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=40),
    st.integers(-1, 8),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3, 7, 256]),
    st.booleans(),
)
def test_blocks_choose_what_the_loop_chooses(values, threshold, groups, leaf, look_up):
    codes = torch.tensor([[value >> bit & 1 for bit in range(8)] for value in values], dtype=torch.bool)
    owners = [i * i % groups for i in range(len(values))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming.PackedCodes, "leaf", leaf)
        patch.setattr(hamming.PackedCodes, "width", 3)
        patch.setattr(hamming, "LOOKUP", 0 if look_up else 1 << 60)
        patch.setattr(hamming, "DEAR", 1e-9 if look_up else 12)
        patch.setattr(hamming, "CANDIDATES", 5)
        fitted = RedundancyFilter(HammingDistance(8), threshold).fit(codes, owners)

    def near(i, j):
        return int((codes[i] ^ codes[j]).sum()) <= threshold

    assert fitted.representative_.tolist() == greedy(near, owners)
    assert_exemplars(fitted, near, owners)


@pytest.mark.parametrize("threshold", [-1, 0, 3, 6, 9, 12, 20, 64])
@pytest.mark.parametrize("bits", [64, 40, 150])
def test_look_up_finds_what_the_loop_finds(threshold, bits, monkeypatch):
    """1500 codes in 50 walks, looked up by parts wherever two collections meet."""
    monkeypatch.setattr(hamming, "LOOKUP", 1)
    monkeypatch.setattr(hamming, "DEAR", 1)
    monkeypatch.setattr(hamming, "CANDIDATES", 1000)
    codes = walks(1500, 30, bits=bits)
    table = codes.numpy()
    for owners in (np.zeros(1500, dtype=int), np.arange(1500) // 30, np.arange(1500) % 2):
        if threshold > bits:
            continue
        fitted = RedundancyFilter(HammingDistance(bits), threshold).fit(codes, torch.from_numpy(owners))
        expected = fast_loop(lambda i: (table != table[i]).sum(axis=1) <= threshold, owners)
        assert fitted.representative_.tolist() == expected


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("threshold", [-1, 0.0, 1e-4, 0.01, 0.1, 0.5, 1.0, 2.0])
def test_embeddings_are_reduced_as_in_float64(metric, threshold):
    """Copies, scaled copies, zero rows and pairs at the threshold: products in float32 decide none of them."""
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(30, 8, generator=draw).repeat_interleave(20, 0) + 0.3 * torch.randn(600, 8, generator=draw)
    rows[5], rows[77] = 0, 0
    rows[40:50], rows[50:60] = rows[30:40] * 2, rows[30:40]
    if threshold > 0:  # at the threshold to the last digits, on either side of it
        rows[100] = torch.eye(8)[0]
        rows[101:111] = 0
        angle = np.arccos(1 - threshold) if metric == "cosine" else threshold
        for k, i in enumerate(range(101, 111)):
            own = angle * (1 + (k - 5) * 2e-8)
            place = (np.cos(own), np.sin(own)) if metric == "cosine" else (1.0, own)
            rows[i, :2] = torch.tensor(place)
    for owners in (np.zeros(600, dtype=int), np.arange(600) % 3):
        fitted = RedundancyFilter(EmbeddingDistance(metric), threshold).fit(rows, torch.from_numpy(owners))
        expected = fast_loop(
            lambda i: embedding_distance(rows, rows[i].expand_as(rows), metric=metric).numpy() <= threshold, owners
        )
        assert fitted.representative_.tolist() == expected


@pytest.mark.parametrize("scale", [1e-18, 1e-3, 1.0, 1e18])
def test_euclidean_distance_at_any_scale_and_far_from_the_origin(scale):
    draw = torch.Generator().manual_seed(0)
    rows = (torch.randn(200, 4, generator=draw) + 50) * scale
    exact = torch.cdist(rows.double(), rows.double(), compute_mode="donot_use_mm_for_euclid_dist").numpy()
    fitted = RedundancyFilter("euclidean", scale).fit(rows)
    owners = np.zeros(200, dtype=int)
    assert fitted.representative_.tolist() == fast_loop(lambda i: exact[i] <= scale, owners)
    assert 1 / 200 < fitted.ratio_ < 1


@pytest.mark.parametrize(
    ("name", "threshold", "near"),
    [
        ("nmi", 0.715, lambda a, b: mutual_information(a, b, normalized=True) >= 0.715),
        ("ssim", 0.8, lambda a, b: ssim(a, b) >= 0.8),
    ],
)
def test_images_are_compared_pair_by_pair(name, threshold, near):
    images = scans()
    for owners in ([0] * 24, [i // 6 for i in range(24)], [i % 2 for i in range(24)]):
        fitted = RedundancyFilter(name, threshold).fit(images, owners)
        expected = greedy(lambda i, j: bool(near(images[i], images[j])), owners)
        assert fitted.representative_.tolist() == expected
        assert 1 / 24 < fitted.ratio_ < 1


@pytest.mark.parametrize("name", ["dhash", "ahash", "phash", "whash", "cosine", "euclidean", "nmi", "ssim"])
def test_reducing_twice_changes_nothing(name):
    items = scans(60) if name in ("dhash", "ahash", "phash", "whash", "nmi", "ssim") else scans(60).flatten(1).float()
    once = RedundancyFilter(name, 0 if name == "euclidean" else RedundancyFilter(name, 1).threshold)
    once.calibrate_threshold(items, 0.5)
    assert 0.2 < once.ratio_ < 0.8
    again = RedundancyFilter(name, once.threshold).fit(items[once.keep_indices_])
    assert again.ratio_ == 1


def test_extreme_thresholds_of_hashes():
    codes = walks(120, 30)
    owners = torch.arange(120) // 30
    assert RedundancyFilter("hamming", -1).fit(codes, owners).ratio_ == 1
    assert RedundancyFilter("hamming", 64).fit(codes, owners).keep_indices_.tolist() == [0, 30, 60, 90]
    assert RedundancyFilter("hamming", 64, scope="dataset").fit(codes, owners).keep_indices_.tolist() == [0]
    equal = RedundancyFilter("hamming", 0).fit(codes, owners)
    assert len(equal.keep_indices_) == sum(len(part.unique(dim=0)) for part in codes.split(30))
    twice = RedundancyFilter("hamming", 0).fit(codes.repeat_interleave(2, 0))
    assert (twice.keep_indices_ % 2 == 0).all()  # of copies only the first is kept


def test_two_groups_are_reduced_apart():
    first, second = walks(60, 30, seed=1), walks(60, 60, seed=2)
    joined = RedundancyFilter("hamming", 6).fit(torch.cat([first, second]), torch.tensor([4] * 60 + [-2] * 60))
    alone = [RedundancyFilter("hamming", 6).fit(part) for part in (first, second)]
    assert torch.equal(joined.keep_indices_, torch.cat([alone[0].keep_indices_, alone[1].keep_indices_ + 60]))
    mixed = torch.stack([first, second], dim=1).flatten(0, 1)  # groups that take turns
    turns = RedundancyFilter("hamming", 6).fit(mixed, ["a", "b"] * 60)
    assert torch.equal(turns.representative_[0::2], 2 * alone[0].representative_)
    assert torch.equal(turns.representative_[1::2], 2 * alone[1].representative_ + 1)
    copied = torch.cat([first, first])
    assert RedundancyFilter("hamming", 6).fit(copied, torch.arange(120) // 60).ratio_ == alone[0].ratio_
    across = RedundancyFilter("hamming", 6, scope="dataset").fit(copied, torch.arange(120) // 60)
    assert across.ratio_ == alone[0].ratio_ / 2


def test_the_choice_depends_on_the_order():
    """A chain: 0 takes 1, 2 is too far; begun from 1, all are near it."""
    codes = torch.zeros(3, 64, dtype=torch.bool)
    codes[1, :6], codes[2, :12] = True, True
    assert RedundancyFilter("hamming", 6).fit(codes).representative_.tolist() == [0, 0, 2]
    assert RedundancyFilter("hamming", 6).fit(codes[[1, 0, 2]]).representative_.tolist() == [0, 0, 0]


def test_the_earliest_exemplar_takes_an_item_not_the_nearest():
    codes = torch.zeros(3, 64, dtype=torch.bool)
    codes[1, :10], codes[2, :6] = True, True  # 6 bits from the first, 4 from the second
    assert RedundancyFilter("hamming", 6).fit(codes).representative_.tolist() == [0, 1, 0]


def test_images_of_any_size_and_nearly_empty_ones():
    draw = torch.Generator().manual_seed(0)
    images = [torch.randint(256, (20 + i, 30), generator=draw).to(torch.uint8) for i in range(5)]
    images[1] = torch.zeros(9, 9, dtype=torch.uint8)
    images[3] = torch.zeros(40, 9, dtype=torch.uint8)
    images[3][0, 0] = 255
    assert (entropy(images) < 1).tolist() == [False, True, False, True, False]
    fitted = RedundancyFilter("dhash", 0, min_entropy=1.0).fit(images, [0, 0, 0, 1, 1])
    assert fitted.representative_.tolist() == [0, -1, 2, -1, 4]
    assert fitted.keep_indices_.tolist() == [0, 2, 4]
    assert fitted.ratio_ == 3 / 5
    everything = RedundancyFilter("dhash", 6, min_entropy=4.0).fit(torch.zeros(3, 8, 8, dtype=torch.uint8))
    assert everything.ratio_ == 0
    assert len(everything.keep_indices_) == 0


@pytest.mark.parametrize("name", ["dhash", "cosine", "euclidean", "nmi", "ssim"])
@pytest.mark.parametrize("target", [0.3, 0.6])
def test_a_threshold_is_found_for_a_share(name, target):
    """Measures can be compared at equal size; hashes come as near as whole numbers allow."""
    items = scans(96, 8, seed=2) if name in ("dhash", "nmi", "ssim") else 1e4 * scans(96, 8, seed=2).flatten(1).float()
    groups = torch.arange(96) // 24
    reducer = RedundancyFilter(name, 0)
    found = reducer.calibrate_threshold(items, target, groups)
    assert found == reducer.threshold
    assert reducer.ratio_ == RedundancyFilter(name, found).fit(items, groups).ratio_
    if name == "dhash":
        others = [abs(RedundancyFilter(name, t).fit(items, groups).ratio_ - target) for t in (found - 1, found + 1)]
        assert abs(reducer.ratio_ - target) <= min(others)
    else:
        assert abs(reducer.ratio_ - target) < 0.1
    assert reducer.calibrate_threshold(items, 1.0, groups) == reducer.threshold
    assert reducer.ratio_ == 1


def test_every_n_keeps_a_share_of_each_group():
    groups = torch.tensor([3] * 7 + [1] * 2 + [3] * 2)
    fitted = EveryNFilter(3).fit(range(11), groups)
    assert fitted.keep_indices_.tolist() == [0, 3, 6, 7]
    assert fitted.representative_.tolist() == [0, 0, 0, 3, 3, 3, 6, 7, 7, 6, 6]
    assert fitted.ratio_ == 4 / 11
    for count in range(1, 20):
        for n in range(1, 8):
            assert len(EveryNFilter(n).fit(range(count)).keep_indices_) == -(-count // n)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        EveryNFilter(0)


def test_any_measure_will_do():
    """Numbers that are near where they differ by at most t: the interface for measures of one's own."""

    class Numbers(PreparedItems):
        def __init__(self, values):
            self.values = np.asarray(values)

        def __len__(self):
            return len(self.values)

        def near(self, rows, columns, threshold):
            return np.abs(self.values[rows][:, None] - self.values[columns]) <= threshold

    class Gap(Measure):
        lowest, highest = -1.0, float("inf")

        def prepare(self, items):
            return Numbers(items)

    fitted = RedundancyFilter(Gap(), 2).fit([0, 5, 1, 7, 3, 8])
    assert fitted.representative_.tolist() == [0, 1, 0, 1, 1, 5]
    with pytest.raises(ValueError, match="Gap has no highest threshold to begin from"):
        fitted.calibrate_threshold([0, 5, 1], 0.5)


def test_what_is_refused(unchecked):
    codes = walks(30, 30)
    with pytest.raises(ValueError, match=r"unknown measure 'd_hash'; did you mean 'dhash'\?"):
        RedundancyFilter("d_hash")
    with pytest.raises(TypeError, match="measure must be a word or a Measure, got int"):
        RedundancyFilter(3)
    for measure_, threshold in (("dhash", 65), ("dhash", -2), ("cosine", 2.5), ("nmi", 1.5), ("ssim", -1.1)):
        with pytest.raises(ValueError, match=r"threshold must be in .* got"):
            RedundancyFilter(measure_, threshold)
    for threshold in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="threshold must be in"):
            RedundancyFilter("euclidean", threshold)
    with pytest.raises(ValueError, match=r"threshold counts bits and must be a whole number, got 5\.5"):
        RedundancyFilter("dhash", 5.5)
    with pytest.raises(ValueError, match="scope must be one of 'group', 'dataset', got 'volume'"):
        RedundancyFilter(scope="volume")
    with pytest.raises(ValueError, match="min_entropy is for images, which EmbeddingDistance does not compare"):
        RedundancyFilter("cosine", 0.1, min_entropy=1.0)
    with pytest.raises(ValueError, match=r"min_entropy must be in \[0, 4\.16\]"):
        RedundancyFilter(min_entropy=5.0)
    reducer = RedundancyFilter("hamming")
    with pytest.raises(ValueError, match="the number of items must be at least 1, got 0"):
        reducer.fit(codes[:0])
    with pytest.raises(ValueError, match=r"groups must have one entry for each of 30 items, got shape \(29,\)"):
        reducer.fit(codes, torch.zeros(29, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"items must have shape \(n, 64\), got \(30, 32\)"):
        reducer.fit(codes[:, :32])
    with pytest.raises(TypeError, match="items must be a bool tensor of codes"):
        reducer.fit(codes.long())
    with pytest.raises(TypeError, match="items must be a floating tensor"):
        RedundancyFilter("cosine", 0.1).fit(codes.long())
    with pytest.raises(ValueError, match="items must be finite"):
        RedundancyFilter("cosine", 0.1).fit(torch.full((3, 2), torch.nan))
    with pytest.raises(ValueError, match=r"images must be grey"):
        RedundancyFilter("ssim", 0.5).fit(torch.zeros(3, 8, 8, 3))
    with pytest.raises(ValueError, match=r"target_ratio must be in \(0, 1\], got 0"):
        reducer.calibrate_threshold(codes, 0)
    for make in (
        lambda: HammingDistance(0),
        lambda: HashDistance("md5"),
        lambda: HashDistance(hash_size=1),
        lambda: HashDistance("whash", hash_size=6),
        lambda: SharedInformation(bins=1),
        lambda: StructuralSimilarity(window=4),
        lambda: EmbeddingDistance("manhattan"),
    ):
        with pytest.raises(ValueError, match=r"must be|got"):
            make()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["codes", "embeddings"])
def test_memory_is_linear(kind):
    """A bool for each pair of 40,000 items would be 1600 MB."""
    count = 40_000
    if kind == "codes":
        items, reducer = walks(count, 100), RedundancyFilter("hamming", 6)
    else:
        draw = torch.Generator().manual_seed(0)
        items = torch.randn(count // 20, 16, generator=draw).repeat_interleave(20, 0)
        items = items + 0.3 * torch.randn(count, 16, generator=draw)
        reducer = RedundancyFilter("cosine", 0.1)
    with measure() as cost:
        reducer.fit(items)
    assert 0.01 < reducer.ratio_ < 0.9
    if cost.peak_mb is not None:
        assert cost.peak_mb < 150
