"""Losses over targets and soft labels against float64 loops at every temperature, and what they share."""

import pytest
import torch

from core.losses import (
    CoreTuningLoss,
    FocalContrastiveLoss,
    RankNContrastLoss,
    SupReMixLoss,
    focal_contrastive,
    rank_n_contrast,
    supremix,
)
from core.samplers import OrdinalMixup
from tests.core.losses import target_oracles

TARGETS = torch.tensor([3.0, 1.0, 4.5, 3.0, 9.0, 2.0, 4.5])
LABELS = torch.tensor([0, 1, 0, 2, 0, 1, 3])
SOFT = torch.tensor([[1.0, 0, 0], [0.3, 0.7, 0], [1.0, 0, 0], [0, 0.5, 0.5], [1, 0, 0], [0.3, 0.7, 0], [0, 0, 1]])
ROWS, WIDTH = len(TARGETS), 6


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(dtype=torch.float32):
    return (draw(1, WIDTH) + draw(ROWS, WIDTH, seed=1)).to(dtype)


def mixer(**settings):
    """Made anew for every call, so that each draws the same."""
    return OrdinalMixup(3.0, generator=torch.Generator().manual_seed(5), **settings)


def of_rank(**settings):
    oracle = {"cosine": True} if settings else {}
    return (
        lambda z, t: rank_n_contrast(z, TARGETS, temperature=t, reduction="none", **settings),
        lambda z, t: target_oracles.rank_n_contrast(z, TARGETS, t, **oracle),
    )


def of_mix(magnify="l1", scale=1.0, **settings):
    return (
        lambda z, t: supremix(
            z,
            TARGETS.double(),
            temperature=t,
            reduction="none",
            mixer=mixer(**settings),
            magnify=magnify,
            label_scale=scale,
        ),
        lambda z, t: target_oracles.supremix(z, TARGETS, t, mixer(**settings), magnify=magnify, scale=scale),
    )


def of_focal(gamma, targets=LABELS, detach=False):
    def same(i, j):
        return bool((targets[i] == targets[j]).all())

    return (
        lambda v, t: focal_contrastive(v, targets, temperature=t, reduction="none", gamma=gamma, detach_weight=detach),
        lambda v, t: target_oracles.focal_contrastive(v, same, t, gamma, detach=detach),
    )


# name: (the loss, the oracle); both take rows and a temperature, and return terms
CASES = {
    "rank l2": of_rank(),
    "rank cosine": of_rank(similarity="cosine"),
    "supremix": of_mix(),
    "supremix l2": of_mix("l2", 2.0, mix_pos=False),
    "supremix few": of_mix(max_pos=2, max_neg=3),
    "supremix plain": of_mix(None, mix_neg=False),
    "supremix unit": of_mix(normalize=True),
    "supremix through all": of_mix(detach=False),
    "supremix unit through all": of_mix(detach=False, normalize=True),
    "focal": of_focal(1.0),
    "focal soft": of_focal(2.0, SOFT),
    "focal root": of_focal(0.5),
    "focal detached": of_focal(1.0, detach=True),
    "focal none": of_focal(0.0),
}
MOVING = [name for name in CASES if "through" in name or not name.startswith(("supremix", "focal detached"))]


def gradients(loss, z, t):
    leaf = z.detach().clone().requires_grad_()
    terms = loss(leaf, t)
    terms.sum().backward()
    return terms.detach(), leaf.grad


