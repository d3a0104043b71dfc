"""SwAV over two and three processes: joined scores or joined sums, queues, prototypes; equal to one process."""

import pytest
import torch
from torch import nn

from core.distributed import GatheredLoss, gather_with_grad, joined_logsumexp, rank, world_size
from core.heads import Prototypes
from core.losses import SwAVLoss, sinkhorn_knopp
from core.samplers import FeatureQueue
from tests.core.processes import LOCAL, WIDTH, Outcome, assert_equal_to_one_process


@pytest.fixture(params=[2, 3])
def pool(request, gloo_pool):
    return gloo_pool(request.param)


def scores_of(world):
    """The scores of ``world`` shares of four samples, and this process's share."""
    joined = torch.randn(4 * world, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tanh()
    return joined, joined[4 * rank() : 4 * rank() + 4]


def sinkhorn_of_share(world):
    _, mine = scores_of(world)
    return sinkhorn_knopp(mine, across_processes=True), sinkhorn_knopp(mine)


def test_sinkhorn_with_joined_sums_is_that_of_all_rows(pool):
    expected = sinkhorn_knopp(scores_of(pool.world)[0])
    shares, alone = zip(*pool.run(sinkhorn_of_share, pool.world), strict=True)
    torch.testing.assert_close(torch.cat(shares), expected, rtol=1e-12, atol=1e-15)
    assert float((torch.cat(alone) - expected).abs().max()) > 1e-2, "shares must matter, or this test shows nothing"


def log_sums(world, lengths):
    """Value and gradient of the joined log-sum of shares of different length."""
    joined = torch.randn(sum(lengths), 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start = sum(lengths[: rank()])
    share = joined[start : start + lengths[rank()]] if world_size() > 1 else joined
    share = share.clone().requires_grad_()
    value = joined_logsumexp(share)
    value.square().sum().backward()
    return value.detach(), share.grad / world_size()


def test_log_sums_of_unequal_shares(pool):
    lengths = [2, 5, 3][: pool.world]
    value, grad = log_sums(1, lengths)
    found = pool.run(log_sums, pool.world, lengths)
    for theirs, _ in found:
        torch.testing.assert_close(theirs, value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([g for _, g in found]), grad)


def unequal_prototypes():
    with pytest.raises(ValueError, match="every process must bring the same shape") as caught:
        sinkhorn_knopp(torch.zeros(4, 3 + rank()), across_processes=True)
    return str(caught.value)


def test_different_numbers_of_prototypes_are_named_in_every_process(pool):
    assert all("on rank 1" in message for message in pool.run(unequal_prototypes))


def views_of(model, batch):
    return torch.stack([model(batch.first), model(batch.second), model(batch.first - 2 * batch.second)])


def make_prototypes(count):
    return Prototypes(WIDTH, count, generator=torch.Generator().manual_seed(5)).double()


def step(model, batch, form, count):
    prototypes = make_prototypes(count)
    scores = prototypes(views_of(model, batch))
    loss = GatheredLoss(SwAVLoss()) if form == "gathered" else SwAVLoss(across_processes=True)
    return Outcome(loss(scores), list(prototypes.parameters()))


@pytest.mark.parametrize("count", [4, [4, 3]], ids=["one head", "two heads"])
@pytest.mark.parametrize("form", ["gathered", "sums"])
def test_processes_equal_one_process(pool, form, count):
    assert_equal_to_one_process(pool, step, form, count)


def gathered_crops(model, batch):
    scores = make_prototypes(4)(views_of(model, batch))
    return Outcome(GatheredLoss(SwAVLoss(assign_crops=(2, 0)))(list(scores)))


def test_a_list_of_crops_is_gathered_crop_by_crop(pool):
    assert_equal_to_one_process(pool, gathered_crops)


def queue_step(model, batch, form, world):
    """Two losses: the second one balances with what the first step has put into the queue."""
    prototypes, gathered = make_prototypes(4), form == "gathered"
    share, draw = slice(None), torch.Generator().manual_seed(6)
    if not gathered and world_size() > 1:
        share = slice(rank() * LOCAL, (rank() + 1) * LOCAL)
    earlier = [torch.randn(2, LOCAL * world, WIDTH, generator=draw, dtype=torch.float64)[:, share] for _ in range(2)]
    queue = FeatureQueue(2 * earlier[0].shape[1], WIDTH).double()
    for features in earlier:
        queue.update(features)
    loss = GatheredLoss(SwAVLoss()) if gathered else SwAVLoss(across_processes=True)
    value = torch.zeros((), dtype=torch.float64)
    for scale in (1.0, 3.0):
        z = views_of(model, batch._replace(second=scale * batch.second))
        with torch.no_grad():
            queue_scores = prototypes(queue.features())
        value = value + loss(prototypes(z), queue_scores=queue_scores)
        queue.update(gather_with_grad(z[:2].detach(), dim=1) if gathered else z[:2])
    return Outcome(value, list(prototypes.parameters()), {"queue": queue.features()} if gathered else {})


@pytest.mark.parametrize("form", ["gathered", "sums"])
def test_queues_of_processes_equal_one_queue(pool, form):
    """Gathered: the same queue in every process. Sums: each process holds its share."""
    assert_equal_to_one_process(pool, queue_step, form, pool.world)


def joined_twice():
    with pytest.raises(ValueError, match="across_processes is for a process's own scores"):
        GatheredLoss(SwAVLoss(across_processes=True))(torch.zeros(2, 4, 3))
    return "refused"


def test_scores_are_not_joined_twice(pool):
    assert pool.run(joined_twice) == ["refused"] * pool.world


def frozen_run():
    """A model and its prototypes in DistributedDataParallel, frozen for two of four steps."""
    torch.manual_seed(0)
    encoder, prototypes = nn.Linear(4, WIDTH), Prototypes(WIDTH, 3, freeze_steps=2)
    model = nn.parallel.DistributedDataParallel(nn.Sequential(encoder, prototypes))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    draw, loss, seen = torch.Generator().manual_seed(rank()), SwAVLoss(across_processes=True), []
    for _ in range(4):
        value = loss(model(torch.randn(2, 8, 4, generator=draw)))
        optimizer.zero_grad()
        value.backward()
        prototypes.drop_frozen_gradients()
        optimizer.step()
        seen.append(nn.functional.normalize(prototypes.weights[0].detach()).clone())
    return seen


def test_frozen_prototypes_work_in_distributed_data_parallel(gloo_pool):
    first, second = gloo_pool(2).run(frozen_run)
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours, theirs)
    torch.testing.assert_close(first[1], first[0])
    assert float((first[2] - first[1]).abs().max()) > 1e-4
