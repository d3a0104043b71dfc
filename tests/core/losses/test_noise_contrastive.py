"""Binary NCE: hand values, cross-entropy, what its minimiser estimates, with and without the noise's probabilities."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from core.losses import BinaryNCELoss, binary_discrimination, binary_nce

TRUE, NOISE = torch.tensor([1.0]), torch.tensor([-0.5, 0.2])


def scores(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_hand_values():
    assert float(binary_nce(TRUE, NOISE, reduction="sum")) == pytest.approx(1.585478, abs=1e-6)
    assert float(binary_nce(TRUE, NOISE)) == pytest.approx(0.528493, abs=1e-6)
    uniform = binary_nce(TRUE, NOISE, reduction="sum", noise_log_prob=math.log(0.1))  # every score moves by -log 0.2
    assert float(uniform) == pytest.approx(3.426502, abs=1e-6)


def test_a_matcher_that_cannot_tell():
    """6 perturbed and 20 other tuples a tuple, every answer 0.5."""
    positive, negative = torch.zeros(3, 6), torch.zeros(3, 20)
    assert float(binary_nce(positive, negative, reduction="sum")) == pytest.approx(3 * 26 * math.log(2), rel=1e-6)
    assert float(binary_nce(positive, negative)) == pytest.approx(math.log(2), rel=1e-6)
    assert float(binary_nce(positive, negative, mean_over="kinds")) == pytest.approx(2 * math.log(2), rel=1e-6)


def test_it_is_the_cross_entropy_of_the_same_labels():
    positive, negative = scores(4, 6), scores(4, 20, seed=1)
    joined = torch.cat([positive.flatten(), negative.flatten()])
    labels = torch.cat([torch.ones(24), torch.zeros(80)]).double()
    for reduction in ("mean", "sum", "none"):
        expected = cross_entropy(joined, labels, reduction=reduction)
        torch.testing.assert_close(BinaryNCELoss(reduction=reduction)(positive, negative), expected)


def test_the_mean_over_kinds_is_that_of_density_ratios_and_twice_binary_discrimination():
    positive, negative = scores(4), scores(4, 9, seed=1)
    expected = (1 + (-positive).exp()).log().mean() + (1 + negative.exp()).log().mean()  # f = e^g
    found = BinaryNCELoss(mean_over="kinds")(positive, negative)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found, 2 * binary_discrimination(positive, negative))


def test_the_correction_is_a_shift_by_log_kq_of_each_item():
    positive, negative = scores(4), scores(4, 3, seed=1)
    q = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    items = torch.tensor([[0, 1, 1], [2, 3, 0], [1, 0, 2], [3, 3, 1]])
    noise = q.log(), q[items].log()
    found = BinaryNCELoss(reduction="none")(positive, negative, noise_log_prob=noise)
    shifted = positive - (3 * q).log(), negative - (3 * q[items]).log()
    torch.testing.assert_close(found, binary_nce(*shifted, reduction="none"))
    twice = binary_nce(positive, negative, reduction="none", noise_log_prob=noise, noise_ratio=6.0)
    shifted = positive - (6 * q).log(), negative - (6 * q[items]).log()
    torch.testing.assert_close(twice, binary_nce(*shifted, reduction="none"))
    assert not torch.allclose(found, twice)


def test_a_setting_for_uniform_noise_and_what_the_call_says_goes_first():
    loss = BinaryNCELoss(noise_log_prob=math.log(0.1), reduction="sum")
    assert float(loss(TRUE, NOISE)) == pytest.approx(3.426502, abs=1e-6)
    neutral = torch.full((), math.log(0.5))  # K q = 1
    assert float(loss(TRUE, NOISE, noise_log_prob=(neutral, neutral))) == pytest.approx(1.585478, abs=1e-6)


def test_a_constant_changes_it():
    assert float(binary_nce(TRUE + 5, NOISE + 5)) != pytest.approx(float(binary_nce(TRUE, NOISE)), abs=0.1)


def minimise(loss, table, steps=400):
    optimizer = torch.optim.LBFGS([table], max_iter=steps, tolerance_grad=1e-10, tolerance_change=1e-14)

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return table.detach()


def draws(counts):
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def test_a_free_table_learns_the_density_ratio():
    """Counts of next states for two state-action pairs, against another distribution of negatives."""
    real, noise = [[6, 3, 1], [1, 1, 8]], [5, 3, 2]
    table = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    positive = torch.cat([draws(row) + 3 * i for i, row in enumerate(real)])
    negative = torch.cat([draws(noise) + 3 * i for i in range(2)])
    loss = BinaryNCELoss(mean_over="kinds")
    found = minimise(lambda: loss(table.view(-1)[positive], table.view(-1)[negative]), table).exp()
    expected = torch.tensor(real, dtype=torch.float64) / torch.tensor(noise)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    normaliser = (found * torch.tensor(noise) / 10).sum(dim=1)  # sum over s' of P_neg f
    torch.testing.assert_close(normaliser, torch.ones(2, dtype=torch.float64), rtol=1e-3, atol=1e-3)


def test_with_the_correction_the_table_learns_normalised_log_probabilities():
    real, noise = [6, 3, 1], [15, 9, 6]  # K = 3 noise pairs a true one
    table = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    positive, negative = draws(real), draws(noise)
    q = torch.tensor(noise, dtype=torch.float64) / 30
    logs = q[positive].log(), q[negative].log()
    found = minimise(lambda: binary_nce(table[positive], table[negative], noise_log_prob=logs), table)
    torch.testing.assert_close(found.exp(), torch.tensor([0.6, 0.3, 0.1]).double(), rtol=1e-3, atol=1e-3)


def test_extreme_scores_half_precision_and_gradients():
    positive = torch.tensor([1e4, -1e4], requires_grad=True)
    value = binary_nce(positive, torch.tensor([-1e4, -1e4]))
    value.backward()
    assert value.item() == pytest.approx(1e4 / 4)
    assert positive.grad.tolist() == [0.0, -0.25]
    half = binary_nce(scores(3).bfloat16(), scores(5).bfloat16(), noise_log_prob=-2.0)
    assert half.dtype == torch.float32
    leaves = scores(3).requires_grad_(), scores(3, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, n: binary_nce(p, n, noise_log_prob=-1.0), leaves)


def test_the_settings_are_shown():
    shown = repr(BinaryNCELoss(mean_over="kinds", noise_log_prob=-2.5, noise_ratio=4.0))
    for part in ("reduction='mean'", "mean_over='kinds'", "noise_log_prob=-2.5", "noise_ratio=4.0"):
        assert part in shown
    assert BinaryNCELoss().state_dict() == {}


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    with pytest.raises(TypeError, match=r"negative_scores must be a floating tensor, got torch\.int64"):
        binary_nce(TRUE, NOISE.long())
    with pytest.raises(ValueError, match="positive_scores must hold at least one score"):
        binary_nce(TRUE[:0], NOISE)
    with pytest.raises(ValueError, match="mean_over must be one of 'pairs', 'kinds', got 'rows'"):
        BinaryNCELoss(mean_over="rows")
    with pytest.raises(ValueError, match="mean_over='kinds' says how to average and needs reduction='mean', got 'sum'"):
        BinaryNCELoss(mean_over="kinds", reduction="sum")
    with pytest.raises(ValueError, match="reduction must be one of"):
        BinaryNCELoss(reduction="median")
    with pytest.raises(ValueError, match="noise_ratio must be finite and > 0, got 0"):
        BinaryNCELoss(noise_log_prob=-1.0, noise_ratio=0)
    with pytest.raises(ValueError, match="noise_ratio corrects for the noise together with noise_log_prob"):
        BinaryNCELoss(noise_ratio=2.0)(TRUE, NOISE)
    with pytest.raises(ValueError, match="noise_log_prob must be finite, got -inf"):
        BinaryNCELoss(noise_log_prob=-math.inf)
    with pytest.raises(ValueError, match=r"noise_log_prob must broadcast to the scores, shape \(2,\), got \(3,\)"):
        binary_nce(TRUE, NOISE, noise_log_prob=(torch.zeros(1), torch.zeros(3)))
    with pytest.raises(TypeError, match=r"noise_log_prob must hold floating tensors, got torch\.int64"):
        binary_nce(TRUE, NOISE, noise_log_prob=(torch.zeros(1).long(), torch.zeros(2)))