@pytest.mark.parametrize("name", CASES)
def test_the_equation_in_double_precision(name):
    ours, oracle = CASES[name]
    for t in (1.0, 0.05):
        terms, grad = gradients(ours, batch(torch.float64), t)
        expected, expected_grad = gradients(oracle, batch(torch.float64), t)
        torch.testing.assert_close(terms, expected, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(grad, expected_grad, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_at_every_temperature(name, t, precision):
    ours, oracle = CASES[name]
    z = batch()
    if precision == "float32":
        terms, grad = gradients(ours, z, t)
    else:
        z = z.bfloat16()  # what an encoder hands over under autocast; the loss must not round again
        with torch.autocast("cpu", torch.bfloat16):
            terms, grad = gradients(ours, z, t)
    expected, expected_grad = gradients(oracle, z.double(), t)
    assert terms.dtype == torch.float32
    torch.testing.assert_close(terms.double(), expected, rtol=1e-5, atol=2e-6 / t)
    coarse = 1e-2 if precision == "bfloat16" else max(1e-5, 4e-6 / t)  # a bfloat16 leaf gets a bfloat16 gradient
    scale = float(expected_grad.abs().max())
    torch.testing.assert_close(grad.double(), expected_grad, rtol=coarse, atol=coarse * scale)


@pytest.mark.parametrize("t", [1.0, 0.001])
@pytest.mark.parametrize("kind", ["equal", "zero", "opposite", "huge", "tiny"])
@pytest.mark.parametrize("name", CASES)
def test_finite_at_the_limits(name, kind, t):
    z = torch.arange(1.0, WIDTH + 1).repeat(ROWS, 1)
    z[::2] *= {"equal": 1.0, "zero": 0.0, "opposite": -1.0, "huge": 1e15, "tiny": 1e-9}[kind]
    terms, grad = gradients(CASES[name][0], z, t)
    assert terms.isfinite().all()
    assert grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name in CASES if name != "rank l2"])
def test_zero_rows_have_cosine_zero_and_no_gradient(name):
    z = batch()
    z[2] = 0
    _, grad = gradients(CASES[name][0], z, 0.1)
    assert grad[2].norm() == 0
    assert (grad.norm(dim=1) > 0).sum() >= ROWS - 3


@pytest.mark.parametrize("name", MOVING)
def test_first_order_gradients_hold_in_float64(name):
    z = batch(torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: CASES[name][0](x, 0.3), (z,), fast_mode=True)


