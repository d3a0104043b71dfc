"""SupCon: both variants against loops and pytorch-metric-learning, anchors without positives, groups of any size."""

import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SupConLoss as PeerSupCon

from core.losses import SupConLoss, nt_xent, sup_con
from core.losses.group_logsumexp import BATCHED_SIZE, group_logsumexp
from tests.core.losses import oracles

LONELY = torch.tensor([0, 1, 0, 2, 1, 0, 3])  # rows 3 and 6 have no positive


def rows(n, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("variant", ["out", "in"])
@given(labels=st.lists(st.integers(0, 3), min_size=3, max_size=9), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_any_labels_give_the_loop_value(variant, labels, seed):
    labels = torch.tensor([*labels, labels[0]])  # at least one pair
    z = rows(len(labels), seed=seed)
    expected = oracles.sup_con(z, labels, 0.2, variant)
    torch.testing.assert_close(sup_con(z, labels, temperature=0.2, variant=variant), expected.mean())
    torch.testing.assert_close(sup_con(z, labels, temperature=0.2, variant=variant, reduction="sum"), expected.sum())


def test_the_released_definition_of_out_is_what_pytorch_metric_learning_computes():
    z, labels = rows(12), torch.arange(12) % 4
    torch.testing.assert_close(PeerSupCon(temperature=0.1)(z, labels), sup_con(z, labels, temperature=0.1))
    lonely = rows(7)
    torch.testing.assert_close(PeerSupCon(temperature=0.1)(lonely, LONELY), sup_con(lonely, LONELY, temperature=0.1))


def test_out_is_above_in_and_they_agree_with_one_positive_each():
    z, labels = rows(12), torch.arange(12) % 3
    apart = sup_con(z, labels, reduction="none") - sup_con(z, labels, variant="in", reduction="none")
    assert (apart > 0).all()
    pairs = torch.arange(12) % 6
    torch.testing.assert_close(sup_con(z, pairs), sup_con(z, pairs, variant="in"))
    torch.testing.assert_close(sup_con(z, pairs), nt_xent(z[:6], z[6:], temperature=0.1))


def test_one_class_makes_every_row_a_positive():
    z = rows(5)
    one = torch.zeros(5, dtype=torch.int64)
    assert float(sup_con(z, one, variant="in")) == pytest.approx(math.log(4), abs=1e-12)
    same = torch.ones(5, 3)
    assert float(sup_con(same, one)) == pytest.approx(math.log(4), abs=1e-6)


def test_anchors_without_positives():
    z = rows(7)
    terms = sup_con(z, LONELY, reduction="none")
    assert terms[[3, 6]].tolist() == [0, 0]
    assert (terms[[0, 1, 2, 4, 5]] > 0).all()
    torch.testing.assert_close(sup_con(z, LONELY, empty="skip"), terms.sum() / 5)
    torch.testing.assert_close(sup_con(z, LONELY, empty="zero"), terms.sum() / 7)
    with pytest.raises(ValueError, match="2 of 7 rows have no other row with their label"):
        sup_con(z, LONELY, empty="error")


@pytest.mark.parametrize("variant", ["out", "in"])
def test_without_any_positive_the_loss_is_zero_with_a_zero_gradient(variant):
    z = rows(4).requires_grad_()
    value = sup_con(z, torch.arange(4), variant=variant)
    value.backward()
    assert value.item() == 0
    assert not z.grad.any()


@pytest.mark.parametrize("empty", ["skip", "zero"])
@pytest.mark.parametrize("variant", ["out", "in"])
def test_shares_average_to_the_whole_wherever_the_lonely_rows_are(variant, empty):
    z, labels = rows(9), torch.tensor([0, 1, 0, 2, 1, 0, 3, 4, 5])
    loss = SupConLoss(variant=variant, empty=empty)
    shares = torch.stack([loss(z, labels, rows=slice(i, i + 3)) for i in (0, 3, 6)])
    assert shares[2] == 0
    torch.testing.assert_close(shares.mean(), loss(z, labels))


def test_stacked_views_share_their_labels():
    views, labels = rows(12).reshape(3, 4, 5), torch.tensor([0, 1, 0, 2])
    flat = sup_con(views.reshape(12, 5), labels.repeat(3), reduction="none")
    torch.testing.assert_close(sup_con(views, labels, reduction="none"), flat)
    share = sup_con(views, labels, rows=slice(1, 3), reduction="none")
    torch.testing.assert_close(share, flat.reshape(3, 4)[:, 1:3].flatten())


def test_base_temperature_scales():
    z = rows(7)
    scaled = SupConLoss(temperature=0.5, base_temperature=0.07)(z, LONELY)
    torch.testing.assert_close(scaled, sup_con(z, LONELY, temperature=0.5) * 0.5 / 0.07)


def test_permutation_and_label_names_do_not_matter():
    z = rows(7)
    order = torch.tensor([4, 0, 6, 2, 5, 1, 3])
    for variant in ("out", "in"):
        value = sup_con(z, LONELY, variant=variant)
        torch.testing.assert_close(sup_con(z[order], LONELY[order], variant=variant), value)
        torch.testing.assert_close(sup_con(3 * z, 100 - 7 * LONELY, variant=variant), value)


def test_dot_products_instead_of_cosines():
    z = rows(4)
    s = (z @ z.T / 2).fill_diagonal_(-torch.inf).log_softmax(dim=1)
    expected = -(s[0, 1] + s[1, 0] + s[2, 3] + s[3, 2]) / 4
    found = SupConLoss(temperature=2.0, normalize=False)(z, torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    z = rows(4)
    with pytest.raises(TypeError, match=r"labels must be int64, got torch\.int32"):
        sup_con(z, torch.zeros(4, dtype=torch.int32))
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\), one per row, got \(5,\)"):
        sup_con(z, torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ValueError, match="the number of rows must be at least 2, got 1"):
        sup_con(z[:1], torch.zeros(1, dtype=torch.int64))
    with pytest.raises(TypeError, match="z must be a floating tensor"):
        sup_con(z.long(), LONELY[:4])
    with pytest.raises(ValueError, match="variant must be one of 'out', 'in', got 'between'"):
        SupConLoss(variant="between")
    with pytest.raises(ValueError, match="empty must be one of 'skip', 'zero', 'error', got 'drop'"):
        SupConLoss(empty="drop")
    with pytest.raises(ValueError, match="base_temperature must be finite and > 0"):
        SupConLoss(base_temperature=0.0)


def test_groups_on_both_sides_of_the_batched_size():
    """One group per kernel call above the limit, batched products below it, single rows zero."""
    sizes = torch.tensor([BATCHED_SIZE + 3, 1, BATCHED_SIZE, 2, 2])
    group = torch.repeat_interleave(torch.arange(5), sizes)
    group = group[torch.randperm(len(group), generator=torch.Generator().manual_seed(0))]
    z = rows(len(group)).requires_grad_()
    found = group_logsumexp(z, group, sizes, temperature=0.5)
    same = (group[:, None] == group) & ~torch.eye(len(group), dtype=torch.bool)
    lonely = ~same.any(dim=1)
    expected = (z @ z.T / 0.5).masked_fill(~same, -torch.inf)[~lonely].logsumexp(1)
    torch.testing.assert_close(found[~lonely], expected)
    assert found[lonely].tolist() == [0]
    weight = rows(len(expected), 1, seed=2)[:, 0]
    mine = torch.autograd.grad((found[~lonely] * weight).sum(), z)[0]
    torch.testing.assert_close(mine, torch.autograd.grad((expected * weight).sum(), z)[0])


@pytest.mark.slow
def test_labels_cost_little_on_top_of_nt_xent():
    """No (n, n) mask: CPU time of 4096 rows in 10 classes stays near NT-Xent's. The benchmark has the exact ratio."""
    z = torch.randn(2, 2048, 128, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(2048) % 10

    def seconds(loss):
        best = math.inf
        for _ in range(4):
            leaf = z.clone().requires_grad_()
            start = time.process_time()
            loss(leaf).backward()
            best = min(best, time.process_time() - start)
        return best

    plain = seconds(lambda views: nt_xent(views[0], views[1], temperature=0.1))
    supervised = seconds(lambda views: sup_con(views, labels, temperature=0.1))
    assert supervised < 2 * plain
