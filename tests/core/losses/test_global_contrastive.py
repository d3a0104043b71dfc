"""SogCLR and iSogCLR, with views and with modalities: steps against loops, memories, limits and mistakes."""

import math

import pytest
import torch

from core.losses import (
    BimodalISogCLRLoss,
    BimodalSogCLRLoss,
    CosineSchedule,
    ISogCLRLoss,
    SogCLRLoss,
    bimodal_isogclr,
    bimodal_sogclr,
    dcl,
    isogclr,
    nt_xent,
    sogclr,
)
from tests.core.losses.global_oracles import GlobalOracle

SAMPLES, ROWS, WIDTH = 9, 6, 8
# Three batches; samples 4 and 7 come twice, sample 8 never.
BATCHES = [torch.tensor([3, 0, 4, 7, 1, 2]), torch.tensor([4, 5, 6, 7, 0, 1]), torch.tensor([6, 7, 2, 4, 3, 5])]
OTHERS = [torch.tensor([0, 2, 4, 6, 8, 1]), torch.tensor([3, 5, 7, 8, 6, 4]), torch.tensor([4, 8, 0, 7, 2, 6])]

LOSSES = {
    "sogclr": SogCLRLoss,
    "isogclr": ISogCLRLoss,
    "bimodal sogclr": BimodalSogCLRLoss,
    "bimodal isogclr": BimodalISogCLRLoss,
}
ROBUST = {"rho": 0.4, "eta": 0.03, "beta": 0.3, "grad_clip": 3.0}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(step=0, dtype=torch.float32):
    key = draw(ROWS, WIDTH, seed=2 * step)
    return (key + 0.8 * draw(ROWS, WIDTH, seed=2 * step + 1)).to(dtype), key.to(dtype)


def make(name, t, **settings):
    """The loss and its oracle; temperatures of the robust forms move in proportion to their start."""
    scale = {**ROBUST, "eta": 0.2 * t, "tau_min": t / 2, "tau_max": 4 * t} if "iso" in name else {}
    gamma = settings.get("gamma", 0.7)
    loss = LOSSES[name](SAMPLES, temperature=t, **{"gamma": gamma, "reduction": "none", **scale, **settings})
    bounds = {"bounds": (scale.pop("tau_min"), scale.pop("tau_max"))} if scale else {}
    unit = settings.get("positive_coefficient") == "unit"
    return loss, GlobalOracle(gamma, t, "bimodal" in name, unit, **scale, **bounds)


def memories(loss, bimodal):
    """log s, temperatures and momentum of each side, as far as there are any."""
    sides = []
    for side in ("_a", "_b") if bimodal else ("",):
        state = getattr(loss, f"partition{side}")
        temperature = getattr(loss, f"temperature{side}" if bimodal else "temperature_state", None)
        both = (state, temperature) if isinstance(temperature, torch.nn.Module) else (state,)
        sides.append([buffer for module in both for buffer in module.buffers()])
    return sides


def run(name, loss, oracle, *, dtype=torch.float32):
    """Yield what the loss and its oracle say about each of three batches, terms and gradient, and their memories."""
    bimodal = "bimodal" in name
    for step in range(3):
        index = (BATCHES[step], OTHERS[step]) if bimodal else (BATCHES[step],)
        rows = [x.requires_grad_() for x in batch(step, dtype)]
        terms = loss(*rows, *index)
        terms.sum().backward()
        exact = [x.detach().double().requires_grad_() for x in rows]
        values, surrogates = oracle.step(*exact, *index)
        surrogates.sum().backward()
        yield terms, values, torch.cat([x.grad for x in rows]), torch.cat([x.grad for x in exact])
        for side, found in enumerate(memories(loss, bimodal)):
            yield from zip(found, oracle.states(SAMPLES, side), strict=False)


