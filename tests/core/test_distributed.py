"""Two and three real processes against one process on the joined batch, and the gathers that get it wrong."""

import math

import pytest
import torch
import torch.distributed as dist
from torch import nn

from core.distributed import GatheredLoss, gather_with_grad, rank, world_size
from core.losses import (
    BarlowTwinsLoss,
    CACRLoss,
    CLIPLoss,
    CropCACRLoss,
    DCLLoss,
    DCLWLoss,
    DHELLoss,
    FocalContrastiveLoss,
    GroCoLoss,
    InfoNCELoss,
    MomentumCACRLoss,
    MVDHELLoss,
    MVInfoNCELoss,
    NTXentLoss,
    PairwiseAggregation,
    PVCLoss,
    SimCSELoss,
    SupConLoss,
    clip,
    info_nce,
)
from core.samplers import MemoryQueue

LOCAL = 5
WIDTH = 6


@pytest.fixture(params=[2, 3])
def pool(request, gloo_pool):
    return gloo_pool(request.param)


def make_batch(world):
    """Inputs of the joined batch, labels of which two classes have a single row, and the start of a linear encoder."""
    draw = torch.Generator().manual_seed(3)
    first, second = torch.randn(2, world * LOCAL, 4, generator=draw, dtype=torch.float64)
    labels = torch.arange(world * LOCAL) % 4
    labels[0], labels[-1] = 17, 18
    weight = torch.randn(WIDTH, 4, generator=draw, dtype=torch.float64)
    return first, second, labels, weight


def make_encoder(weight):
    encoder = nn.Linear(4, WIDTH, bias=False, dtype=torch.float64)
    encoder.weight.data.copy_(weight)
    return encoder


class WithQueue(nn.Module):
    """A loss with a queue that is the same in every process."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, *batch, rows=None):
        queue = torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        return self.loss(*batch, queue=queue, rows=rows)


LOSSES = {
    "info_nce": lambda: InfoNCELoss(temperature=0.2),
    "nt_xent": lambda: NTXentLoss(temperature=0.2),
    "dcl": lambda: DCLLoss(temperature=0.2),
    "dclw": lambda: DCLWLoss(temperature=0.2),
    "dclw_through_weights": lambda: DCLWLoss(temperature=0.2, detach=False),
    "clip": lambda: CLIPLoss(temperature=0.2),
    "sup_con_out": lambda: SupConLoss(temperature=0.2),
    "sup_con_in": lambda: SupConLoss(temperature=0.2, variant="in"),
    "sup_con_zero": lambda: SupConLoss(temperature=0.2, empty="zero"),
    "sup_con_views": lambda: SupConLoss(temperature=0.2),
    "dhel": lambda: DHELLoss(temperature=0.2),
    "stacked_mv_info_nce": lambda: MVInfoNCELoss(temperature=0.2),
    "stacked_mv_info_nce_other_views": lambda: MVInfoNCELoss(temperature=0.2, same_view_negatives=False),
    "stacked_mv_dhel": lambda: MVDHELLoss(temperature=0.2),
    "stacked_pvc": lambda: PVCLoss(temperature=0.2),
    "stacked_pvc_arithmetic": lambda: PVCLoss(temperature=0.2, aggregation="arithmetic"),
    "stacked_pairs": lambda: PairwiseAggregation(NTXentLoss(temperature=0.2)),
    "stacked_mean_of_rest": lambda: PairwiseAggregation(DHELLoss(temperature=0.2), mode="mean_of_rest"),
    "stacked_cacr": lambda: CACRLoss(),
    "stacked_cacr_one_way": lambda: CACRLoss(detach_weights=True, symmetric=False, tau_plus=0.1),
    "stacked_cacr_rbf": lambda: CACRLoss(cost="rbf"),
    "crops_rbf": lambda: CropCACRLoss(temperature=0.2),
    "crops_euclidean": lambda: CropCACRLoss(temperature=0.2, cost="euclidean"),
    "queue_cacr": lambda: WithQueue(MomentumCACRLoss()),
    "stacked_groco": lambda: GroCoLoss(num_negatives=6),
    "stacked_groco_through_all": lambda: GroCoLoss(num_negatives=6, stop_gradient=False, negatives="all_views"),
}


def inputs_of(name, first, second, labels):
    if name == "sup_con_views":
        return torch.stack([first, second]), labels
    if name.startswith("stacked"):
        return (torch.stack([first, second, first - 2 * second]),)
    if name.startswith("crops"):
        return torch.stack([first, second, first - 2 * second]), first + second
    if name.startswith("queue"):
        return torch.stack([first, second]), torch.stack([second, first + second])
    return (first, labels) if name.startswith("sup_con") else (first, second)


def value_and_gradient(name, encoder, loss, first, second, labels):
    value = loss(*inputs_of(name, encoder(first), encoder(second), labels))
    value.backward()
    return value.detach()


def on_each_rank(name, world):
    """Value averaged over ranks and DDP's averaged gradient, of encoder and loss."""
    first, second, labels, weight = make_batch(world)
    mine = slice(rank() * LOCAL, (rank() + 1) * LOCAL)
    encoder = nn.parallel.DistributedDataParallel(make_encoder(weight))
    loss = GatheredLoss(LOSSES[name]())
    value = value_and_gradient(name, encoder, loss, first[mine], second[mine], labels[mine])
    dist.all_reduce(value)
    scales = [p.grad for p in loss.parameters()]
    for grad in scales:
        dist.all_reduce(grad)
    return value / world, encoder.module.weight.grad, [grad / world for grad in scales]


