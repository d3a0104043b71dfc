"""The moving average of partition functions in logarithms, and its memory."""

import math

import pytest
import torch

from core.losses import PartitionState
from core.losses.partition_state import moving_average


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9, 1.0])
def test_in_logarithms_as_in_numbers(gamma):
    old, new = torch.rand(2, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 100 + 1e-3
    found = moving_average(old.log(), new.log(), gamma)
    torch.testing.assert_close(found.exp(), (1 - gamma) * old + gamma * new, rtol=1e-12, atol=0)


def test_finite_where_numbers_overflow_and_underflow():
    """h = 2 and h = -2 at temperature 0.005: exp(400) and exp(-400) do not exist in float32."""
    high, low = torch.tensor([400.0]), torch.tensor([-400.0])
    torch.testing.assert_close(moving_average(high, low, 0.5), high - math.log(2))
    torch.testing.assert_close(moving_average(low, high, 0.1), high + math.log(0.1))
    state = high
    for _ in range(100):  # the released running maximum leaves log 0 here
        state = moving_average(state, low, 0.9)
    assert state.isfinite().all()


def test_a_constant_stays_and_a_first_value_is_taken_as_it_is():
    never, value = torch.tensor([-math.inf]), torch.tensor([1.5])
    for gamma in (0.01, 0.5, 1.0):
        assert torch.equal(moving_average(never, value, gamma), value)
        state = value
        for _ in range(200):
            state = moving_average(state, value, gamma)
        torch.testing.assert_close(state, value, rtol=0, atol=2e-5)


def test_update_replaces_some_samples_and_no_others():
    state = PartitionState(5)
    assert not state.visited.any()
    state.update(torch.tensor([3, 1]), torch.tensor([0.25, -7.0]))
    assert state.log_partition.tolist() == [-math.inf, -7.0, -math.inf, 0.25, -math.inf]
    assert state.visited.tolist() == [False, True, False, True, False]
    assert state.read(torch.tensor([1, 0])).tolist() == [-7.0, -math.inf]
    state.update(torch.tensor([4, 3]), torch.tensor([math.nan, math.inf]))
    assert state.log_partition.tolist() == [-math.inf, -7.0, -math.inf, 0.25, -math.inf]


def test_values_with_a_graph_are_stored_without_it():
    state = PartitionState(3)
    state.update(torch.tensor([0]), torch.tensor([2.0], requires_grad=True))
    assert not state.log_partition.requires_grad


def test_state_dict_round_trip_is_exact():
    first, second = PartitionState(4), PartitionState(4)
    first.update(torch.tensor([2]), torch.tensor([1 / 3]))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.log_partition, second.log_partition)
    assert repr(first) == "PartitionState(num_samples=4)"


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    state = PartitionState(4)
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        PartitionState(0)
    with pytest.raises(TypeError, match="index must be an int64 tensor"):
        state.update(torch.tensor([1.0]), torch.tensor([0.0]))
    with pytest.raises(ValueError, match=r"index must have shape \(2,\)"):
        state.update(torch.tensor([1]), torch.zeros(2))
    with pytest.raises(ValueError, match="index must hold positions from 0 to 3"):
        state.update(torch.tensor([-1]), torch.zeros(1))
    with pytest.raises(ValueError, match="but 2 comes 2 times"):
        state.update(torch.tensor([2, 2]), torch.zeros(2))
    with pytest.raises(ValueError, match="gamma"):
        moving_average(torch.zeros(1), torch.zeros(1), 0.0)
    assert not state.visited.any()