@pytest.mark.parametrize("coefficient", ["ratio", "unit"])
@pytest.mark.parametrize("gamma", [0.3, 1.0])
@pytest.mark.parametrize("t", [1.0, 0.0625])
@pytest.mark.parametrize("name", LOSSES)
def test_three_steps_in_double_precision_are_the_algorithm(name, t, gamma, coefficient):
    loss, oracle = make(name, t, gamma=gamma, positive_coefficient=coefficient)
    for found in run(name, loss.double(), oracle, dtype=torch.float64):
        for mine, theirs in zip(found[::2], found[1::2], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", LOSSES)
def test_three_steps_at_every_temperature(name, t, precision):
    loss, oracle = make(name, t)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        for found in run(name, loss, oracle, dtype=getattr(torch, precision)):
            if len(found) == 2:  # a memory: logarithms, temperatures, running gradients
                torch.testing.assert_close(found[0].double(), found[1], rtol=1e-4, atol=4e-6 / t)
                continue
            terms, values, grad, expected = found
            assert terms.dtype == torch.float32
            torch.testing.assert_close(terms.double(), values, rtol=1e-4, atol=1e-5)
            coarse = 1e-2 if precision == "bfloat16" else max(1e-5, 1e-5 / t)  # a bfloat16 leaf gets such a gradient
            scale = float(expected.abs().max())
            torch.testing.assert_close(grad.double(), expected, rtol=coarse, atol=coarse * scale)


@pytest.mark.parametrize("t", [1.0, 0.005, 0.001])
@pytest.mark.parametrize("kind", ["equal", "zero", "opposite", "huge", "tiny"])
@pytest.mark.parametrize("name", LOSSES)
def test_finite_at_the_limits(name, kind, t):
    row = torch.arange(1.0, WIDTH + 1).repeat(ROWS, 1)
    other = {"equal": 1.0, "zero": 0.0, "opposite": -1.0, "huge": 1e15, "tiny": 1e-9}[kind] * row
    loss, _ = make(name, t)
    for query, key in [(row, other), batch(), (other, row)]:
        leaves = [query.clone().requires_grad_(), key.clone().requires_grad_()]
        terms = loss(*leaves, BATCHES[0])
        terms.sum().backward()
        assert terms.isfinite().all()
        assert all(leaf.grad.isfinite().all() for leaf in leaves)
    for side in memories(loss, "bimodal" in name):
        assert all(state[BATCHES[0]].isfinite().all() for state in side)
    assert loss.objective().isfinite()


@pytest.mark.parametrize("name", LOSSES)
def test_zero_rows_have_cosine_zero_and_no_gradient(name):
    loss, _ = make(name, 0.1)
    query, key = batch()
    query[2], key[4] = 0, 0
    query.requires_grad_(), key.requires_grad_()
    loss(query, key, BATCHES[0]).sum().backward()
    norms = torch.cat([query.grad, key.grad]).norm(dim=1)
    assert norms[2] == norms[ROWS + 4] == 0
    assert (norms > 0).sum() == 2 * ROWS - 2


def test_at_gamma_one_it_is_dcl_times_the_temperature_whatever_the_state():
    """Mean over the 2n anchors; the sum over views of the released code would be twice this."""
    t = 0.1
    query, key = batch(dtype=torch.float64)
    gradients = []
    for state in (torch.full((ROWS,), -math.inf), draw(ROWS, seed=9)):
        leaf = query.clone().requires_grad_()
        step = sogclr(leaf, key, state.double(), temperature=t, gamma=1.0)
        step.loss.backward()
        gradients.append((step.loss.detach(), step.log_partition, leaf.grad))
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)
    leaf = query.clone().requires_grad_()
    decoupled = t * dcl(leaf, key, temperature=t)
    decoupled.backward()
    torch.testing.assert_close(gradients[0][2], leaf.grad, rtol=0, atol=1e-16)
    torch.testing.assert_close(gradients[0][0], decoupled.detach() - t * math.log(2 * ROWS - 2))


def test_softplus_brings_it_to_nt_xent():
    """NT-Xent is softplus(DCL) term by term, so SogCLR at gamma = 1 holds all that NT-Xent knows."""
    query, key = batch(dtype=torch.float64)
    never = torch.full((ROWS,), -math.inf, dtype=torch.float64)
    terms = sogclr(query, key, never, temperature=0.2, gamma=1.0, reduction="none").loss / 0.2
    decoupled = terms + math.log(2 * ROWS - 2)
    expected = nt_xent(query, key, temperature=0.2, reduction="none")
    torch.testing.assert_close(torch.nn.functional.softplus(decoupled), expected)


