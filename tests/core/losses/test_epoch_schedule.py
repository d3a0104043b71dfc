"""Settings that change from epoch to epoch."""

import math
import pickle

import pytest

from core.losses import CosineSchedule
from core.losses.epoch_schedule import at_epoch


def test_half_a_cosine_and_then_its_end():
    """gamma(e) = gamma_min + (1 - gamma_min) (1 + cos(pi e / E)) / 2, then gamma_min."""
    gamma = CosineSchedule(start=1.0, end=0.2, epochs=10)
    for epoch in range(10):
        assert gamma(epoch) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi * epoch / 10)) / 2)
    assert [gamma(epoch) for epoch in (10, 11, 500)] == [0.2, 0.2, 0.2]
    assert gamma(0) == 1.0
    assert gamma(5) == pytest.approx(0.6)
    assert pickle.loads(pickle.dumps(gamma)) == gamma


def test_numbers_stay_and_functions_are_asked():
    assert at_epoch(0.3, 7) == 0.3
    assert at_epoch(lambda epoch: epoch / 10, 7) == 0.7


def test_a_way_without_length_is_refused():
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        CosineSchedule(start=1.0, end=0.2, epochs=0)
