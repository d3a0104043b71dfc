"""SupReMix: hand values, SupCon without mixtures, units of the target, what has gradient, training."""

import math

import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss as PeerSupCon

from core.losses import SupReMixLoss, sup_con, supremix
from core.samplers import OrdinalMixup
from tests.core.diabetes import Diabetes, encoder, scores
from tests.core.digits import train
from tests.core.losses import target_oracles

EXAMPLE = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=torch.float64)
AGES = torch.tensor([10.0, 10.0, 12.0], dtype=torch.float64)


def rows(n, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixer(window=3.0, **settings):
    return OrdinalMixup(window, generator=torch.Generator().manual_seed(5), **settings)


def test_the_worked_example():
    def first(**settings):
        return float(supremix(EXAMPLE, AGES, temperature=1.0, reduction="none", **settings)[0])

    assert first(mixer=None, magnify=None) == pytest.approx(0.371101, abs=5e-7)
    assert first(mixer=None) == pytest.approx(0.853558, abs=5e-7)
    # So many draws that lam is 0.2 but for its sixth digit: similarity 0.2, label 11.6, weight 2.6.
    fixed = OrdinalMixup(None, beta=(2e13, 8e13), mix_pos=False)
    assert first(mixer=fixed) == pytest.approx(1.328373, abs=2e-6)


@pytest.mark.parametrize("views", [1, 2])
def test_without_mixtures_and_weights_it_is_sup_con(views):
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 3])
    z = rows(7 * views).reshape(views, 7, 4)
    found = supremix(z, 1.5 * labels.double(), temperature=0.1, mixer=None, magnify=None)
    torch.testing.assert_close(found, sup_con(z, labels, temperature=0.1))
    torch.testing.assert_close(found, PeerSupCon(temperature=0.1)(z.flatten(0, 1), labels.repeat(views)))
    huge = supremix(z, 1.5 * labels.double(), temperature=0.1, mixer=None, label_scale=1e12)  # every weight is 1
    torch.testing.assert_close(huge, found)


def test_every_added_mixture_raises_the_denominator():
    z, y = rows(9).reshape(1, 9, 4).repeat(2, 1, 1), torch.arange(9.0).double()
    values = [
        supremix(z, y, mixer=m, reduction="none") for m in (None, mixer(mix_pos=False, max_neg=1), mixer(mix_pos=False))
    ]
    assert (values[0] < values[1]).all()
    assert (values[1] < values[2]).all()


def test_mix_positives_count_as_positives_and_stay_in_the_denominator():
    """y = 8, 10, 13: the middle row's only positive is a mixture, 0.6 of the first and 0.4 of the last row."""
    z, y = rows(3), torch.tensor([8.0, 10.0, 13.0], dtype=torch.float64)
    f = z / z.norm(dim=1, keepdim=True)
    positive = f[1] @ (0.6 * f[0] + 0.4 * f[2])
    logits = torch.stack([f[1] @ f[0] + math.log(3), f[1] @ f[2] + math.log(4), positive])
    terms = supremix(z, y, temperature=1.0, mixer=mixer(4.0, mix_neg=False), reduction="none")
    torch.testing.assert_close(terms, torch.stack([z.sum() * 0, logits.logsumexp(0) - positive, z.sum() * 0]))
    torch.testing.assert_close(supremix(z, y, temperature=1.0, mixer=mixer(4.0, mix_neg=False)), terms[1])
    # The window is open: 13 is 3 away.
    assert not supremix(z, y, mixer=mixer(3.0, mix_neg=False), reduction="none").any()


