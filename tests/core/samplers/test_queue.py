"""The memory queue: first in, first out, for batches of any size."""

from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.samplers import MemoryQueue


def make(size=5, dim=3, seed=0):
    return MemoryQueue(size, dim, generator=torch.Generator().manual_seed(seed))


def test_it_starts_with_random_unit_vectors_from_the_generator():
    queue = make(64, 8)
    torch.testing.assert_close(queue.tensor().norm(dim=1), torch.ones(64))
    assert queue.filled == 0
    assert torch.equal(queue.tensor(), make(64, 8).tensor())
    assert not torch.equal(queue.tensor(), make(64, 8, seed=1).tensor())
    assert not queue.tensor().requires_grad


@given(size=st.integers(1, 7), batches=st.lists(st.integers(0, 17), max_size=6))
@settings(max_examples=40, deadline=None)
def test_it_holds_the_last_keys_whatever_the_batches(size, batches):
    queue = make(size, 1)
    kept, count = deque(queue.tensor()[:, 0].tolist(), maxlen=size), 10.0
    for batch in batches:
        keys = torch.arange(count, count + batch)
        queue.update(keys[:, None])
        kept.extend(keys.tolist())
        count += batch
    assert sorted(queue.tensor()[:, 0].tolist()) == sorted(kept)
    assert queue.filled == min(size, sum(batches))


def test_oldest_rows_go_first_when_the_batch_does_not_divide_the_size():
    queue = make(5, 1)
    for start in (0, 3, 6):
        queue.update(torch.arange(start, start + 3.0)[:, None])
    assert queue.tensor()[:, 0].tolist() == [5, 6, 7, 8, 4]


def test_keys_enter_without_gradient_and_a_reader_keeps_what_it_read():
    queue = make()
    read = queue.tensor()
    before = read.clone()
    keys = torch.ones(2, 3, requires_grad=True)
    queue.update(keys * 2)
    assert not queue.tensor().requires_grad
    assert torch.equal(read, before)
    assert (queue.tensor() == 2).all(dim=1).sum() == 2


def test_state_round_trip_goes_on_where_it_was():
    queue, other = make(), make(seed=9)
    queue.update(torch.ones(4, 3))
    other.load_state_dict(queue.state_dict())
    for q in (queue, other):
        q.update(torch.full((3, 3), 7.0))
    assert torch.equal(queue.tensor(), other.tensor())
    assert other.filled == 5


def test_half_precision_keys_are_stored_in_float32():
    queue = make()
    queue.update(torch.full((1, 3), 0.5, dtype=torch.bfloat16))
    assert queue.tensor().dtype == torch.float32
    assert queue.tensor()[0].tolist() == [0.5] * 3


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        MemoryQueue(0, 3)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        MemoryQueue(3, 0)
    with pytest.raises(ValueError, match=r"keys must have width 3, got shape \(2, 4\)"):
        make().update(torch.ones(2, 4))
    with pytest.raises(TypeError, match="keys must be a floating tensor"):
        make().update(torch.ones(2, 3, dtype=torch.int64))


def test_rows_that_are_not_finite_stay_out():
    """One batch of an encoder that diverged made every loss NaN until it had rotated out."""
    queue = MemoryQueue(4, 2)
    keys = torch.ones(3, 2)
    keys[1, 0] = torch.nan
    queue.update(keys)
    assert queue.filled == 2
    assert queue.tensor().isfinite().all()
