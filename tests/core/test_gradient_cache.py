"""Cached gradients equal those of the whole batch: dropout, two encoders, learnable losses, autocast, DDP."""

import copy

import pytest
import torch
from torch import nn

from core.distributed import GatheredLoss, rank
from core.gradient_cache import GradientCache
from core.losses import CLIPLoss, NTXentLoss, SupConLoss


def encoder(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 6)).double()


def batch(n=10, seed=1):
    return torch.randn(2, n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(*modules):
    return [p.grad for module in modules for p in module.parameters()]


def assert_same(mine, theirs):
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("chunk", [1, 3, 5, 64])
def test_one_encoder_for_both_views(chunk):
    plain = encoder()
    cached = copy.deepcopy(plain)
    first, second = batch()
    expected = NTXentLoss()(plain(first), plain(second))
    expected.backward()
    value = GradientCache(cached, NTXentLoss(), chunk=chunk).step(first, second)
    assert not value.requires_grad
    torch.testing.assert_close(value, expected.detach())
    assert_same(gradients(cached), gradients(plain))


def test_an_encoder_for_each_input_and_a_loss_that_learns():
    plain, plain_loss = [encoder(0), encoder(1)], CLIPLoss()
    cached, cached_loss = copy.deepcopy(plain), CLIPLoss()
    first, second = batch()
    plain_loss(plain[0](first), plain[1](second)).backward()
    GradientCache(cached, cached_loss, chunk=4).step(first, second)
    assert_same(gradients(*cached, cached_loss), gradients(*plain, plain_loss))


def test_dropout_repeats_its_draws_and_moves_the_random_state_once():
    """Chunk by chunk with the graph kept is the reference: it draws what the first pass draws."""
    plain = encoder(dropout=0.5)
    cached = copy.deepcopy(plain)
    first, second = batch()
    torch.manual_seed(7)
    joined = [torch.cat([plain(part) for part in x.split(3)]) for x in (first, second)]
    NTXentLoss()(*joined).backward()
    after = torch.get_rng_state()
    torch.manual_seed(7)
    GradientCache(cached, NTXentLoss(), chunk=3).step(first, second)
    assert_same(gradients(cached), gradients(plain))
    assert torch.equal(torch.get_rng_state(), after)


class Noisy(nn.Module):
    """An encoder that draws from a generator of its own."""

    def __init__(self, generator):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3, dtype=torch.float64))
        self.generator = generator

    def forward(self, x):
        noise = torch.randn(x.shape, generator=self.generator, dtype=x.dtype)
        return (x + noise) @ self.weight.cumsum(0)


def test_generators_of_the_encoder_are_rewound_too():
    first, second = batch()
    plain, cached = Noisy(torch.Generator().manual_seed(2)), Noisy(torch.Generator().manual_seed(2))
    joined = [torch.cat([plain(part) for part in x.split(4)]) for x in (first, second)]
    NTXentLoss()(*joined).backward()
    GradientCache(cached, NTXentLoss(), chunk=4, generators=[cached.generator]).step(first, second)
    assert_same(gradients(cached), gradients(plain))
    assert torch.equal(plain.generator.get_state(), cached.generator.get_state())


def test_gradients_add_up_over_steps():
    model = encoder()
    cache = GradientCache(model, NTXentLoss(), chunk=4)
    cache.step(*batch())
    once = [grad.clone() for grad in gradients(model)]
    cache.step(*batch())
    assert_same(gradients(model), [2 * grad for grad in once])


def test_autocast_keeps_the_gradient_of_every_weight():
    plain = encoder().float()
    cached = copy.deepcopy(plain)
    first, second = batch().float()
    with torch.autocast("cpu", torch.bfloat16):
        NTXentLoss()(plain(first), plain(second)).backward()
        GradientCache(cached, NTXentLoss(), chunk=4).step(first, second)
    for mine, theirs in zip(gradients(cached), gradients(plain), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0.1, atol=0.02 * float(theirs.abs().max()))


def test_any_callable_is_a_loss():
    model, labels = encoder(), torch.arange(10) % 3
    value = GradientCache(model, lambda z: SupConLoss()(z, labels), chunk=4).step(batch()[0])
    torch.testing.assert_close(value, SupConLoss()(model(batch()[0]), labels).detach())


def test_what_cannot_be_exact_is_refused():
    first, second = batch()
    norm = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).double()
    cache = GradientCache(norm, NTXentLoss(), chunk=4)
    with pytest.raises(ValueError, match="BatchNorm '1' would see chunks instead of the batch"):
        cache.step(first, second)
    norm.eval()
    assert cache.step(first, second).isfinite()
    with pytest.raises(ValueError, match="there are 2 encoders"):
        GradientCache([encoder(), encoder()], NTXentLoss(), chunk=4).step(first, second, first)
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        GradientCache(encoder(), NTXentLoss(), chunk=0)


def on_each_rank():
    first, second = batch()
    mine = slice(rank() * 5, rank() * 5 + 5)
    model = nn.parallel.DistributedDataParallel(encoder())
    GradientCache(model, GatheredLoss(NTXentLoss()), chunk=2).step(first[mine], second[mine])
    return gradients(model.module)


def test_two_processes_with_chunks_equal_one_process_with_the_whole_batch(gloo_pool):
    plain = encoder()
    first, second = batch()
    NTXentLoss()(plain(first), plain(second)).backward()
    for grads in gloo_pool(2).run(on_each_rank):
        assert_same(grads, gradients(plain))
