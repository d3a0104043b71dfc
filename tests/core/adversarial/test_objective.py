"""The objectives: values by loops, masks, ignored labels, rounding, what is refused."""

import pytest
import torch
from torch import nn

from core.adversarial.objective import score
from tests.core.adversarial.toys import rng


def logits(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def by_hand(output, reference, objective):
    """One term of two rows of logits, or of logits and a label, with plain sums."""
    q = output.exp() / output.exp().sum()
    if objective == "cross_entropy":
        return -q[reference].log()
    p = reference.exp() / reference.exp().sum()
    if objective == "squared_error":
        return sum((a - b) ** 2 for a, b in zip(output, reference, strict=True)) / len(output)
    forward = sum(p[c] * (p[c] / q[c]).log() for c in range(len(p)))
    backward = sum(q[c] * (q[c] / p[c]).log() for c in range(len(p)))
    return forward if objective == "kl" else forward + backward


@pytest.mark.parametrize("objective", ["cross_entropy", "kl", "symmetric_kl", "stopped_symmetric_kl", "squared_error"])
def test_values_per_token_with_padding(objective):
    output = logits(3, 4, 5)
    labels = torch.randint(0, 5, (3, 4), generator=rng(2))
    reference = labels if objective == "cross_entropy" else logits(3, 4, 5, seed=1)
    mask = torch.tensor([[True, True, False, False], [True, True, True, True], [True, False, False, False]])
    terms = [by_hand(output[i, t], reference[i, t], objective) for i, t in mask.nonzero().tolist()]
    found = score(output, reference, objective=objective, mask=mask)
    torch.testing.assert_close(found, sum(terms) / 7)
    total = score(output, reference, objective=objective, mask=mask, reduction="sum")
    torch.testing.assert_close(total, sum(terms))
    everything = [by_hand(output[i, t], reference[i, t], objective) for i in range(3) for t in range(4)]
    torch.testing.assert_close(score(output, reference, objective=objective), sum(everything) / 12)


def test_a_token_mask_leaves_terms_per_sample_alone():
    output, labels = logits(3, 5), torch.tensor([0, 4, 2])
    mask = torch.zeros(3, 4, dtype=torch.bool)
    mask[:, 0] = True
    plain = score(output, labels, objective="cross_entropy")
    torch.testing.assert_close(score(output, labels, objective="cross_entropy", mask=mask), plain)


def test_labels_of_minus_100_do_not_count():
    output, labels = logits(2, 3, 5), torch.tensor([[1, -100, 2], [-100, -100, 0]])
    expected = nn.functional.cross_entropy(output.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(score(output, labels, objective="cross_entropy"), expected)
    with pytest.raises(ValueError, match="everything is masked"):
        score(output, torch.full((2, 3), -100), objective="cross_entropy")


def test_small_divergences_keep_their_digits():
    """Logits 1e-3 apart: about 1e-7, below the rounding of the terms of the plain formula."""
    first = torch.randn(200, 9, generator=rng())
    second = first + 1e-3 * torch.randn(200, 9, generator=rng(1))
    for objective in ("kl", "symmetric_kl"):
        exact = score(second.double(), first.double(), objective=objective)
        assert float(score(second, first, objective=objective)) == pytest.approx(float(exact), rel=0.01)
        assert score(first, first, objective=objective) == 0


@pytest.mark.parametrize("objective", ["kl", "symmetric_kl", "stopped_symmetric_kl"])
def test_extreme_logits_are_finite(objective):
    far = torch.tensor([[500.0, -500.0, 0.0]]), torch.tensor([[-500.0, 500.0, 0.0]])
    for dtype in (torch.float32, torch.bfloat16):
        output = far[0].detach().to(dtype).requires_grad_()
        value = score(output, far[1].to(dtype), objective=objective)
        value.backward()
        assert 900 < value.item() < 2100
        assert output.grad.isfinite().all()


def test_the_kl_has_the_right_gradient():
    output, reference = logits(2, 4).requires_grad_(), logits(2, 4, seed=1)
    (grad,) = torch.autograd.grad(score(output, reference, objective="kl", reduction="sum"), output)
    torch.testing.assert_close(grad, (output.softmax(1) - reference.softmax(1)).detach())
    assert torch.autograd.gradcheck(lambda z: score(z, reference, objective="symmetric_kl"), output)


def test_a_callable_may_return_terms_or_a_scalar():
    output, reference = logits(4, 3), logits(4, 3, seed=1)
    terms = score(output, reference, objective=lambda a, b: (a - b).abs().sum(1))
    scalar = score(output, reference, objective=lambda a, b: (a - b).abs().sum(1).mean(), reduction="sum")
    torch.testing.assert_close(terms, scalar)


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_named():
    output = logits(3, 5)
    with pytest.raises(ValueError, match=r"reference must be int64 labels of shape \(3,\)"):
        score(output, logits(3, 5), objective="cross_entropy")
    with pytest.raises(ValueError, match=r"reference must have the output's shape \(3, 5\) for objective='kl'"):
        score(output, logits(3, 4), objective="kl")
    with pytest.raises(TypeError, match="reference must be a floating tensor"):
        score(output, torch.zeros(3, 5, dtype=torch.int64), objective="kl")
    with pytest.raises(TypeError, match="the output of forward must be a floating tensor"):
        score(output.long(), output, objective="kl")
    with pytest.raises(ValueError, match="everything is masked"):
        score(output, torch.tensor([0, 1, 2]), objective="cross_entropy", mask=torch.zeros(3, dtype=torch.bool))
