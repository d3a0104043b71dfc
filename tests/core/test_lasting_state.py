"""Queues and per-sample states keep their precision when a model is cast."""

import pytest
import torch
from torch import nn

from core.losses import PartitionState, TemperatureState
from core.samplers import FeatureQueue, MemoryQueue

STATES = {
    "queue": lambda: MemoryQueue(4, 2),
    "feature queue": lambda: FeatureQueue(4, 2),
    "partition": lambda: PartitionState(3),
    "temperature": lambda: TemperatureState(3, temperature=0.1, tau_min=0.05, tau_max=1.0, beta=0.5, grad_clip=3.0),
}


@pytest.mark.parametrize("name", STATES)
def test_a_cast_of_the_model_passes_the_state_over(name):
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "state": STATES[name]()})
    before = {key: value.clone() for key, value in model["state"].state_dict().items()}
    model.bfloat16()
    assert model["encoder"].weight.dtype == torch.bfloat16
    for key, value in model["state"].state_dict().items():
        assert value.dtype == before[key].dtype
        assert torch.equal(value, before[key])


def test_a_moving_average_moves_in_a_model_of_half_precision():
    """In bfloat16 steps below 1/256 of the value were lost."""
    state = PartitionState(1).bfloat16()
    index = torch.tensor([0])
    state.update(index, torch.tensor([1.0]))
    for _ in range(100):
        state.update(index, state.read(index) + 1e-3)
    assert state.read(index) == pytest.approx(1.1, abs=1e-4)


def test_a_wider_type_is_taken():
    assert MemoryQueue(4, 2).double().rows.dtype == torch.float64


def test_another_device_is_followed():
    assert MemoryQueue(4, 2).to("meta").rows.device.type == "meta"