def test_real_rows_and_mixtures_share_one_log_sum_exp():
    """The authors' code shifts the two groups by maxima of their own, which rescales them against each other."""
    z, y = rows(6), torch.tensor([1.0, 1.0, 2.0, 2.0, 3.0, 3.0], dtype=torch.float64)
    found = supremix(z, y, temperature=0.02, mixer=mixer(), reduction="none")
    torch.testing.assert_close(found, target_oracles.supremix(z, y, 0.02, mixer(), magnify="l1"), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("magnify", ["l1", "l2"])
def test_shift_and_unit_of_the_targets_do_not_matter(magnify):
    z, y = rows(16).reshape(2, 8, 4), torch.tensor([0.0, 1.0, 1.0, 2.0, 4.0, 7.0, 8.0, 8.0], dtype=torch.float64)
    value = supremix(z, y, mixer=mixer(3.0), magnify=magnify)
    torch.testing.assert_close(supremix(z, y + 64, mixer=mixer(3.0), magnify=magnify), value)
    scaled = supremix(z, 4 * y, mixer=mixer(12.0), magnify=magnify, label_scale=4.0)
    torch.testing.assert_close(scaled, value)
    assert float((supremix(z, 4 * y, mixer=mixer(12.0), magnify=magnify) - value).abs()) > 1e-3


def test_permutation_of_rows_without_draws():
    z, y = rows(8), torch.tensor([0.0, 1.0, 1.0, 2.0, 4.0, 7.0, 8.0, 8.0], dtype=torch.float64)
    order = torch.tensor([4, 0, 6, 2, 7, 5, 1, 3])
    plain = mixer(mix_neg=False, max_pos=None)
    torch.testing.assert_close(supremix(z[order], y[order], mixer=plain), supremix(z, y, mixer=plain))


def test_mixtures_are_constants_unless_asked():
    """One anchor's term: with constant mixtures, rows that only mixtures hold get their gradient from Z alone."""
    z, y = rows(3).requires_grad_(), torch.tensor([8.0, 10.0, 13.0], dtype=torch.float64)

    def gradient(detach):
        made = OrdinalMixup(4.0, mix_neg=False, detach=detach)
        term = supremix(z, y, temperature=1.0, mixer=made, magnify=None, reduction="none")[1]
        return torch.autograd.grad(term, z)[0]

    def by_hand(stop):
        f = z / z.norm(dim=1, keepdim=True)
        mixed = 0.6 * f[0] + 0.4 * f[2]
        logits = [f[1] @ f[0], f[1] @ f[2], f[1] @ (mixed.detach() if stop else mixed)]
        return torch.autograd.grad(torch.stack(logits).logsumexp(0) - logits[2], z)[0]

    torch.testing.assert_close(gradient(True), by_hand(True))
    torch.testing.assert_close(gradient(False), by_hand(False))
    assert float((by_hand(True) - by_hand(False)).abs().max()) > 1e-2


def test_the_backward_pass_sees_the_draws_of_the_forward_pass():
    """Blocks are computed again; were lam drawn anew, the gradient would be that of another loss."""
    z, y = rows(300, seed=1).requires_grad_(), torch.arange(300.0).double()
    made = mixer(4.0, max_neg=3)
    value = supremix(z, y, mixer=made)
    gradient = torch.autograd.grad(value, z)[0]
    step = rows(300, seed=2)
    # With mixtures as constants a difference quotient does not apply; through all it does.
    through = [supremix(z.detach() + h * step, y, mixer=mixer(4.0, max_neg=3, detach=False)) for h in (1e-6, -1e-6)]
    exact = torch.autograd.grad(supremix(z, y, mixer=mixer(4.0, max_neg=3, detach=False)), z)[0]
    assert float((through[0] - through[1]) / 2e-6) == pytest.approx(float((exact * step).sum()), rel=1e-5)
    assert not torch.allclose(gradient, exact)


def test_equal_seeds_give_equal_numbers_and_each_call_draws_anew():
    z, y = rows(9), torch.arange(9.0).double() // 2
    first, second = (SupReMixLoss(mixer=mixer()) for _ in range(2))
    values = [float(first(z, y)) for _ in range(2)]
    assert values == [float(second(z, y)) for _ in range(2)]
    assert values[0] != values[1]


def test_without_any_positive_the_loss_is_zero_with_a_zero_gradient():
    z = rows(3).requires_grad_()
    value = supremix(z, torch.tensor([0.0, 100.0, 300.0]))
    value.backward()
    assert value.item() == 0
    assert not z.grad.any()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="label_scale must be finite and > 0, got 0"):
        SupReMixLoss(label_scale=0.0)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_weight_is_named():
    with pytest.raises(ValueError, match="magnify must be one of 'l1', 'l2', None, got 'l3'"):
        SupReMixLoss(magnify="l3")


def test_a_short_training_run_beats_its_untrained_start_and_sup_con():
    """Targets as they are, of which no two need be equal: SupCon is left with a row's other view.

    In standard units, so the window is 0.5. With targets rounded to half a unit SupCon does as well.
    """
    data = Diabetes.load()

    def run(loss):
        model, draw = encoder(), torch.Generator().manual_seed(0)

        def step(_):
            views, targets = data.batch(64, draw)
            return loss(model(views), targets)

        train([model], step, steps=80)
        return scores(model, data, distance="cosine")

    start_error, start_order = scores(encoder(), data, distance="cosine")
    error, order = run(SupReMixLoss(mixer=mixer(0.5)))
    sup_con_error, sup_con_order = run(SupReMixLoss(mixer=None, magnify=None))
    assert error < start_error - 0.03
    assert order > start_order + 0.15
    assert error < sup_con_error
    assert order > sup_con_order + 0.1
