"""What the reductions that are timed are made of."""

from benchmarks.losses.reduction_cost import embedding_scans, random_codes, random_rows, scan_codes
from core.samplers import RedundancyFilter, hamming_distance


def test_scans_change_by_a_bit_a_slice_and_differ_from_each_other():
    codes = scan_codes(1050)
    steps = hamming_distance(codes[1:], codes[:-1]).float()
    borders = steps[99::100]
    assert 0.8 < float(steps.sum() - borders.sum()) / (len(steps) - len(borders)) < 1.2
    assert float(borders.min()) > 10
    assert 0.05 < RedundancyFilter("hamming", 6).fit(codes).ratio_ < 0.3


def test_random_items_are_all_kept():
    assert RedundancyFilter("hamming", 6).fit(random_codes(2000)).ratio_ == 1
    assert RedundancyFilter("cosine", 0.1).fit(random_rows(2000)).ratio_ == 1
    assert RedundancyFilter("cosine", 0.1).fit(embedding_scans(2000)).ratio_ < 0.3
