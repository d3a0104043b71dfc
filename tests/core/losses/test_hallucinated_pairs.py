"""Hallucinated pairs in NT-Xent, InfoNCE with a queue, and the negative cosine."""

import math

import pytest
import torch
from torch import nn

from core.distributed import GatheredLoss, gather_with_grad
from core.losses import HallucinatedPairLoss, InfoNCELoss, NegativeCosineLoss, NTXentLoss
from core.samplers import Hallucinator, MemoryQueue
from tests.core.processes import WIDTH, Outcome, assert_equal_to_one_process


class Copy(nn.Module):
    """A hallucinator that returns the first half of its input."""

    def forward(self, move, keep):
        return move


class Moved(nn.Module):
    """A hallucinator that returns the second half: the extrapolation itself."""

    def forward(self, move, keep):
        return Hallucinator.extrapolate(move, keep, 0.4)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hallucinator(seed=0, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Hallucinator(5, generator=torch.Generator().manual_seed(seed), **settings).double()


QUEUE = draw(9, 5, seed=7)
FRAMEWORKS = {
    "simclr": (NTXentLoss(temperature=0.2), {}),
    "moco": (InfoNCELoss(temperature=0.2), {"negatives": QUEUE}),
    "simsiam": (NegativeCosineLoss(), {}),
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_copy_gives_the_base_loss(name):
    base, options = FRAMEWORKS[name]
    x, k = draw(6, 5), draw(6, 5, seed=1)
    loss = HallucinatedPairLoss(base, Copy())
    torch.testing.assert_close(loss(x, k, **options), base(x, k, **options))
    assert float(loss.last_base) == pytest.approx(float(loss.last_hallucinated))


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_value_is_the_mean_of_the_two_halves(name):
    base, options = FRAMEWORKS[name]
    x, k = draw(6, 5), draw(6, 5, seed=1)
    loss = HallucinatedPairLoss(base, Moved())
    value = loss(x, k, **options)
    halves = base(x, k, **options), base(Moved()(x, k), k, **options)
    torch.testing.assert_close(value, (halves[0] + halves[1]) / 2)
    torch.testing.assert_close(loss.last_base, halves[0])
    torch.testing.assert_close(loss.last_hallucinated, halves[1])
    assert not loss.last_base.requires_grad


@pytest.mark.parametrize("name", ["moco", "simsiam"])
def test_stacking_changes_nothing_where_rows_do_not_meet(name):
    base, options = FRAMEWORKS[name]
    x, k = draw(6, 5), draw(6, 5, seed=1)
    apart, stacked = (HallucinatedPairLoss(base, Moved(), mask_duplicates=m) for m in (True, False))
    torch.testing.assert_close(stacked(x, k, **options), apart(x, k, **options))
    if name == "moco":
        torch.testing.assert_close(stacked.last_hallucinated, apart.last_hallucinated)
    else:
        assert stacked.last_base is None


def test_stacked_nt_xent_is_the_released_one_and_bounded_by_its_copies():
    x, k, t = draw(6, 5), draw(6, 5, seed=1), 0.2
    loss = HallucinatedPairLoss(NTXentLoss(temperature=t), Moved(), mask_duplicates=False)
    stack = torch.cat([x, Moved()(x, k)]), torch.cat([k, k])
    torch.testing.assert_close(loss(x, k), NTXentLoss(temperature=t)(*stack))
    torch.testing.assert_close((loss.last_base + loss.last_hallucinated) / 2, loss(x, k))
    # with h = x the copy of each key stands in its denominator with similarity 1
    terms = NTXentLoss(temperature=t, reduction="none")(torch.cat([x, x]), torch.cat([k, k]))[12:]
    bound = torch.log1p(torch.exp((1 - torch.cosine_similarity(x, k)) / t))
    assert (terms >= bound.repeat(2) - 1e-12).all()
    copied = HallucinatedPairLoss(NTXentLoss(temperature=t), Copy(), mask_duplicates=False)
    assert float(copied(x, k)) > float(NTXentLoss(temperature=t)(x, k)) + math.log(2) / 2


def test_official_sets_both():
    loss = HallucinatedPairLoss(NTXentLoss(), hallucinator(), official=True)
    assert (loss.detach_partner, loss.mask_duplicates) == (False, False)
    x, k = draw(6, 5), draw(6, 5, seed=1)
    plain = HallucinatedPairLoss(NTXentLoss(), hallucinator(), detach_partner=False, mask_duplicates=False)
    assert torch.equal(loss(x, k), plain(x, k))


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("official", [False, True])
def test_the_network_learns_in_every_framework(name, official):
    base, options = FRAMEWORKS[name]
    x, k = draw(6, 5).requires_grad_(), draw(6, 5, seed=1)
    k.requires_grad_(name == "simclr")  # the key encoder of MoCo and the targets of SimSiam have none
    loss = HallucinatedPairLoss(base, hallucinator(), official=official)
    loss(x, k, **options).backward()
    assert all(p.grad.any() for p in loss.hallucinator.parameters())
    assert x.grad.any()
    assert (k.grad is not None) == (name == "simclr")
    assert set(dict(loss.named_parameters())) == {f"hallucinator.{n}" for n, _ in hallucinator().named_parameters()}


def test_a_detached_partner_gets_no_gradient_through_the_hallucination():
    base = NTXentLoss(temperature=0.2)
    for detached in (True, False):
        x, k, p = (draw(6, 5, seed=s).requires_grad_() for s in range(3))
        HallucinatedPairLoss(base, Moved(), detach_partner=detached)(x, k, partner=p).backward()
        assert (p.grad is None) == detached
        assert k.grad.any()  # as the pair's own key
    # where the partner is the key, its gradient is that of the key alone
    x, k = draw(6, 5), draw(6, 5, seed=1).requires_grad_()
    HallucinatedPairLoss(base, Moved())(x, k).backward()
    again = k.detach().clone().requires_grad_()
    ((base(x, again) + base(Moved()(x, k.detach()), again)) / 2).backward()
    torch.testing.assert_close(k.grad, again.grad)


def test_simsiam_moves_predictions_away_from_each_other_each_side_with_its_own_ratio():
    p1, p2, z1, z2 = (draw(6, 5, seed=s) for s in range(4))
    seen = []

    class Recorder(Hallucinator):
        def extrapolate(self, move, keep, ratio):
            seen.append((move, keep, ratio))
            return Hallucinator.extrapolate(move, keep, ratio)

    recorder = Recorder(5, generator=torch.Generator().manual_seed(0)).double()
    loss = HallucinatedPairLoss(NegativeCosineLoss(), recorder)
    value = (loss(p1, z2, partner=p2) + loss(p2, z1, partner=p1)) / 2
    (move1, keep1, r1), (move2, keep2, r2) = seen
    assert r1 != r2
    assert torch.equal(move1, p1)
    assert torch.equal(keep1, p2)
    assert torch.equal(move2, p2)
    assert torch.equal(keep2, p1)
    h1, h2 = recorder(p1, p2, r1), recorder(p2, p1, r2)
    sides = [torch.cosine_similarity(torch.cat([a, b]), torch.cat([z, z])) for a, b, z in ((p1, h1, z2), (p2, h2, z1))]
    torch.testing.assert_close(value, -(sides[0].mean() + sides[1].mean()) / 2)


def test_ids_and_rows_pass_through():
    x, k, ids = draw(6, 5), draw(6, 5, seed=1), torch.tensor([0, 1, 2, 0, 3, 4])
    base = NTXentLoss(temperature=0.2)
    moved = Moved()(x, k)
    loss = HallucinatedPairLoss(base, Moved())
    torch.testing.assert_close(loss(x, k, ids=ids), (base(x, k, ids=ids) + base(moved, k, ids=ids)) / 2)
    stacked = HallucinatedPairLoss(base, Moved(), mask_duplicates=False)
    expected = base(torch.cat([x, moved]), torch.cat([k, k]), ids=ids.repeat(2))
    torch.testing.assert_close(stacked(x, k, ids=ids), expected)
    for one in (loss, stacked):
        shares = [one(x, k, rows=slice(a, a + 2)) for a in (0, 2, 4)]
        torch.testing.assert_close(sum(shares) / 3, one(x, k))


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="reduction='mean', got 'none'"):
        HallucinatedPairLoss(NTXentLoss(reduction="none"), Copy())
    loss = HallucinatedPairLoss(NTXentLoss(), Copy())
    with pytest.raises(ValueError, match="query and key must have the same shape"):
        loss(draw(4, 5), draw(3, 5))
    with pytest.raises(ValueError, match="query and the hallucinator's output must have the same shape"):
        HallucinatedPairLoss(NTXentLoss(), nn.Bilinear(5, 5, 4).double())(draw(4, 5), draw(4, 5))
    with pytest.raises(ValueError, match="move and keep must have the same shape"):
        HallucinatedPairLoss(NTXentLoss(), hallucinator())(draw(4, 5), draw(4, 5), partner=draw(3, 5))
    assert "detach_partner=True, mask_duplicates=True" in repr(loss)


def test_a_state_dict_holds_the_network():
    one = HallucinatedPairLoss(NTXentLoss(), hallucinator(0))
    other = HallucinatedPairLoss(NTXentLoss(), hallucinator(1))
    other.load_state_dict(one.state_dict())
    x, k = draw(4, 5), draw(4, 5, seed=1)
    other.hallucinator.generator.manual_seed(0)
    assert torch.equal(one(x, k), other(x, k))


# Several processes


def in_processes(encoder, batch, framework, around, per_sample):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Hallucinator(WIDTH, per_sample=per_sample, generator=torch.Generator().manual_seed(2)).double()
    queue = MemoryQueue(7, WIDTH, generator=torch.Generator().manual_seed(0))
    base = {"simclr": NTXentLoss(), "moco": InfoNCELoss(), "official": NTXentLoss()}[framework]
    settings = {"official": framework == "official"}
    if around == "base":
        loss = HallucinatedPairLoss(GatheredLoss(base), made, **settings)
    else:
        loss = GatheredLoss(HallucinatedPairLoss(base, made, **settings))
    query, key = encoder(batch.first), encoder(batch.second)
    if framework == "moco":
        value = loss(query, key.detach(), negatives=queue.tensor().double())
        queue.update(gather_with_grad(key.detach()))
    else:
        value = loss(query, key)
    return Outcome(value, parameters=list(made.parameters()), states={"queue": queue.tensor()})


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize(
    ("framework", "around", "per_sample"),
    [
        ("simclr", "all", False),
        ("simclr", "all", True),
        ("simclr", "base", False),
        ("moco", "all", False),
        ("official", "all", False),
        ("official", "base", False),
    ],
)
def test_processes_equal_one(gloo_pool, world, framework, around, per_sample):
    assert_equal_to_one_process(gloo_pool(world), in_processes, framework, around, per_sample)
