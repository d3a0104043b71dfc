"""MoCHi: what is mixed, the two forms against each other and against loops, and what the losses do with it."""

import math

import pytest
import torch
from torch import nn

from core.distributed import GatheredLoss, gather_with_grad
from core.losses import InfoNCELoss, info_nce, nt_xent
from core.samplers import HardNegativeMixing, MemoryQueue
from core.samplers.largest import largest
from core.samplers.mixtures import Mixtures, mixture_similarities, mixture_vectors
from tests.core.processes import WIDTH, Outcome, assert_equal_to_one_process


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make(*counts, seed=0, **settings):
    return HardNegativeMixing(*counts, generator=torch.Generator().manual_seed(seed), **settings)


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


def recipe(first, second, alpha, partner, beta, dtype=torch.float64):
    columns = [torch.tensor([one], dtype=torch.int64) for one in (first, second, partner)]
    weights = [torch.tensor([one], dtype=dtype) for one in (alpha, beta)]
    return Mixtures(columns[0], columns[1], weights[0], columns[2], weights[1])


# The paper's mixtures


def test_hand_values():
    query, key = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[1.0, 0.0]]).double()
    bank = torch.tensor([[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]]).double()
    base = info_nce(query, key, negatives=bank, temperature=1.0)
    assert float(base) == pytest.approx(0.776355, abs=1e-6)
    mixtures = recipe([0], [1], [0.5], [1], [0.25])
    vectors = mixture_vectors(query, bank, mixtures)
    expected = torch.tensor([[0.316228, 0.948683], [0.759257, 0.650791]]).double()
    torch.testing.assert_close(vectors[0], expected, atol=1e-6, rtol=0)
    cosines = (query @ bank.T)[:, [0]], (query @ bank.T)[:, [1]], (query @ bank.T)[:, [1]]
    similarities = mixture_similarities(query, bank, cosines, mixtures)
    torch.testing.assert_close(similarities[0], torch.tensor([0.316228, 0.759257]).double(), atol=1e-6, rtol=0)
    both = info_nce(query, key, negatives=bank, extra_similarities=similarities, temperature=1.0)
    assert float(both) == pytest.approx(1.242507, abs=1e-6)


def test_synthetics_are_unit_rows_without_gradient():
    query, bank = draw(5, 6).requires_grad_(), draw(40, 6, seed=1).requires_grad_()
    mixer = make(8, 4, 3)
    vectors = mixer(query, bank)
    assert vectors.shape == (5, 7, 6)
    torch.testing.assert_close(vectors.norm(dim=2), torch.ones(5, 7).double())
    assert not vectors.requires_grad
    similarities = mixer.similarities(query, bank)
    InfoNCELoss()(query, draw(5, 6, seed=2), negatives=bank.detach(), extra_similarities=similarities).backward()
    assert query.grad.any()
    assert bank.grad is None


def test_each_synthetic_lies_between_two_of_the_hardest_or_the_query_and_one():
    """Found again by brute force: the cone of two of the N most similar rows, or of one of them and the query."""
    query, bank = unit(draw(3, 4)), unit(draw(30, 4, seed=1))
    vectors = make(5, 20, 20)(query, bank)
    for i in range(3):
        hardest = (bank @ query[i]).topk(5).indices
        near = bank[hardest]
        for j, h in enumerate(vectors[i]):
            if j < 20:
                cones = [(a, b) for a in range(5) for b in range(5) if a < b]
                spans = [torch.stack([near[a], near[b]], 1) for a, b in cones]
            else:
                spans = [torch.stack([query[i], n], 1) for n in near]
            solved = [torch.linalg.lstsq(span, h).solution for span in spans]
            fits = [
                x
                for span, x in zip(spans, solved, strict=True)
                if (span @ x - h).norm() < 1e-8 and (x > -1e-8).all() and (j < 20 or x[0] <= x[1])
            ]
            assert fits, (i, j)