def test_there_is_no_temperature_in_the_gradient():
    """With equal weights W, halving t changes nothing; NT-Xent's gradient would double."""
    query, key = torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)  # all negatives alike
    never, gradients = torch.full((4,), -math.inf).double(), []
    for t in (0.4, 0.2):
        leaf = query.clone().requires_grad_()
        sogclr(leaf, key, never, temperature=t).loss.backward()
        gradients.append(leaf.grad)
    assert gradients[0].norm() > 0.1
    torch.testing.assert_close(*gradients)


def test_a_first_visit_takes_the_value_of_the_batch_for_each_sample_alone():
    """The released code starts at gamma g, or tests the whole batch; here a new sample may sit beside an old one."""
    loss = SogCLRLoss(SAMPLES, temperature=0.3, gamma=0.2)
    query, key = batch()
    never = torch.full((ROWS,), -math.inf)
    full = sogclr(query, key, never, temperature=0.3, gamma=1.0).log_partition
    loss(query, key, BATCHES[0])
    torch.testing.assert_close(loss.partition.log_partition[BATCHES[0]], full)
    mixed = torch.tensor([8, *BATCHES[0][1:].tolist()])
    for _ in range(3):  # a constant g leaves s = g at every step, for the new sample and the old
        loss(query, key, mixed)
        torch.testing.assert_close(loss.partition.log_partition[mixed], full)


@pytest.mark.parametrize("gamma", [0.9, 0.5, 0.3])
def test_the_state_is_the_mean_of_the_two_views_and_not_their_sum(gamma):
    """The released SogCLR class stores the sum: with a constant g it goes to 2.25 g at 0.9 and diverges below 0.5."""
    loss = SogCLRLoss(2, temperature=1.0, gamma=gamma)
    for _ in range(30):
        loss(torch.eye(2), torch.eye(2), torch.tensor([0, 1]))
    torch.testing.assert_close(loss.partition.log_partition, torch.tensor([-1.0, -1.0]), rtol=0, atol=1e-5)


def test_neither_the_positive_nor_the_row_itself_enters_g():
    """g depends on h alone: the released two-modality class leaves the positive, h = 0, in the mean."""
    found = []
    for shift in (0.0, 0.3):
        a, b = 0.2 + shift, 0.5 + shift  # similarity of negatives and positive
        first = torch.tensor([[1.0, 0, 0, 0], [a, 0, math.sqrt(1 - a * a), 0]])
        second = torch.tensor([[b, math.sqrt(1 - b * b), 0, 0], [a, 0, 0, math.sqrt(1 - a * a)]])
        never = torch.full((2,), -math.inf)
        pair = sogclr(first, second, never, temperature=0.1, reduction="none").loss[0] / 0.1
        crossed = bimodal_sogclr(first, second, never.repeat(2, 1), temperature=0.1).log_partition[0, 0]
        found.append(torch.stack([pair, crossed]))
        torch.testing.assert_close(found[-1], torch.full((2,), -3.0), rtol=1e-5, atol=1e-5)  # (a - b) / t
    torch.testing.assert_close(*found)


def test_with_a_fixed_encoder_the_state_goes_to_the_mean_over_the_data_set():
    """g of a batch is unbiased: over all batches of 3 out of 6 its mean is the mean over all negatives, exactly."""
    first, second = batch(dtype=torch.float64)
    everything = torch.full((ROWS,), -math.inf, dtype=torch.float64)
    whole = sogclr(first, second, everything, temperature=0.5, gamma=1.0, reduction="none").loss / 0.5
    states, visits = torch.full((2, ROWS), -math.inf, dtype=torch.float64), [0] * ROWS
    for members in torch.combinations(torch.arange(ROWS), 3):
        for i in members.tolist():
            order = [i, *[j for j in members.tolist() if j != i]]
            visits[i] += 1  # gamma = 1, 1/2, 1/3, ...: the mean of all visits
            old = torch.stack([states[:, i], *torch.full((2, 2), -math.inf).double()])
            for view in (0, 1):
                step = sogclr(
                    first[order], second[order], old[:, view], temperature=0.5, gamma=1 / visits[i], reduction="none"
                )
                states[view, i] = step.loss[3 * view].detach() / 0.5
    assert visits == [10] * ROWS
    torch.testing.assert_close(states.flatten(), whole)


