"""LARS against loops in float64, hand values and plain SGD."""

import copy

import pytest
import torch

from core.training.lars import LARS


def loop(weight, gradients, *, lr, momentum, decay, eta, clip):
    """The update of one tensor, number by number."""
    w = weight.double().flatten().tolist()
    m = [0.0] * len(w)
    for gradient in gradients:
        d = [g + decay * x for g, x in zip(gradient.double().flatten().tolist(), w, strict=True)]
        size, slope = sum(x * x for x in w) ** 0.5, sum(x * x for x in d) ** 0.5
        trust = eta * size / slope
        if clip:
            trust = min(1.0, trust / lr)
        m = [momentum * a + trust * b for a, b in zip(m, d, strict=True)]
        w = [x - lr * a for x, a in zip(w, m, strict=True)]
    return torch.tensor(w, dtype=torch.float64).view_as(weight)


def steps(optimizer, weight, gradients):
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()


@pytest.mark.parametrize("clip", [False, True])
def test_ten_steps_equal_a_loop_in_float64(generator, clip):
    weight = torch.nn.Parameter(torch.randn(4, 3, 2, generator=generator).double())
    start = weight.detach().clone()
    # large and small gradients, so that the clip is felt in some steps only
    gradients = [torch.randn(4, 3, 2, generator=generator).double() * 10.0 ** (k % 3 - 2) for k in range(10)]
    settings = {"lr": 0.3, "momentum": 0.9, "eta": 0.02}
    steps(LARS([weight], weight_decay=0.1, clip=clip, **settings), weight, gradients)
    torch.testing.assert_close(weight.detach(), loop(start, gradients, decay=0.1, clip=clip, **settings))


def test_the_clip_keeps_a_small_gradient_at_plain_sgd_and_scales_a_large_one():
    """eta |w| / (lr |g|) is 0.1 * 5 / (1 * 0.1) = 5 and so cut to 1, or 0.1 * 5 / (1 * 10) = 0.05."""
    for size, moved in ((0.1, 0.1), (10.0, 0.5)):
        weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
        weight.grad = torch.tensor([[0.0, size]])
        LARS([weight], lr=1.0, momentum=0.0, eta=0.1, clip=True).step()
        torch.testing.assert_close(weight.detach(), torch.tensor([[3.0, 4.0 - moved]]))


def test_hand_value_with_momentum_and_decay():
    """d = g + b w = (0.3, 0.4) of length 0.5, trust 0.01 * 5 / 0.5 = 0.1; twice the same w would give m = 1.5 d'."""
    weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
    optimizer = LARS([weight], lr=2.0, momentum=0.5, weight_decay=0.1, eta=0.01)
    steps(optimizer, weight, [torch.zeros(1, 2)])
    torch.testing.assert_close(weight.detach(), torch.tensor([[3.0 - 2 * 0.03, 4.0 - 2 * 0.04]]))
    # the second direction is again w of length 4.9 scaled to 0.01 * 4.9: (0.0294, 0.0392), plus half of (0.03, 0.04)
    steps(optimizer, weight, [torch.zeros(1, 2)])
    torch.testing.assert_close(weight.detach(), torch.tensor([[2.94 - 2 * 0.0444, 3.92 - 2 * 0.0592]]))


def test_tensors_with_one_axis_are_plain_sgd_without_decay(generator):
    mine = torch.nn.Parameter(torch.randn(5, generator=generator))
    theirs = torch.nn.Parameter(mine.detach().clone())
    gradients = [torch.randn(5, generator=generator) for _ in range(10)]
    steps(LARS([mine], lr=0.1, momentum=0.9, weight_decay=0.5, eta=0.02), mine, gradients)
    steps(torch.optim.SGD([theirs], lr=0.1, momentum=0.9), theirs, gradients)
    torch.testing.assert_close(mine, theirs)


def test_matrices_are_sgd_where_the_clip_holds_the_trust_at_one(generator):
    mine = torch.nn.Parameter(torch.randn(5, 2, generator=generator))
    theirs = torch.nn.Parameter(mine.detach().clone())
    gradients = [torch.randn(5, 2, generator=generator) for _ in range(10)]
    steps(LARS([mine], lr=0.1, momentum=0.9, weight_decay=0.01, eta=1e6, clip=True), mine, gradients)
    steps(torch.optim.SGD([theirs], lr=0.1, momentum=0.9, weight_decay=0.01), theirs, gradients)
    torch.testing.assert_close(mine, theirs)


def test_the_step_does_not_feel_the_size_of_the_gradient(generator):
    gradient = torch.randn(3, 3, generator=generator)
    ends = []
    for factor in (1.0, 1e4):
        weight = torch.nn.Parameter(torch.eye(3))
        steps(LARS([weight], lr=0.1), weight, [factor * gradient])
        ends.append(weight.detach())
    torch.testing.assert_close(ends[0], ends[1])


def test_a_gradient_or_a_weight_of_zero_moves_finitely():
    still = torch.nn.Parameter(torch.ones(2, 2))
    steps(LARS([still], lr=0.1), still, [torch.zeros(2, 2)])
    torch.testing.assert_close(still.detach(), torch.ones(2, 2))
    zero = torch.nn.Parameter(torch.zeros(2, 2))  # the trust is 1, as there is nothing to compare with
    steps(LARS([zero], lr=0.1), zero, [torch.ones(2, 2)])
    torch.testing.assert_close(zero.detach(), torch.full((2, 2), -0.1))


def test_no_gradient_no_step_and_the_closure_is_called():
    used, unused = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2, 2))
    optimizer = LARS([used, unused], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = used.square().sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == 4.0
    assert not torch.equal(used, torch.ones(2, 2))
    assert torch.equal(unused, torch.ones(2, 2))


def test_groups_have_settings_of_their_own():
    fast, slow = torch.nn.Parameter(torch.eye(2)), torch.nn.Parameter(torch.eye(2))
    optimizer = LARS([{"params": [fast]}, {"params": [slow], "lr": 0.1}], lr=1.0, momentum=0.0)
    for weight in (fast, slow):
        weight.grad = torch.ones(2, 2)
    optimizer.step()
    torch.testing.assert_close(torch.eye(2) - fast, 10 * (torch.eye(2) - slow))


def test_a_run_resumed_from_its_state_ends_at_the_same_bits(generator):
    gradients = [torch.randn(3, 2, generator=generator) for _ in range(6)]
    whole = torch.nn.Parameter(torch.ones(3, 2))
    steps(LARS([whole], lr=0.1, weight_decay=0.1), whole, gradients)
    first = torch.nn.Parameter(torch.ones(3, 2))
    before = LARS([first], lr=0.1, weight_decay=0.1)
    steps(before, first, gradients[:3])
    state = copy.deepcopy(before.state_dict())
    second = torch.nn.Parameter(first.detach().clone())
    after = LARS([second], lr=0.5)  # the state brings the settings too
    after.load_state_dict(state)
    steps(after, second, gradients[3:])
    assert torch.equal(whole, second)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("lr", 0.0), ("lr", float("nan")), ("momentum", 1.0), ("momentum", -0.1), ("weight_decay", -1.0), ("eta", 0.0)],
)
def test_values_out_of_range_are_named(setting, value):
    with pytest.raises(ValueError, match=setting):
        LARS([torch.nn.Parameter(torch.ones(1))], **({"lr": 0.1} | {setting: value}))