def test_draws_are_uniform_over_places_and_weights():
    """Axes as the bank tell which rows were mixed, and with what weights."""
    query, bank = torch.ones(1, 4).double(), torch.eye(4).double()
    vectors = make(4, 6000, 0)(query, bank)[0]
    shares = vectors / vectors.sum(dim=1, keepdim=True)
    used = (shares > 0).double()
    torch.testing.assert_close(used.sum(dim=1), torch.full((6000,), 2.0).double())
    torch.testing.assert_close(used.mean(dim=0), torch.full((4,), 0.5).double(), atol=0.03, rtol=0)
    alpha = shares.amax(dim=1)  # max(a, 1 - a) of a uniform a has mean 3/4
    assert float(alpha.mean()) == pytest.approx(0.75, abs=0.01)
    with_itself = make(4, 6000, 0, replace=True)(query, bank)[0]
    assert float(((with_itself > 0).sum(dim=1) == 1).double().mean()) == pytest.approx(0.25, abs=0.03)


def test_the_query_takes_less_than_beta_max():
    query, bank = torch.tensor([[0.0, 0.0, 1.0]]).double(), torch.eye(3)[:2].double()
    for most in (0.5, 0.2, 1.0):
        vectors = make(2, 0, 3000, beta_max=most)(query, bank)[0]
        beta = vectors[:, 2] / vectors.sum(dim=1)
        assert float(beta.max()) <= most
        assert float(beta.mean()) == pytest.approx(most / 2, abs=0.02 * most)


def test_mixing_with_the_query_brings_it_nearer_and_pairs_stay_above_the_farther_one():
    query, bank = unit(draw(20, 8)), unit(draw(200, 8, seed=1))
    mixer = make(10, 30, 30)
    _, _, mixtures, (first, second, partner) = mixer._mix(query, bank, None, None)
    vectors = mixture_vectors(query, bank, mixtures)
    found = torch.einsum("nd,nmd->nm", query, vectors)
    assert float(torch.stack([first, second]).amin()) > 0
    assert (found[:, :30] >= torch.minimum(first, second) - 1e-12).all()
    strict = mixtures.beta > 1e-6
    assert strict.any()
    assert (found[:, 30:] > partner)[strict].all()


def test_limits_of_the_weights():
    query, bank = unit(draw(1, 5)), unit(draw(4, 5, seed=1))
    at_ends = mixture_vectors(query, bank, recipe([0, 0], [1, 1], [1.0, 0.0], [2, 3], [0.0, 1.0]))[0]
    torch.testing.assert_close(at_ends, torch.stack([bank[0], bank[1], bank[2], query[0]]))
    near = make(4, 0, 9, beta_max=1e-9)(query, bank)[0]
    assert float((near @ bank.T).amax(dim=1).min()) == pytest.approx(1.0, abs=1e-9)


def test_one_hard_negative_with_replacement_is_repeated():
    query, key, bank = unit(draw(4, 6)), unit(draw(4, 6, seed=1)), unit(draw(20, 6, seed=2))
    found = make(1, 5, 0, replace=True).similarities(query, bank)
    hardest = (query @ bank.T).amax(dim=1)
    torch.testing.assert_close(found, hardest[:, None].expand(4, 5))
    repeated = torch.cat([bank.expand(4, 20, 6), bank[(query @ bank.T).argmax(dim=1)][:, None].expand(4, 5, 6)], dim=1)
    torch.testing.assert_close(
        info_nce(query, key, negatives=bank, extra_similarities=found), info_nce(query, key, negatives=repeated)
    )


