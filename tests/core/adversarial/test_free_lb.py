"""FreeLB: the gradient that it accumulates, against a loop of the released code; its start and its ball."""

import copy

import pytest
import torch
from torch import nn

from core.adversarial import FreeLB
from tests.core.adversarial.toys import Pooled, make, rng, sequences


def grads(model):
    return [p.grad.clone() for p in model.parameters()]


def plain(model, x, labels):
    twin = copy.deepcopy(model)
    value = nn.functional.cross_entropy(twin(x), labels)
    value.backward()
    return value.detach(), grads(twin)


def test_one_step_without_noise_is_the_plain_gradient():
    x, labels, mask = sequences()
    model = Pooled(mask=mask)
    expected, wanted = plain(model, x, labels)
    value = FreeLB(steps=1).loss(model, x, labels, mask=mask)
    assert not value.requires_grad
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grads(model), wanted)


def test_steps_of_size_zero_are_the_plain_gradient_too():
    x, labels, _ = sequences()
    model = Pooled()
    expected, wanted = plain(model, x, labels)
    torch.testing.assert_close(FreeLB(steps=4, step_size=0.0).loss(model, x, labels), expected)
    torch.testing.assert_close(grads(model), wanted)


@pytest.mark.parametrize(("epsilon", "steps"), [(None, 3), (0.35, 4)])
def test_against_a_loop_of_the_released_code(epsilon, steps):
    """Embedding looked up anew in every step, loss / K backward, per-sample Frobenius norm, then the ball."""
    ids = torch.tensor([[1, 4, 2, 0], [3, 3, 1, 2]])
    labels, mask = torch.tensor([0, 2]), torch.tensor([[True, True, True, False], [True] * 4])
    torch.manual_seed(0)
    table = nn.Embedding(5, 3).double()
    model = Pooled(3, mask=mask).double()
    other_table, other = copy.deepcopy(table), copy.deepcopy(model)

    size = (2 * torch.rand(2, 4, 3, generator=rng(5), dtype=torch.float64) - 1) * mask[..., None]
    delta = torch.zeros(2, 4, 3, dtype=torch.float64)
    for i in range(2):
        delta[i] = size[i] * 0.3 / (int(mask[i].sum()) * 3) ** 0.5
    values = []
    for step in range(steps):
        delta.requires_grad_()
        loss = nn.functional.cross_entropy(other(other_table(ids) + delta), labels)
        values.append(loss.item())
        (loss / steps).backward()
        if step == steps - 1:
            break
        moved = delta.detach().clone()
        for i in range(2):
            moved[i] += 0.2 * delta.grad[i] / delta.grad[i].norm()
            if epsilon is not None and moved[i].norm() > epsilon:
                moved[i] *= epsilon / moved[i].norm()
        delta = moved

    adversary = FreeLB(steps=steps, step_size=0.2, init=0.3, epsilon=epsilon, generator=rng(5))
    value = adversary.loss(lambda z: model(z), table(ids), labels, mask=mask)
    assert value.item() == pytest.approx(sum(values) / steps)
    torch.testing.assert_close(grads(model), grads(other))
    torch.testing.assert_close(table.weight.grad, other_table.weight.grad)
    again = FreeLB(steps=steps, step_size=0.2, init=0.3, epsilon=epsilon, generator=rng(5))
    last = again.perturb(lambda z: nn.functional.cross_entropy(model(z), labels), table(ids), mask=mask)
    torch.testing.assert_close(last, table(ids) + delta)


def test_gradients_are_added_and_the_clean_graph_stays_usable():
    x, labels, _ = sequences()
    model = Pooled()
    scale = nn.Parameter(torch.ones(()))
    embedded = x * scale
    FreeLB(steps=2).loss(model, embedded, labels)
    once, at_scale = grads(model), scale.grad.clone()
    nn.functional.cross_entropy(model(embedded), labels).backward()
    _, wanted = plain(model, x, labels)
    torch.testing.assert_close(grads(model), [a + b for a, b in zip(once, wanted, strict=True)])
    assert not torch.equal(scale.grad, at_scale)


def test_the_start_is_as_long_as_init_says_and_within_the_ball():
    x, _, mask = sequences(n=8, length=40, width=20)
    start = FreeLB(steps=1, init=0.6, generator=rng()).perturb(lambda z: z.sum(), x, mask=mask) - x
    torch.testing.assert_close(start.flatten(1).norm(dim=1), torch.full((8,), 0.6 / 3**0.5), rtol=0.1, atol=0)
    assert not start[~mask].any()
    largest = (0.6 / (mask.sum(1) * 20).sqrt())[:, None, None]
    assert (start.abs() <= largest + 1e-6).all()
    short = FreeLB(steps=3, init=0.6, epsilon=0.1, generator=rng()).perturb(lambda z: z.sum(), x, mask=mask) - x
    assert (short.flatten(1).norm(dim=1) <= 0.1 + 1e-5).all()


def test_the_shares_go_through_the_callers_backward():
    x, labels, _ = sequences()
    model = Pooled()
    seen = []

    def twice(part):
        seen.append(part.item())
        (2 * part).backward()

    value = FreeLB(steps=3, backward=twice).loss(model, x, labels)
    assert sum(seen) == pytest.approx(value.item())
    doubled = grads(model)
    model.zero_grad()
    FreeLB(steps=3).loss(model, x, labels)
    torch.testing.assert_close(doubled, [2 * g for g in grads(model)])


def test_a_model_that_does_not_look():
    bias = nn.Parameter(torch.tensor([0.0, 1.0, 2.0]))
    x, labels, _ = sequences()
    value = make("free_lb").loss(lambda z: bias.expand(len(z), 3), x.requires_grad_(), labels)
    torch.testing.assert_close(value, nn.functional.cross_entropy(bias.detach().expand(4, 3), labels))
    assert bias.grad.any()


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        FreeLB(steps=0)
    with pytest.raises(ValueError, match="init > 0 needs a generator"):
        FreeLB(init=0.1)
    for name in ("step_size", "init", "epsilon"):
        with pytest.raises(ValueError, match=f"{name} must be finite and >= 0"):
            FreeLB(**{name: -1.0})