@pytest.mark.parametrize("name", LOSSES)
def test_processes_equal_one_process_on_the_joined_batch(pool, name):
    first, second, labels, weight = make_batch(pool.world)
    encoder, loss = make_encoder(weight), LOSSES[name]()
    value = value_and_gradient(name, encoder, loss, first, second, labels)
    for their_value, their_grad, their_scales in pool.run(on_each_rank, name, pool.world):
        torch.testing.assert_close(their_value, value, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(their_grad, encoder.weight.grad, rtol=1e-10, atol=1e-12)
        for theirs, ours in zip(their_scales, loss.parameters(), strict=True):
            torch.testing.assert_close(theirs, ours.grad, rtol=1e-5, atol=1e-7)


def gather_without_grad(local):
    parts = [torch.empty_like(local) for _ in range(world_size())]
    dist.all_gather(parts, local.detach())
    return torch.cat(parts)


def gather_with_local_block(local):
    joined = gather_without_grad(local)
    before, after = joined[: rank() * len(local)], joined[(rank() + 1) * len(local) :]
    return torch.cat([before, local, after])


def clip_gradient(gather, local_anchors, world):
    """Averaged encoder gradient of a CLIP loss, with the given gather and either local or all anchors."""
    first, second, _, weight = make_batch(world)
    mine = slice(rank() * LOCAL, (rank() + 1) * LOCAL)
    encoder = make_encoder(weight)
    query, key = encoder(first[mine]), encoder(second[mine])
    if not local_anchors:
        value = clip(gather(query), gather(key), temperature=0.2)
    else:
        forth = info_nce(put_back(gather(query), query), gather(key), temperature=0.2, rows=mine)
        back = info_nce(put_back(gather(key), key), gather(query), temperature=0.2, rows=mine)
        value = (forth + back) / 2
    value.backward()
    grad = encoder.weight.grad if encoder.weight.grad is not None else torch.zeros_like(encoder.weight)
    dist.all_reduce(grad)
    return grad / world


def put_back(joined, local):
    """The local anchors always keep their own gradient; only what happens to candidates is at issue."""
    before, after = joined[: rank() * LOCAL].detach(), joined[(rank() + 1) * LOCAL :].detach()
    return torch.cat([before, local, after])


MODES = {
    "all anchors, local block put back": (gather_with_local_block, False),
    "all anchors, summed backward": (gather_with_grad, False),
    "local anchors, no gradient": (gather_without_grad, True),
    "local anchors, local block put back": (gather_with_local_block, True),
    "local anchors, summed backward": (gather_with_grad, True),
}


def ratio_and_cosine(pool, mode):
    first, second, _, weight = make_batch(pool.world)
    encoder = make_encoder(weight)
    clip(encoder(first), encoder(second), temperature=0.2).backward()
    right = encoder.weight.grad.flatten()
    got = pool.run(clip_gradient, *MODES[mode], pool.world)[0].flatten()
    return float(got.norm() / right.norm()), float(torch.cosine_similarity(got, right, dim=0))


@pytest.mark.parametrize("mode", ["all anchors, summed backward", "local anchors, summed backward"])
def test_gathers_that_sum_are_exact(pool, mode):
    ratio, cosine = ratio_and_cosine(pool, mode)
    assert ratio == pytest.approx(1, abs=1e-9)
    assert cosine == pytest.approx(1, abs=1e-9)


def test_all_anchors_with_the_local_block_put_back_are_too_small_by_the_number_of_processes(pool):
    ratio, cosine = ratio_and_cosine(pool, "all anchors, local block put back")
    assert ratio == pytest.approx(1 / pool.world, abs=1e-9)
    assert cosine == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("mode", ["local anchors, no gradient", "local anchors, local block put back"])
def test_local_anchors_without_the_keys_of_others_point_elsewhere(pool, mode):
    _, cosine = ratio_and_cosine(pool, mode)
    assert cosine < 0.999


def gather_of_views():
    local = torch.full((2, 3, 1), float(rank()), requires_grad=True)
    joined = gather_with_grad(local, dim=1)
    (joined * torch.arange(joined.shape[1])[:, None]).sum().backward()
    return joined.detach(), local.grad


def test_gather_joins_along_the_chosen_axis_and_sums_gradients(pool):
    for r, (joined, grad) in enumerate(pool.run(gather_of_views)):
        assert joined.shape == (2, 3 * pool.world, 1)
        assert joined[0, :, 0].tolist() == [float(i // 3) for i in range(3 * pool.world)]
        assert grad[1, :, 0].tolist() == [pool.world * float(3 * r + i) for i in range(3)]


def gather_of_integers():
    return gather_with_grad(torch.tensor([rank(), 7]))


def test_gather_takes_labels(pool):
    expected = [v for r in range(pool.world) for v in (r, 7)]
    assert all(joined.tolist() == expected for joined in pool.run(gather_of_integers))


def gather_of_unequal_batches():
    try:
        gather_with_grad(torch.zeros(2 + rank(), 3))
    except ValueError as error:
        return str(error)
    return "no error"


def test_unequal_batches_are_named_on_every_rank(pool):
    for message in pool.run(gather_of_unequal_batches):
        assert "(2, 3) on rank 0, (3, 3) on rank 1" in message
        assert "drop the last" in message


def by_name(world):
    first, second, labels, _ = make_batch(world)
    mine = slice(rank() * LOCAL, (rank() + 1) * LOCAL)
    values = torch.stack(
        [
            GatheredLoss(InfoNCELoss())(query=first[mine], key=second[mine]),
            GatheredLoss(BarlowTwinsLoss())(query=first[mine], key=second[mine]),
            GatheredLoss(SimCSELoss())(first[mine], second[mine], None),
            GatheredLoss(FocalContrastiveLoss(reduction="official"))(first[mine], targets=labels[mine]),
        ]
    )
    dist.all_reduce(values)
    return values / world


def test_what_is_passed_by_name_is_gathered_like_what_is_passed_by_place(pool):
    """Barlow Twins by name gave each process the loss of its own rows, without a word; others failed."""
    first, second, labels, _ = make_batch(pool.world)
    expected = torch.stack(
        [
            InfoNCELoss()(first, second),
            BarlowTwinsLoss()(first, second),
            SimCSELoss()(first, second),
            FocalContrastiveLoss(reduction="official")(first, labels),
        ]
    )
    for values in pool.run(by_name, pool.world):
        torch.testing.assert_close(values, expected, rtol=1e-9, atol=0)


def duplicates_across_ranks(world):
    first, second, _, _ = make_batch(world)
    mine = slice(rank() * LOCAL, (rank() + 1) * LOCAL)
    ids = torch.arange(world * LOCAL)
    ids[-1] = 0  # the same instance on the first and the last rank
    value = GatheredLoss(NTXentLoss())(first[mine], second[mine], ids=ids[mine])
    dist.all_reduce(value)
    return value / world


def test_ids_are_gathered_too(pool):
    first, second, _, _ = make_batch(pool.world)
    ids = torch.arange(pool.world * LOCAL)
    ids[-1] = 0
    expected = NTXentLoss()(first, second, ids=ids)
    assert not math.isclose(expected, NTXentLoss()(first, second), rel_tol=1e-6)
    for value in pool.run(duplicates_across_ranks, pool.world):
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)


def queues_fed_with_gathered_keys(world):
    first, second, _, _ = make_batch(world)
    mine = slice(rank() * LOCAL, (rank() + 1) * LOCAL)
    queue = MemoryQueue(7, 4, generator=torch.Generator().manual_seed(0))
    value = GatheredLoss(InfoNCELoss())(first[mine], second[mine], negatives=queue.tensor().double())
    queue.update(gather_with_grad(second[mine]))
    dist.all_reduce(value)
    return value / world, queue.tensor()


def test_queue_form_equals_one_process_and_queues_stay_equal(pool):
    first, second, _, _ = make_batch(pool.world)
    queue = MemoryQueue(7, 4, generator=torch.Generator().manual_seed(0))
    expected = info_nce(first, second, negatives=queue.tensor().double())
    queue.update(second)
    for value, theirs in pool.run(queues_fed_with_gathered_keys, pool.world):
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
        assert torch.equal(theirs, queue.tensor())


def test_one_process_passes_through():
    x = torch.randn(3, 2, requires_grad=True)
    assert (world_size(), rank()) == (1, 0)
    assert gather_with_grad(x, dim=1) is x
    assert torch.equal(GatheredLoss(NTXentLoss())(x, x.flip(0)), NTXentLoss()(x, x.flip(0)))


def test_reductions_that_are_no_average_are_refused():
    with pytest.raises(ValueError, match="reduction='mean', got 'sum'"):
        GatheredLoss(NTXentLoss(reduction="sum"))
