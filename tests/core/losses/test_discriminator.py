"""Binary discrimination: against torch's own cross-entropy, InfoGraph's form, the limits."""

import math

import pytest
import torch

from core.losses import BinaryDiscriminationLoss, binary_discrimination


def logits(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_equal_counts_are_dgi_s_cross_entropy():
    positive, negative = logits(7), logits(7, seed=1)
    target = torch.cat([torch.ones(7), torch.zeros(7)]).double()
    joined = torch.cat([positive, negative])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(joined, target)
    torch.testing.assert_close(BinaryDiscriminationLoss()(positive, negative), expected)
    for reduction in ("sum", "none"):
        expected = torch.nn.functional.binary_cross_entropy_with_logits(joined, target, reduction=reduction)
        torch.testing.assert_close(BinaryDiscriminationLoss(reduction=reduction)(positive, negative), expected)


def test_unequal_counts_weigh_the_same_and_give_infograph_s_form():
    positive, negative = logits(4), logits(4, 9, seed=1)
    jensen_shannon = (math.log(2) - torch.log1p(torch.exp(-positive))).mean()
    jensen_shannon = jensen_shannon - (torch.log1p(torch.exp(-negative)) + negative - math.log(2)).mean()
    found = 2 * binary_discrimination(positive, negative) - 2 * math.log(2)
    torch.testing.assert_close(found, -jensen_shannon)


def test_extreme_logits_are_finite_and_right():
    positive = torch.tensor([1e4, -1e4], requires_grad=True)
    value = binary_discrimination(positive, torch.tensor([-1e4]))
    value.backward()
    assert value.item() == pytest.approx(1e4 / 4)
    assert positive.grad.tolist() == [0.0, -0.25]


def test_gradcheck_and_half_precision():
    positive, negative = logits(3).requires_grad_(), logits(5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(binary_discrimination, (positive, negative))
    half = binary_discrimination(positive.bfloat16(), negative.bfloat16())
    assert half.dtype == torch.float32


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    with pytest.raises(TypeError, match="negative_logits must be a floating tensor"):
        binary_discrimination(torch.zeros(2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="positive_logits must hold at least one logit"):
        binary_discrimination(torch.zeros(0), torch.zeros(2))
    with pytest.raises(ValueError, match="reduction must be one of"):
        BinaryDiscriminationLoss(reduction="max")