def test_same_seed_same_numbers_and_every_call_draws_anew():
    query, bank = draw(3, 6), draw(50, 6, seed=1)
    mixer = make(16, 4, 4)
    one, two = mixer(query, bank), mixer(query, bank)
    assert not torch.equal(one, two)
    assert torch.equal(make(16, 4, 4)(query, bank), one)
    assert not torch.equal(make(16, 4, 4, seed=1)(query, bank), one)
    torch.manual_seed(5)
    default = HardNegativeMixing(16, 4, 4)(query, bank)
    torch.manual_seed(5)
    assert torch.equal(HardNegativeMixing(16, 4, 4)(query, bank), default)


def test_the_order_of_the_bank_changes_nothing_in_distribution():
    query, bank = draw(1, 6), draw(50, 6, seed=1)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(3))
    means = [make(16, 4000, 4000).similarities(query, rows)[0] for rows in (bank, bank[order])]
    for part in (slice(0, 4000), slice(4000, 8000)):
        assert float(means[0][part].mean()) == pytest.approx(float(means[1][part].mean()), abs=0.01)
        assert float(means[0][part].std()) == pytest.approx(float(means[1][part].std()), abs=0.01)


@pytest.mark.parametrize("count", [1, 3, 16, 128, 250, 256])
def test_the_largest_are_those_of_topk(count):
    values = draw(9, 256)
    values[0] = 0.0
    values[1, :200] = -torch.inf
    found, columns = largest(values, count)
    torch.testing.assert_close(found.sort(dim=1).values, values.topk(count, dim=1).values.flip(1))
    assert torch.equal(values.gather(1, columns), found)
    assert all(len(set(row)) == count for row in columns.tolist())


# The two forms


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("counts", [(16, 8, 4), (16, 0, 4), (16, 8, 0), (2, 1, 1), (16, 0, 0)])
def test_similarities_are_products_with_the_vectors(counts, detach):
    """In value, and in gradient: that of constants, or through the vectors."""
    key = draw(7, 6, seed=2)
    grads = []
    for form in ("vectors", "similarities"):
        query, bank = draw(7, 6).requires_grad_(), draw(60, 6, seed=1).requires_grad_()
        mixer = make(*counts, detach=detach)
        if form == "vectors":
            found = torch.einsum("nd,nmd->nm", unit(query), mixer(query, bank))
        else:
            found = mixer.similarities(query, bank)
        value = info_nce(query, key, negatives=bank.detach(), extra_similarities=found, temperature=0.2)
        value.backward()
        grads.append((found.detach(), value.detach(), query.grad, bank.grad))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert (grads[0][3] is None) == (detach or counts[1:] == (0, 0))


def test_similarities_equal_extra_negatives_of_the_loss():
    """The bank as candidates of each anchor, with the synthetics behind them: one denominator, one gradient."""
    key, bank = draw(7, 6, seed=2), draw(60, 6, seed=1)
    values, grads = [], []
    for form in ("vectors", "similarities"):
        query = draw(7, 6).requires_grad_()
        mixer = make(16, 8, 4)
        if form == "vectors":
            own = torch.cat([unit(bank).expand(7, 60, 6), mixer(query, bank)], dim=1)
            value = info_nce(query, key, negatives=own, temperature=0.1)
        else:
            extra = mixer.similarities(query, bank)
            value = info_nce(query, key, negatives=bank, extra_similarities=extra, temperature=0.1)
        value.backward()
        values.append(value.detach())
        grads.append(query.grad)
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(grads[0], grads[1])


def test_gradient_is_that_of_the_paper_with_constant_synthetics():
    """dL/dq = (sum_j p_j n_j - (1 - p_+) k) / t over real and synthetic negatives, projected by the normalisation."""
    query, key, bank = unit(draw(4, 6)).requires_grad_(), unit(draw(4, 6, seed=1)), unit(draw(30, 6, seed=2))
    t, mixer = 0.2, make(8, 5, 5)
    InfoNCELoss(temperature=t, reduction="sum")(
        query, key, negatives=bank, extra_similarities=mixer.similarities(query, bank)
    ).backward()
    vectors = make(8, 5, 5)(query, bank)
    for i in range(4):
        candidates = torch.cat([key[i : i + 1], bank, vectors[i]])
        p = torch.softmax(candidates @ query[i].detach() / t, dim=0)
        free = (p @ candidates - key[i]) / t
        tangent = free - (free @ query[i].detach()) * query[i].detach()
        torch.testing.assert_close(query.grad[i], tangent)


