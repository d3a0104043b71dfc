"""R-Drop: hand values, both forms, regression, the symmetric KL, a real training run."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import nn

from core.losses import RDropLoss, r_drop, symmetric_kl

HAND = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
ZERO = torch.tensor([0])


def batch(n=6, c=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, n, c, generator=g, dtype=torch.float64)
    return first, second, torch.randint(0, c, (n,), generator=g)


def by_hand(first, second, label, alpha, form):
    """One row, with plain sums in float64."""
    p, q = (z.exp() / z.exp().sum() for z in (first, second))
    fit = -p[label].log() - q[label].log()
    divergence = sum(p[c] * (p[c] / q[c]).log() + q[c] * (q[c] / p[c]).log() for c in range(len(p)))
    return (fit / 2 if form == "mean" else fit) + alpha * divergence / 2


def test_hand_values():
    """KLs 0.327813 and 0.433781, cross-entropies 0.126928 and 0.693147."""
    assert float(symmetric_kl(*HAND)) == pytest.approx(0.327813 + 0.433781, abs=2e-6)
    assert float(r_drop(*HAND, ZERO, alpha=0.0, form="sum")) == pytest.approx(0.126928 + 0.693147, abs=2e-6)
    assert float(r_drop(*HAND, ZERO)) == pytest.approx(0.790835, abs=1e-6)
    assert float(r_drop(*HAND, ZERO, form="sum")) == pytest.approx(1.200872, abs=1e-6)


@given(seed=st.integers(0, 1000), alpha=st.floats(0, 5), form=st.sampled_from(["mean", "sum"]))
@settings(max_examples=20, deadline=None)
def test_against_a_loop_of_the_equation(seed, alpha, form):
    first, second, labels = batch(seed=seed)
    expected = torch.stack([by_hand(first[i], second[i], labels[i], alpha, form) for i in range(6)])
    torch.testing.assert_close(r_drop(first, second, labels, alpha=alpha, form=form, reduction="none"), expected)
    torch.testing.assert_close(RDropLoss(alpha=alpha, form=form)(first, second, labels), expected.mean())
    summed = RDropLoss(alpha=alpha, form=form, reduction="sum")(second, first, labels)  # the passes are equals
    torch.testing.assert_close(summed, expected.sum())


def test_passes_that_agree_cost_the_plain_loss():
    first, _, labels = batch()
    plain = nn.functional.cross_entropy(first, labels)
    torch.testing.assert_close(r_drop(first, first, labels, alpha=3.0), plain)
    torch.testing.assert_close(r_drop(first, first, labels, alpha=3.0, form="sum"), 2 * plain)
    shifted = first + torch.arange(6.0)[:, None]  # softmax does not see it
    torch.testing.assert_close(r_drop(first, shifted, labels, alpha=3.0), plain)


def test_alpha_of_the_two_forms_differs_by_two():
    first, second, labels = batch()
    doubled = 2 * r_drop(first, second, labels, alpha=0.7)
    torch.testing.assert_close(r_drop(first, second, labels, alpha=1.4, form="sum"), doubled)


def test_regression_fits_both_passes():
    first, second, targets = (torch.randn(5, 1, generator=torch.Generator().manual_seed(s)).double() for s in range(3))
    a, b, y = ([float(v) for v in t] for t in (first, second, targets))
    for form, half in (("mean", 0.5), ("sum", 1.0)):
        expected = [half * ((a[i] - y[i]) ** 2 + (b[i] - y[i]) ** 2) + 0.3 * (a[i] - b[i]) ** 2 for i in range(5)]
        found = RDropLoss(alpha=0.3, form=form, task="regression", reduction="none")(first, second, targets)
        assert found.tolist() == pytest.approx(expected)


def test_gradient_flows_both_ways():
    first, second, labels = batch(3, 3)
    targets = first + 1
    leaves = first.clone().requires_grad_(), second.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: r_drop(a, b, labels, alpha=0.7), leaves)
    assert torch.autograd.gradcheck(lambda a, b: r_drop(a, b, targets, task="regression"), leaves)


def test_symmetric_kl_properties():
    first, second, _ = batch(50)
    value = symmetric_kl(first, second, reduction="none")
    assert (value > 0).all()
    assert torch.equal(value, symmetric_kl(second, first, reduction="none"))
    assert not symmetric_kl(first, first, reduction="none").any()
    near = first.float() + 1e-3
    assert (symmetric_kl(first.float(), near, reduction="none") >= 0).all()


def test_stopped_weights_keep_the_value_and_send_the_difference_of_the_probabilities():
    first, second, _ = batch()
    leaves = first.requires_grad_(), second.requires_grad_()
    value = symmetric_kl(*leaves, stop_weights=True, reduction="sum")
    torch.testing.assert_close(value, symmetric_kl(*leaves, reduction="sum"))
    p, q = (z.detach().softmax(1) for z in leaves)
    torch.testing.assert_close(torch.autograd.grad(value, leaves), (p - q, q - p))


def test_masked_tokens_do_not_count():
    first, second = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, False], [True, False, False]])
    rows = symmetric_kl(first, second, mask=mask, reduction="none")
    assert rows.shape == (2, 3)
    assert not rows[~mask].any()
    torch.testing.assert_close(symmetric_kl(first, second, mask=mask), rows.sum() / 3)
    torch.testing.assert_close(symmetric_kl(first, second, mask=mask, reduction="sum"), rows.sum())
    other = torch.where(mask[..., None], second, 9.0)
    torch.testing.assert_close(symmetric_kl(first, other, mask=mask), symmetric_kl(first, second, mask=mask))


def test_extreme_logits_and_bfloat16():
    far = torch.tensor([[300.0, -300.0]]), torch.tensor([[-300.0, 300.0]])
    for dtype in (torch.float32, torch.bfloat16):
        first, second = (z.detach().to(dtype).requires_grad_() for z in far)
        value = r_drop(first, second, ZERO)
        value.backward()
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(300 + 600)
        assert first.grad.isfinite().all()
    a, b, labels = batch(40, 10)
    a, b = a.bfloat16(), b.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = r_drop(a, b, labels)
    torch.testing.assert_close(value.double(), r_drop(a.double(), b.double(), labels), rtol=1e-5, atol=1e-6)


def test_a_single_row():
    first, second, labels = batch(1)
    assert r_drop(first, second, labels).isfinite()


def test_training_on_digits_beats_the_untrained_start_and_makes_the_passes_agree():
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    found = {}
    for alpha in (0.0, 2.0):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))
        start = float((model.eval()(x[1000:]).argmax(1) == y[1000:]).float().mean())
        loss, optimizer = RDropLoss(alpha=alpha), torch.optim.Adam(model.parameters(), lr=0.02)
        model.train()
        for _ in range(40):
            optimizer.zero_grad()
            loss(model(x[:1000]), model(x[:1000]), y[:1000]).backward()
            optimizer.step()
        with torch.no_grad():
            apart = float(symmetric_kl(model(x[1000:]), model(x[1000:])))
        assert float((model.eval()(x[1000:]).argmax(1) == y[1000:]).float().mean()) > start + 0.5
        found[alpha] = apart
    assert found[2.0] < found[0.0]


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    first, second, labels = batch()
    with pytest.raises(ValueError, match=r"alpha must be finite and >= 0, got -1\.0"):
        RDropLoss(alpha=-1.0)
    with pytest.raises(ValueError, match="alpha must be finite"):
        r_drop(first, second, labels, alpha=math.nan)
    with pytest.raises(ValueError, match="form must be one of 'mean', 'sum'"):
        RDropLoss(form="readme")
    with pytest.raises(ValueError, match="task must be one of"):
        RDropLoss(task="ranking")
    with pytest.raises(ValueError, match="reduction must be one of"):
        RDropLoss(reduction="max")
    with pytest.raises(ValueError, match="first and second must have the same shape"):
        r_drop(first, second[:3], labels)
    with pytest.raises(ValueError, match="use task='regression'"):
        r_drop(first[:, :1], second[:, :1], labels)
    with pytest.raises(TypeError, match="labels must be int64"):
        r_drop(first, second, labels.float())
    with pytest.raises(TypeError, match="labels of a regression must be floating"):
        r_drop(first, second, labels, task="regression")
    with pytest.raises(ValueError, match="labels of a regression must have shape"):
        r_drop(first, second, labels.double(), task="regression")
    with pytest.raises(ValueError, match="the number of rows must be at least 1"):
        r_drop(first[:0], second[:0], labels[:0])
    with pytest.raises(ValueError, match="one class has no divergence"):
        symmetric_kl(first[:, :1], second[:, :1])
    with pytest.raises(ValueError, match="first and second must have the same shape"):
        symmetric_kl(first, second[:3])
    with pytest.raises(ValueError, match=r"mask must have shape \(6,\)"):
        symmetric_kl(first, second, mask=torch.ones(5, dtype=torch.bool))
    with pytest.raises(ValueError, match="the number of rows that count must be at least 1"):
        symmetric_kl(first, second, mask=torch.zeros(6, dtype=torch.bool))
