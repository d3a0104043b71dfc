"""SwAV's queue: silent until it is full, first in, first out, one for each crop that gives codes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.samplers import FeatureQueue


def batch(start, length, queues=2):
    """Features of width 1 that count up; the second queue's are negative."""
    values = torch.arange(start, start + length, dtype=torch.float32)[None, :, None]
    return torch.cat([values, -values][:queues])


def test_it_gives_nothing_until_every_row_is_a_feature():
    queue = FeatureQueue(5, 1)
    for start, full in ((1, False), (4, True), (7, True)):
        assert queue.features().shape == (2, 5 if queue.is_full else 0, 1)
        queue.update(batch(start, 3))
        assert queue.is_full == full
    assert queue.features().all(), "no zero row of the start"


def test_batches_stand_newest_first_and_the_oldest_rows_leave():
    queue = FeatureQueue(5, 1)
    for start in (1, 4, 7):
        queue.update(batch(start, 3))
    assert queue.features()[0, :, 0].tolist() == [7, 8, 9, 4, 5]
    assert torch.equal(queue.features()[1], -queue.features()[0])


@given(length=st.integers(1, 7), sizes=st.lists(st.integers(0, 12), max_size=6))
@settings(max_examples=40, deadline=None)
def test_it_holds_the_newest_whatever_the_batches(length, sizes):
    queue, expected, start = FeatureQueue(length, 1, num_queues=1), [], 1
    for size in sizes:
        queue.update(batch(start, size, queues=1))
        expected = [*range(start, start + size), *expected][:length]
        start += size
    assert queue.is_full == (sum(sizes) >= length)
    assert queue.features()[0, :, 0].tolist() == (expected if queue.is_full else [])


def test_features_enter_without_gradient_and_a_reader_keeps_what_it_read():
    queue = FeatureQueue(3, 1)
    features = batch(1, 3).bfloat16().requires_grad_()
    queue.update(features * 2)
    read = queue.features()
    queue.update(batch(9, 3))
    assert read.dtype == torch.float32
    assert not read.requires_grad
    assert read[0, :, 0].tolist() == [2, 4, 6]


def test_state_round_trip_goes_on_where_it_was():
    queue, other = FeatureQueue(5, 1), FeatureQueue(5, 1)
    queue.update(batch(1, 4))
    other.load_state_dict(queue.state_dict())
    assert not other.is_full
    for q in (queue, other):
        q.update(batch(5, 2))
    assert torch.equal(queue.features(), other.features())
    assert other.features().shape == (2, 5, 1)


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    for options in ({"length": 0}, {"dim": 0}, {"num_queues": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be at least 1, got 0"):
            FeatureQueue(**{"length": 3, "dim": 2} | options)
    queue = FeatureQueue(3, 2)
    for shape in ((3, 5, 2), (2, 5, 3)):
        with pytest.raises(ValueError, match=r"features must be \(2, n, 2\), one batch for each queue"):
            queue.update(torch.ones(shape))
    with pytest.raises(ValueError, match="features must have 3 axes"):
        queue.update(torch.ones(5, 2))
    with pytest.raises(TypeError, match="features must be a floating tensor"):
        queue.update(torch.ones(2, 5, 2, dtype=torch.int64))
