"""Label matching: the binary form of input-label contrast, against binary NCE and torch's cross-entropy."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from core.losses import LabelMatchingLoss, binary_nce, label_matching


def logits(n=4, c=5):
    return 3 * torch.randn(n, c, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


HOT = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]]).bool()
INDICES = torch.tensor([[0, 3, -1, -1, -1], [-1] * 5, [4, 3, 2, 1, 0], [2, -1, -1, -1, -1]])


@pytest.mark.parametrize("targets", [HOT, INDICES], ids=["mask", "indices"])
def test_sums_over_labels_are_cross_entropies(targets):
    g = logits()
    expected = cross_entropy(g, HOT.double(), reduction="none").sum(dim=1)
    torch.testing.assert_close(LabelMatchingLoss(reduction="none")(g, targets), expected)
    torch.testing.assert_close(LabelMatchingLoss()(g, targets), expected.mean())
    total = binary_nce(g[HOT], g[~HOT], reduction="sum")
    torch.testing.assert_close(label_matching(g, targets, reduction="sum"), total)


def test_one_label_each():
    g, targets = logits(), torch.tensor([1, 0, 4, 2])
    expected = label_matching(g, torch.nn.functional.one_hot(targets, 5).bool())
    torch.testing.assert_close(label_matching(g, targets), expected)
    assert float(label_matching(torch.zeros(3, 7), torch.tensor([0, 1, 2]))) == pytest.approx(7 * math.log(2), rel=1e-6)


def test_permuting_labels_changes_nothing_and_gradients_hold():
    g, order = logits().requires_grad_(), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(label_matching(g[:, order], HOT[:, order]), label_matching(g, HOT))
    assert torch.autograd.gradcheck(lambda x: label_matching(x, HOT), (g,))
    extreme = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    value = label_matching(extreme, torch.tensor([1]))
    value.backward()
    assert value.item() == pytest.approx(2e4 + math.log(2))
    assert extreme.grad.tolist() == [[1.0, -1.0, 0.5]]
    assert label_matching(logits().bfloat16(), HOT).dtype == torch.float32


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    with pytest.raises(TypeError, match="logits must be a floating tensor"):
        label_matching(logits().long(), HOT)
    with pytest.raises(ValueError, match="logits must have 2 axes"):
        label_matching(logits()[0], HOT)
    with pytest.raises(ValueError, match="the number of inputs must be at least 1"):
        label_matching(logits()[:0], HOT[:0])
    with pytest.raises(TypeError, match="targets must be int64 indices"):
        label_matching(logits(), HOT.double())
    with pytest.raises(ValueError, match="reduction must be one of"):
        LabelMatchingLoss(reduction="median")
    assert "reduction='sum'" in repr(LabelMatchingLoss(reduction="sum"))
