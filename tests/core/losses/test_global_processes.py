"""SogCLR and iSogCLR over two and three processes: value, gradient and memories of one process on the joined batch."""

import pytest
import torch
import torch.distributed as dist

from core.distributed import GatheredLoss, rank, world_size
from core.losses import BimodalISogCLRLoss, BimodalSogCLRLoss, ISogCLRLoss, PartitionState, SogCLRLoss
from tests.core.processes import LOCAL, Outcome, assert_equal_to_one_process

SETTINGS = {"temperature": 0.3, "gamma": 0.6}
LOSSES = {
    "sogclr": lambda n: SogCLRLoss(n, **SETTINGS),
    "isogclr": lambda n: ISogCLRLoss(n, **SETTINGS),
    "isogclr unit": lambda n: ISogCLRLoss(n, **SETTINGS, positive_coefficient="unit"),
    "bimodal sogclr": lambda n: BimodalSogCLRLoss(n, **SETTINGS),
    "bimodal isogclr": lambda n: BimodalISogCLRLoss(n, **SETTINGS, rho=0.4),
}
SAMPLES = 3 * 3 * LOCAL


def second_step(encoder, batch, name):
    """A step that moves memories which a first step, on other rows, has filled; both indices differ."""
    loss = LOSSES[name](SAMPLES).double()
    index = (batch.index, (batch.index + 4) % SAMPLES) if "bimodal" in name else (batch.index,)
    gathered = GatheredLoss(loss)
    with torch.no_grad():
        gathered(encoder(batch.second.flip(1)), encoder(batch.first), *index)
    value = gathered(encoder(batch.first), encoder(batch.second), *index)
    return Outcome(value, states={**loss.state_dict(), "objective": loss.objective()})


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_processes_are_one_process(gloo_pool, world, name):
    assert_equal_to_one_process(gloo_pool(world), second_step, name)


def local_batches():
    """Losses of each process's own rows, without gathering; returns the memory."""
    loss = SogCLRLoss(12, **SETTINGS)
    draw = torch.Generator().manual_seed(rank())
    query, key = torch.randn(2, 3, 4, generator=draw)
    loss(query, key, torch.arange(3) + 3 * rank())
    return loss.partition.log_partition


def test_memories_stay_alike_without_gathered_losses(gloo_pool):
    states = gloo_pool(3).run(local_batches)
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])
    assert states[0].isfinite().tolist() == [True] * 9 + [False] * 3


def same_sample_twice():
    """The error of a batch in which every process brings sample 1."""
    state = PartitionState(12)
    try:
        state.update(torch.tensor([1, 2 + rank()]), torch.zeros(2))
    except ValueError as error:
        return str(error), dist.get_world_size(), state.visited.any()
    return "", world_size(), state.visited.any()


def test_a_sample_in_two_processes_is_refused_by_all(gloo_pool):
    for message, _, visited in gloo_pool(2).run(same_sample_twice):
        assert "the gathered index must hold every sample at most once, but 1 comes 2 times" in message
        assert not visited