def test_small_steps_average_many_batches():
    """The same with the module: as gamma falls, the state settles near the mean over all other samples."""
    generator = torch.Generator().manual_seed(0)
    count = 20
    first = draw(count, WIDTH)
    second = first + 0.5 * draw(count, WIDTH, seed=1)
    never = torch.full((count,), -math.inf)
    whole = sogclr(first, second, never, temperature=0.5, gamma=1.0).log_partition
    errors = []
    for gamma in (1.0, 0.05):
        loss = SogCLRLoss(count, temperature=0.5, gamma=gamma)
        for _ in range(200):
            index = torch.randperm(count, generator=generator)[:5]
            loss(first[index], second[index], index)
        errors.append(float((loss.partition.log_partition - whole).abs().mean()))
    assert errors[1] < 0.4 * errors[0]


@pytest.mark.parametrize("name", LOSSES)
def test_the_order_inside_a_batch_does_not_matter(name):
    bimodal = "bimodal" in name
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    one, two = (make(name, 0.2)[0].double() for _ in range(2))
    for step in (0, 1):
        query, key = batch(step, torch.float64)
        index = BATCHES[step]
        terms = one(query, key, index)
        shuffled = two(query[order], key[order], index[order])
        torch.testing.assert_close(shuffled, terms.view(2, -1)[:, order].flatten())
    for first, second in zip(memories(one, bimodal), memories(two, bimodal), strict=True):
        for mine, theirs in zip(first, second, strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", LOSSES)
def test_samples_outside_the_batch_keep_their_state_and_eval_mode_keeps_all(name):
    loss, bimodal = make(name, 0.2)[0], "bimodal" in name
    loss(*batch(), BATCHES[0])
    before = [state.clone() for side in memories(loss, bimodal) for state in side]
    value = loss.eval()(*batch(1), BATCHES[1])
    assert all(map(torch.equal, before, [state for side in memories(loss, bimodal) for state in side]))
    torch.testing.assert_close(loss.train()(*batch(1), BATCHES[1]), value)
    outside = [i for i in range(SAMPLES) if i not in BATCHES[1].tolist()]
    for old, new in zip(before, [state for side in memories(loss, bimodal) for state in side], strict=True):
        assert torch.equal(old[outside], new[outside])
        assert not torch.equal(old[BATCHES[1]], new[BATCHES[1]])


@pytest.mark.parametrize("name", LOSSES)
def test_state_dict_round_trip_is_exact(name):
    gamma = CosineSchedule(start=1.0, end=0.2, epochs=4)
    first, _ = make(name, 0.2, gamma=0.5)
    first.gamma = gamma
    first.set_epoch(3)
    for step in (0, 1):
        first(*batch(step), BATCHES[step])
    second, _ = make(name, 0.2, gamma=0.5)
    second.gamma = gamma
    second.load_state_dict(first.state_dict())
    assert int(second.epoch) == 3
    terms = [loss(*batch(2), BATCHES[2]) for loss in (first, second)]
    assert torch.equal(*terms)
    assert first.state_dict().keys() == second.state_dict().keys()
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


@pytest.mark.parametrize("name", ["bimodal sogclr", "bimodal isogclr"])
def test_swapping_the_modalities_swaps_the_states(name):
    one, two = (make(name, 0.2)[0].double() for _ in range(2))
    for step in (0, 1, 2):
        a, b = batch(step, torch.float64)
        forth = one(a, b, BATCHES[step], OTHERS[step])
        back = two(b, a, OTHERS[step], BATCHES[step])
        torch.testing.assert_close(back, forth.roll(ROWS))
    for mine, theirs in zip(memories(one, True), memories(two, True)[::-1], strict=True):
        for first, second in zip(mine, theirs, strict=True):
            torch.testing.assert_close(first, second)
    torch.testing.assert_close(one.objective(), two.objective())


@pytest.mark.parametrize("name", ["bimodal sogclr", "bimodal isogclr"])
def test_equal_modalities_have_equal_states(name):
    loss, _ = make(name, 0.2)
    z, _ = batch()
    loss(z, z, BATCHES[0])
    first, second = memories(loss, True)
    for mine, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", ["bimodal sogclr", "bimodal isogclr"])
def test_modalities_may_have_different_numbers_of_samples(name):
    loss = LOSSES[name](4, num_samples_b=30, temperature=0.2)
    loss(*(x[:3] for x in batch()), torch.tensor([3, 0, 1]), torch.tensor([29, 0, 17]))
    assert [len(state[0]) for state in memories(loss, True)] == [4, 30]
    assert loss.partition_b.visited.nonzero().flatten().tolist() == [0, 17, 29]


@pytest.mark.parametrize("name", LOSSES)
def test_reductions_modules_and_functions_agree(name):
    query, key = batch(dtype=torch.float64)
    robust, bimodal = "iso" in name, "bimodal" in name
    values = {}
    for reduction in ("none", "mean", "sum"):
        loss, _ = make(name, 0.2, reduction=reduction)
        values[reduction] = loss.double()(query, key, BATCHES[0])
    assert values["none"].shape == (2 * ROWS,)
    torch.testing.assert_close(values["mean"], values["none"].mean())
    torch.testing.assert_close(values["sum"], values["none"].sum())
    shape = (2, ROWS) if bimodal else (ROWS,)
    never = torch.full(shape, -math.inf, dtype=torch.float64)
    if robust:
        function = bimodal_isogclr if bimodal else isogclr
        temperatures = torch.full(shape, 0.2, dtype=torch.float64)
        step = function(query, key, never, temperatures, gamma=0.7, rho=0.4)
        assert step.gradient.shape == shape
    else:
        function = bimodal_sogclr if bimodal else sogclr
        step = function(query, key, never, temperature=0.2, gamma=0.7)
    torch.testing.assert_close(step.loss, values["mean"])
    assert step.log_partition.shape == shape
    assert not step.log_partition.requires_grad


@pytest.mark.parametrize("name", LOSSES)
def test_what_it_returns_is_the_estimate_of_the_objective(name):
    loss, _ = make(name, 0.2, reduction="mean")
    assert loss.objective().isnan()
    value = loss.double()(*batch(dtype=torch.float64), BATCHES[0])
    if "iso" in name:
        for state in loss.modules():  # the temperatures have moved on; put them back
            if hasattr(state, "momentum"):
                state.temperatures.fill_(0.2)
    both = loss.objective()  # of means over views, where the value is a mean of views
    assert float(value) <= float(both) + 1e-12
    torch.testing.assert_close(both, value, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", LOSSES)
def test_shares_of_the_anchors_average_to_the_whole(name):
    bimodal = "bimodal" in name
    whole, parts = (make(name, 0.2, reduction="mean")[0].double() for _ in range(2))
    for loss in (whole, parts):
        loss(*batch(1, torch.float64), BATCHES[1])
    rows = [x.requires_grad_() for x in batch(dtype=torch.float64)]
    value = whole(*rows, BATCHES[0])
    shares = torch.stack([parts(*rows, BATCHES[0], rows=slice(k, k + 2)) for k in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, value)
    for mine, theirs in zip(torch.autograd.grad(shares, rows), torch.autograd.grad(value, rows), strict=True):
        torch.testing.assert_close(mine, theirs)
    for first, second in zip(memories(whole, bimodal), memories(parts, bimodal), strict=True):
        for mine, theirs in zip(first, second, strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", LOSSES)
def test_rotation_and_row_lengths_leave_the_value(name):
    query, key = batch(dtype=torch.float64)
    rotation = torch.linalg.qr(draw(WIDTH, WIDTH, seed=3).double())[0]
    lengths = 0.1 + draw(2, ROWS, 1, seed=4).double().abs()
    pairs = [(query, key), (query @ rotation, key @ rotation), (query * lengths[0], key * lengths[1])]
    terms = [make(name, 0.2)[0].double()(*pair, BATCHES[0]) for pair in pairs]
    for other in terms[1:]:
        torch.testing.assert_close(other, terms[0], rtol=1e-9, atol=1e-9)


def test_gamma_follows_its_schedule():
    states = []
    for gamma in (CosineSchedule(start=1.0, end=0.2, epochs=4), 0.6):
        loss = SogCLRLoss(SAMPLES, temperature=0.2, gamma=gamma)
        loss(*batch(), BATCHES[0])
        loss.set_epoch(2)
        loss(*batch(1), BATCHES[0])
        states.append(loss.partition.log_partition[BATCHES[0]])
    torch.testing.assert_close(*states)  # half way from 1 to 0.2


@pytest.mark.parametrize("name", LOSSES)
def test_settings_are_shown(name):
    shown = repr(LOSSES[name](num_samples=SAMPLES, gamma=0.5))
    for setting in ("num_samples=9", "temperature=", "reduction='mean'", "gamma=0.5", "positive_coefficient='ratio'"):
        assert setting in shown
    if "iso" in name:
        for setting in ("rho=", "eta=0.03", "tau_min=", "tau_max=1.0", "beta=", "grad_clip="):
            assert setting in shown


def test_a_batch_that_diverged_does_not_spoil_the_memories():
    loss = ISogCLRLoss(SAMPLES)
    loss(*batch(), BATCHES[0])
    before = {name: state.clone() for name, state in loss.state_dict().items()}
    broken = torch.full((ROWS, WIDTH), math.nan)
    assert loss(broken, broken, BATCHES[0]).isnan()
    assert all(torch.equal(before[name], state) for name, state in loss.state_dict().items())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named(name):
    loss, (query, key), index = LOSSES[name](SAMPLES), batch(), BATCHES[0]
    word = "index_a" if "bimodal" in name else "index"
    with pytest.raises(
        TypeError, match=f"{word} must be an int64 tensor of positions in the data set, got torch.float"
    ):
        loss(query, key, index.float())
    with pytest.raises(TypeError, match=r"got torch\.int32"):
        loss(query, key, index.int())
    with pytest.raises(TypeError, match="got list"):
        loss(query, key, index.tolist())
    with pytest.raises(ValueError, match=rf"{word} must have shape \(6,\), one position for each row, got \(5,\)"):
        loss(query, key, index[:5])
    with pytest.raises(ValueError, match=r"positions from 0 to 8, because num_samples is 9; got 1 to 9"):
        loss(query, key, torch.tensor([1, 2, 3, 4, 5, 9]))
    with pytest.raises(ValueError, match="got -1 to 5"):
        loss(query, key, torch.tensor([1, 2, 3, 4, 5, -1]))
    with pytest.raises(ValueError, match="every sample at most once, but 4 comes 3 times; draw batches without"):
        loss(query, key, torch.tensor([1, 4, 4, 4, 5, 5]))
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        loss(query[:1], key[:1], index[:1])
    with pytest.raises(ValueError, match="must have the same shape"):
        loss(query, key[:5], index)
    with pytest.raises(TypeError, match="must be a floating tensor"):
        loss(query.long(), key, index)
    with pytest.raises(ValueError, match="rows must be a slice"):
        loss(query, key, index, rows=slice(2, 9))
    for gamma in (0.0, -0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"gamma, the weight of the new value, must be in \(0, 1\], got"):
            LOSSES[name](SAMPLES, gamma=gamma)
    with pytest.raises(ValueError, match=r"gamma, the weight of the new value, must be in \(0, 1\], got -0\.5"):
        LOSSES[name](SAMPLES, gamma=lambda epoch: 0.5 - epoch).set_epoch(1)
    with pytest.raises(ValueError, match="epoch must be at least 0, got -1"):
        loss.set_epoch(-1)
    with pytest.raises(ValueError, match="num_samples must be at least 2, got 1"):
        LOSSES[name](1)
    with pytest.raises(ValueError, match="reduction must be one of"):
        LOSSES[name](SAMPLES, reduction="median")
    with pytest.raises(ValueError, match="positive_coefficient must be one of 'ratio', 'unit', got 'h'"):
        LOSSES[name](SAMPLES, positive_coefficient="h")
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        LOSSES[name](SAMPLES, temperature=0.0)
    assert not any(side[0].isfinite().any() for side in memories(loss, "bimodal" in name))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_of_the_second_modality_are_named():
    loss, (a, b) = BimodalSogCLRLoss(SAMPLES, num_samples_b=7), batch()
    with pytest.raises(ValueError, match="index_b must hold positions from 0 to 6"):
        loss(a, b, BATCHES[0], OTHERS[0])
    with pytest.raises(ValueError, match="index_b must hold positions from 0 to 6"):
        loss(a, b, torch.tensor([3, 0, 4, 8, 1, 2]))
    with pytest.raises(ValueError, match="num_samples_b must be at least 2"):
        BimodalISogCLRLoss(SAMPLES, num_samples_b=1)
    with pytest.raises(ValueError, match="log_partition must have one value for each of the 6 samples"):
        sogclr(a, b, torch.zeros(5))
    with pytest.raises(ValueError, match="temperatures must have one value for each of the 6 samples"):
        isogclr(a, b, torch.zeros(6), torch.ones(5))