@pytest.mark.parametrize("name", ["rank l2", "rank cosine", "supremix", "focal", "focal none"])
def test_temperature_gets_its_gradient(name):
    ours, oracle = CASES[name]
    found, expected = (torch.tensor(0.2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours(batch(torch.float64), found).sum().backward()
    oracle(batch(torch.float64), expected).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad)


@pytest.mark.parametrize("name", ["rank", "supremix", "focal"])
def test_memory_grows_with_the_rows_and_not_with_their_square(name, monkeypatch):
    """What the backward pass keeps: a few numbers a row and coordinate, and no pair of rows."""
    monkeypatch.setattr("core.similarity.arguments._PLAIN", 0)
    z = draw(1500, WIDTH).requires_grad_()
    make, targets = LOSSES[name]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        make()(z, targets.repeat(215)[:1500])
    assert 0 < sum(kept) < 60 * z.numel() < len(z) ** 2


LOSSES = {
    "rank": (RankNContrastLoss, TARGETS),
    "supremix": (lambda **settings: SupReMixLoss(mixer=mixer(max_neg=3), **settings), TARGETS),
    "focal": (FocalContrastiveLoss, LABELS),
    "focal soft": (FocalContrastiveLoss, SOFT),
}


@pytest.mark.parametrize("name", LOSSES)
def test_reductions_agree(name):
    make, targets = LOSSES[name]
    z = batch(torch.float64)
    terms = make(reduction="none")(z, targets)
    assert terms.shape == (ROWS,)
    counted = {"rank": ROWS, "supremix": int((terms > 0).sum())}.get(name, 5)
    torch.testing.assert_close(make(reduction="sum")(z, targets), terms.sum())
    torch.testing.assert_close(make()(z, targets), terms.sum() / counted)


@pytest.mark.parametrize("name", LOSSES)
def test_views_share_targets_and_shares_of_the_anchors_average_to_the_whole(name):
    make, targets = LOSSES[name]
    views = torch.stack([batch(torch.float64), batch(torch.float64) + 0.1 * draw(ROWS, WIDTH, seed=9)])[:, :6]
    targets = targets[:6]
    flat = views.reshape(12, WIDTH)
    terms = make(reduction="none")(views, targets)
    torch.testing.assert_close(make(reduction="none")(flat, torch.cat([targets, targets])), terms)
    share = make(reduction="none")(views, targets, rows=slice(2, 5))
    torch.testing.assert_close(share, terms.reshape(2, 6)[:, 2:5].flatten())
    whole = make()(views, targets)
    shares = torch.stack([make()(views, targets, rows=slice(first, first + 2)) for first in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, whole, rtol=1e-12, atol=1e-12)
    one = views[0]  # single rows, where some anchors have no positive
    shares = torch.stack([make()(one, targets, rows=slice(first, first + 2)) for first in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, make()(one, targets), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_rotation_leaves_the_value_and_so_do_lengths_of_what_is_normalised(name):
    make, targets = LOSSES[name]
    z = batch(torch.float64)
    value = make()(z, targets)
    rotation = torch.linalg.qr(draw(WIDTH, WIDTH, seed=3).double())[0]
    torch.testing.assert_close(make()(z @ rotation, targets), value, rtol=1e-9, atol=1e-9)
    if name != "rank":
        lengths = 0.1 + draw(ROWS, 1, seed=4).double().abs()
        torch.testing.assert_close(make()(z * lengths, targets), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["rank", "supremix", "focal soft"])
def test_half_precision_targets_and_float64_targets_are_taken(name):
    make, targets = LOSSES[name]
    value = make()(batch(), targets)
    assert value.dtype == torch.float32
    torch.testing.assert_close(make()(batch(), targets.double()), value)
    if name != "focal soft":  # 0.3 and 0.7 do not add up in bfloat16, the targets are exact
        torch.testing.assert_close(make()(batch(), targets.bfloat16()), value)


@pytest.mark.parametrize("name", LOSSES)
def test_modules_show_their_settings_and_hold_no_state(name):
    loss = LOSSES[name][0](temperature=0.25)
    assert "temperature=0.25, reduction='mean'" in repr(loss)
    assert loss.state_dict() == {}


def test_repr_names_everything():
    assert repr(RankNContrastLoss()) == (
        "RankNContrastLoss(temperature=2.0, reduction='mean', label_distance='l1', similarity='l2')"
    )
    assert repr(SupReMixLoss(mixer=None)) == (
        "SupReMixLoss(temperature=0.3, reduction='mean', mixer=None, magnify='l1', label_scale=1.0)"
    )
    assert repr(FocalContrastiveLoss()) == (
        "FocalContrastiveLoss(temperature=0.07, reduction='mean', gamma=1.0, detach_weight=False, "
        "label_tolerance=1e-05)"
    )
    assert repr(CoreTuningLoss()).startswith("CoreTuningLoss(eta=0.1, temperature=0.07, reduction='mean', gamma=1.0")


@pytest.mark.parametrize("name", ["rank", "supremix"])
@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named(name):
    make = LOSSES[name][0]
    loss, z = make(), batch()
    with pytest.raises(TypeError, match=r"targets must be a floating tensor, got torch\.int64; convert with \.float"):
        loss(z, LABELS)
    with pytest.raises(
        ValueError, match=r"targets must have shape \(7,\) or \(7, 1\), one number per row, got \(7, 2\)"
    ):
        loss(z, torch.zeros(7, 2))
    with pytest.raises(ValueError, match=r"targets must have shape .*, got \(6,\)"):
        loss(z, TARGETS[:6])
    with pytest.raises(ValueError, match=r"targets must be finite, got nan in row 2 \(2 such rows\)"):
        loss(z, torch.where(TARGETS == 4.5, torch.nan, TARGETS))
    with pytest.raises(ValueError, match="the number of rows must be at least 2, got 1: an anchor needs other rows"):
        loss(z[:1], TARGETS[:1])
    with pytest.raises(TypeError, match=r"z must be a floating tensor, got torch\.int64"):
        loss(z.long(), TARGETS)
    with pytest.raises(ValueError, match="z must have 2 or 3 axes"):
        loss(z[0], TARGETS)
    with pytest.raises(ValueError, match="rows must be a slice"):
        loss(z, TARGETS, rows=slice(2, 9))
    with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none', got 'median'"):
        make(reduction="median")
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        make(temperature=0.0)


@pytest.mark.parametrize("name", ["rank", "supremix"])
def test_a_column_of_targets_is_a_vector_of_targets(name):
    make = LOSSES[name][0]
    torch.testing.assert_close(make()(batch(), TARGETS[:, None]), make()(batch(), TARGETS))


@pytest.mark.parametrize("name", ["rank", "supremix"])
def test_one_instance_in_two_views(name):
    """Each view is the other's only positive and only rival."""
    loss = RankNContrastLoss() if name == "rank" else SupReMixLoss()
    assert float(loss(draw(2, 1, 4), torch.tensor([3.0]))) == pytest.approx(0, abs=1e-6)
