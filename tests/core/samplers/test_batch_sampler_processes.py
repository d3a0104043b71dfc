"""Batch samplers in real processes, and under the training engine: resumed, and in several processes."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from core.distributed import GatheredLoss, rank, world_size
from core.losses import SupConLoss
from core.samplers import ClassBalancedBatchSampler, FeatureAwareBatchSampler, PKBatchSampler
from core.training import FitSettings, fit, seed_everything
from tests.core.training.toy import Toy, ToySettings, digits

LABELS = torch.arange(5).repeat_interleave(torch.tensor([31, 20, 14, 26, 9]))


def make(kind):
    """A sampler made as a user makes it, who says nothing about processes."""
    if kind == "pk":
        return PKBatchSampler(LABELS, classes_per_batch=3, samples_per_class=4, seed=5)
    if kind == "balanced":
        return ClassBalancedBatchSampler(LABELS, 12, seed=5)
    return FeatureAwareBatchSampler(LABELS, 12, drop_last=False, small_groups="smaller_batch", seed=5)


def joined(parts):
    """The batch of all processes."""
    return [position for part in parts for position in part]


def deal(kind):
    """This process's batches of two epochs, resumed in the middle of the second."""
    sampler = make(kind)
    first = list(sampler)
    sampler.set_epoch(1)
    running = iter(sampler)
    second = [next(running), next(running)]
    resumed = make(kind)
    resumed.load_state_dict(sampler.state_dict())
    return [first, second + list(resumed)], (len(sampler), rank(), world_size())


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("kind", ["pk", "balanced", "grouped"])
def test_processes_deal_the_batches_of_one(kind, world, gloo_pool):
    alone, _ = deal(kind)
    shares, facts = zip(*gloo_pool(world).run(deal, kind), strict=True)
    assert facts == tuple((len(shares[0][0]), number, world) for number in range(world))
    for number in range(2):
        parts = list(zip(*(share[number] for share in shares), strict=True))
        dealt = [len(batch) // world * world for batch in alone[number]]
        whole = [batch[:size] for batch, size in zip(alone[number], dealt, strict=True) if size >= 2 * world]
        assert [joined(part) for part in parts] == whole
        assert all(len({len(own) for own in part}) == 1 for part in parts)
        if kind == "grouped":  # all processes are in the same group at the same step
            assert all(len(LABELS[joined(part)].unique()) == 1 for part in parts)


def step(kind):
    """Gradient of an encoder after one gathered step on the sampler's own batch."""
    batch = next(iter(DataLoader(TensorDataset(torch.arange(100)), batch_sampler=make(kind))))[0]
    x = torch.randn(100, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    encoder = torch.nn.Linear(6, 4, bias=False, dtype=torch.float64)
    with torch.no_grad():
        encoder.weight.copy_(torch.arange(24.0).sin().reshape(4, 6))
    model = torch.nn.parallel.DistributedDataParallel(encoder) if world_size() > 1 else encoder
    GatheredLoss(SupConLoss())(model(x[batch]), LABELS[batch]).backward()
    return encoder.weight.grad


@pytest.mark.parametrize("world", [2, 3])
def test_a_gathered_step_of_all_processes_is_that_of_one(world, gloo_pool):
    expected = step("pk")
    for gradient in gloo_pool(world).run(step, "pk"):
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


class Seen(Toy):
    """A toy that remembers its batches."""

    def __init__(self, *args, **rest):
        super().__init__(*args, **rest)
        self.seen = []

    def training_step(self, batch, batch_idx):
        index, x = batch
        self.seen.append((self.current_epoch, index.tolist()))
        return super().training_step(x, batch_idx)


def train(folder, epochs, *, resume=False):
    x, y = digits()
    method = Seen(ToySettings(epochs=epochs), in_dim=64, generator=seed_everything(7))
    sampler = FeatureAwareBatchSampler(y, 64, seed=7)
    # the loader draws a seed for its workers whenever iteration begins: not from the generator that the toy draws from
    loader = DataLoader(TensorDataset(torch.arange(len(x)), x), batch_sampler=sampler, generator=torch.Generator())
    settings = FitSettings(seed=7, threads=1, checkpoint_seconds=0, log_every=1, progress=False)
    fit(method, loader, folder=folder, settings=settings, resume=resume)
    return method


def test_the_engine_names_the_epoch_and_resumes_exactly(tmp_path):
    whole = train(tmp_path / "whole", 4)
    _, y = digits()
    sampler = FeatureAwareBatchSampler(y, 64, seed=7)
    expected = []
    for number in range(4):
        sampler.set_epoch(number)
        expected += [(number, batch) for batch in sampler]
    assert whole.seen == expected
    train(tmp_path / "cut", 2)
    resumed = train(tmp_path / "cut", 4, resume=True)
    assert resumed.seen == [entry for entry in expected if entry[0] >= 2]
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