def test_mixtures_are_constants_to_a_query_that_nobody_normalises():
    """Along the query itself, which the normalisation takes away elsewhere, the gradient is that of a constant too."""
    query, bank = unit(draw(1, 5)).requires_grad_(), unit(draw(4, 5, seed=1))
    mixtures = recipe([0, 1], [1, 3], [0.3, 0.9], [2, 3], [0.4, 0.1])
    products = (query @ bank.T).detach()
    cosines = products[:, [0, 1]], products[:, [1, 3]], products[:, [2, 3]]
    found = mixture_similarities(query, bank, cosines, mixtures)
    upstream = draw(1, 4, seed=2)
    found.backward(upstream)
    vectors = mixture_vectors(query.detach(), bank, mixtures)
    torch.testing.assert_close(query.grad, torch.einsum("nm,nmd->nd", upstream, vectors))


def test_second_derivatives_of_constant_products_hold():
    query, bank = draw(3, 4).requires_grad_(), draw(12, 4, seed=1)
    assert torch.autograd.gradgradcheck(lambda q: make(6, 3, 0).similarities(q, bank), (query,))


def test_bfloat16_under_autocast_is_computed_in_float32():
    query, bank = draw(6, 8, dtype=torch.bfloat16), draw(64, 8, seed=1, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        leaf = query.clone().requires_grad_()
        found = make(16, 6, 6).similarities(leaf, bank)
        found.sum().backward()
    expected_leaf = query.double().requires_grad_()
    expected = make(16, 6, 6).similarities(expected_leaf, bank.double())
    expected.sum().backward()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(leaf.grad.double(), expected_leaf.grad, rtol=2e-2, atol=2e-2)


def test_zero_and_opposite_rows_stay_finite():
    query, bank = draw(4, 3), draw(6, 3, seed=1)
    query[0], bank[0], bank[1] = 0, 0, -bank[2]
    query = query.requires_grad_()
    mixer = make(6, 50, 50, replace=True)
    found = mixer.similarities(query, bank)
    found.sum().backward()
    assert found.isfinite().all()
    assert not found[0].any()
    assert not query.grad[0].any()
    assert query.grad.isfinite().all()
    vectors = make(6, 50, 50, replace=True)(query, bank)
    torch.testing.assert_close(torch.einsum("nd,nmd->nm", unit(query), vectors), found, atol=1e-7, rtol=1e-7)


def test_similarities_make_no_vectors():
    """What is kept for the backward pass grows with n (s + s') + n d, not with their product."""
    sizes = []
    query, bank = draw(32, 64, dtype=torch.float32).requires_grad_(), draw(300, 64, seed=1, dtype=torch.float32)

    def keep(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        make(64, 128, 128).similarities(query, bank)
    assert max(sizes) <= max(bank.numel(), 32 * 3 * 128)
    assert sum(sizes) < 32 * 256 * 64 / 4


# What may be mixed


def test_masked_rows_are_never_mixed():
    query, bank = draw(5, 4), draw(40, 4, seed=1)
    good = torch.arange(40) % 3 == 0
    for valid in (good, good.expand(5, -1)):
        mixed = make(9, 6, 6)._mix(query, bank, valid, None)[2]
        assert good[torch.cat([mixed.first, mixed.second, mixed.partner], dim=1)].all()
    torch.testing.assert_close(
        make(9, 4000, 0).similarities(query, bank, good).mean(),
        make(9, 4000, 0).similarities(query, bank[good]).mean(),
        atol=0.01,
        rtol=0,
    )


def test_fewer_valid_rows_than_wanted_shrink_the_set_of_that_query_alone_with_one_warning():
    query, bank = draw(2, 4), draw(30, 4, seed=1)
    valid = torch.ones(2, 30, dtype=torch.bool)
    valid[0, 3:] = False
    mixer = make(10, 40, 40)
    with pytest.warns(UserWarning, match="n_hard=10 is more than the 3 valid rows") as caught:
        mixed = mixer._mix(query, bank, valid, None)[2]
    assert caught[0].filename == __file__
    assert set(mixed.first[0].tolist()) == {0, 1, 2}
    assert (mixed.first != mixed.second).all()
    assert len(set(mixed.first[1].tolist())) == 10
    mixer(query, bank, valid)  # no second warning: it would be an error here
    with pytest.warns(UserWarning, match="n_hard=99"):
        assert make(99, 2, 2)(query, bank).shape == (2, 4, 4)


def test_filled_slots_of_a_queue():
    queue = MemoryQueue(64, 4, generator=torch.Generator().manual_seed(0))
    queue.update(draw(24, 4, dtype=torch.float32))
    filled = torch.arange(64) < queue.filled
    mixed = make(16, 50, 50)._mix(draw(3, 4, dtype=torch.float32), queue.tensor(), filled, None)[2]
    assert int(torch.cat([mixed.first, mixed.second, mixed.partner], dim=1).max()) < 24


def test_in_batch_form_leaves_own_view_and_positive_alone():
    n = 6
    z, ids = draw(2 * n, 5), torch.arange(n).repeat(2)
    valid = ids[:, None] != ids
    mixed = make(8, 30, 30)._mix(z, z, valid, None)[2]
    for columns in (mixed.first, mixed.second, mixed.partner):
        assert (ids[columns] != ids[:, None]).all()
    extra = make(8, 30, 30).similarities(z, z, valid)
    base, harder = (nt_xent(z[:n], z[n:], extra_similarities=e, reduction="none") for e in (None, extra))
    assert (harder > base).all()


def test_class_oracle_mixes_no_row_of_the_own_class():
    labels, theirs = torch.tensor([0, 1]), torch.arange(30) % 3
    mixed = make(8, 30, 30)._mix(draw(2, 5), draw(30, 5, seed=1), labels[:, None] != theirs, None)[2]
    assert (theirs[mixed.first] != labels[:, None]).all()


# The losses


def test_no_synthetics_are_exactly_the_base_loss_and_some_are_above_it():
    query, key, queue = draw(6, 5), draw(6, 5, seed=1), draw(30, 5, seed=2)
    terms = {
        counts: InfoNCELoss(reduction="none")(
            query, key, negatives=queue, extra_similarities=make(*counts).similarities(query, queue)
        )
        for counts in ((8, 0, 0), (8, 4, 0), (8, 4, 4))
    }
    assert torch.equal(terms[8, 0, 0], InfoNCELoss(reduction="none")(query, key, negatives=queue))
    assert (terms[8, 4, 0] > terms[8, 0, 0]).all()
    assert (terms[8, 4, 4] > terms[8, 0, 0]).all()


# Arguments


def test_settings_are_shown_and_there_is_no_state():
    assert repr(make(8, 4, 2, beta_max=0.3)) == (
        "HardNegativeMixing(n_hard=8, n_pair=4, n_query=2, beta_max=0.3, replace=False, detach=True)"
    )
    assert make(8, 4, 2).state_dict() == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_hard": 0}, "n_hard must be at least 1, got 0"),
        ({"n_pair": -1}, "n_pair must be at least 0, got -1"),
        ({"n_query": -1}, "n_query must be at least 0, got -1"),
        ({"n_hard": 1}, "n_hard must be at least 2 to mix two different rows, got 1; or pass replace=True"),
        ({"beta_max": 0.0}, r"beta_max must be in \(0, 1\], got 0.0"),
        ({"beta_max": 1.5}, r"beta_max must be in \(0, 1\], got 1.5"),
        ({"beta_max": math.nan}, r"beta_max must be in \(0, 1\], got nan"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        HardNegativeMixing(**({"n_hard": 4, "n_pair": 2, "n_query": 2} | arguments))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    mixer, query, bank = make(2, 2, 2), draw(3, 4), draw(6, 4)
    none = torch.zeros(6, dtype=torch.bool)
    one = torch.ones(3, 6, dtype=torch.bool)
    one[1, 1:] = False
    for call in (mixer, mixer.similarities):
        with pytest.raises(ValueError, match="query and bank must have the same width, got 4 and 5"):
            call(query, draw(6, 5))
        with pytest.raises(TypeError, match="bank must be a floating tensor"):
            call(query, torch.ones(6, 4, dtype=torch.int64))
        with pytest.raises(ValueError, match="the rows of bank must be at least 1, got 0: there would be nothing"):
            call(query, torch.zeros(0, 4))
        with pytest.raises(ValueError, match="the rows of query must be at least 1"):
            call(torch.zeros(0, 4), bank)
        with pytest.raises(TypeError, match=r"valid must be boolean, got torch.int64"):
            call(query, bank, none.long())
        with pytest.raises(ValueError, match=r"valid must have shape \(6,\) or \(3, 6\), got \(3, 5\)"):
            call(query, bank, torch.ones(3, 5, dtype=torch.bool))
        with pytest.raises(ValueError, match="query 0 has 0 valid rows in the bank, which must be at least 2: nothing"):
            call(query, bank, none)
        with pytest.raises(ValueError, match=r"query 1 has 1 valid rows in the bank.*or pass replace=True"):
            call(query, bank, one)
        with pytest.raises(ValueError, match="query 1 has 1 valid rows"):
            call(query, bank, one, rows=slice(1, 3))
        with pytest.raises(ValueError, match="rows must be a slice"):
            call(query, bank, rows=slice(2, 9))
    with pytest.warns(UserWarning, match="n_hard=2"):
        assert make(2, 2, 2, replace=True)(query, bank, one).shape == (3, 4, 4)


# Several processes


def test_shares_of_a_batch_are_parts_of_the_whole():
    query, bank = draw(6, 5), draw(30, 5, seed=1)
    whole = make(8, 3, 3).similarities(query, bank)
    torch.testing.assert_close(make(8, 3, 3).similarities(query, bank, rows=slice(2, 5)), whole[2:5])
    torch.testing.assert_close(make(8, 3, 3)(query, bank, rows=slice(2, 5)), make(8, 3, 3)(query, bank)[2:5])


class Mixed(nn.Module):
    """MoCo's loss with synthetics, as a loop would write it."""

    def __init__(self):
        super().__init__()
        self.mixer, self.loss = make(8, 4, 4), InfoNCELoss(temperature=0.2)

    def forward(self, query, key, *, negatives, rows=None):
        extra = self.mixer.similarities(query, negatives, rows=rows)
        return self.loss(query, key, negatives=negatives, extra_similarities=extra, rows=rows)


def two_steps(encoder, batch):
    """The second step mixes what the first has put into the queue."""
    queue = MemoryQueue(40, WIDTH, generator=torch.Generator().manual_seed(0))
    loss = GatheredLoss(Mixed())
    total = 0.0
    for _ in range(2):
        query, key = encoder(batch.first), encoder(batch.second).detach()
        total = total + loss(query, key, negatives=queue.tensor().double())
        queue.update(gather_with_grad(key))
    return Outcome(total, states={"queue": queue.tensor()})


@pytest.mark.parametrize("world", [2, 3])
def test_processes_with_equal_queues_and_generators_equal_one(gloo_pool, world):
    assert_equal_to_one_process(gloo_pool(world), two_steps)
