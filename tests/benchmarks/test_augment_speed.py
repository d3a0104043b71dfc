import pytest
import torch

from benchmarks.vision import augment_speed


@pytest.mark.slow
def test_records_of_both_and_their_ratio(monkeypatch):
    monkeypatch.setattr(augment_speed, "_SHAPES", ((8, 16),))
    monkeypatch.setattr(augment_speed, "_ROUNDS", {"quick": 1})
    before = torch.get_num_threads()
    records = augment_speed.augment_speed_records("quick")
    assert torch.get_num_threads() == before
    assert [r.settings["threads"] for r in records] == [1] * 3 + [2] * 3
    for kornia, ours, ratio in (records[:3], records[3:]):
        assert (kornia.role, ours.role, ratio.metric) == ("baseline", "method", "ratio")
        assert len(ratio.values) == 3
        expected = [a / b for a, b in zip(ours.values, kornia.values, strict=True)]
        assert ratio.values == pytest.approx(expected)


@pytest.mark.slow
def test_faster_than_kornia():
    times = [augment_speed.measure_views(64, 32, 3) for _ in range(3)]
    # The target is 2.5; half of it here, because tests share their processor.
    assert min(t["views"] / t["kornia"] for t in times) < 1 / 1.25
