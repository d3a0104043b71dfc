"""Latent contrast: hand values, what the mean over negatives buys, angles alone, shares."""

import math

import pytest
import torch

from core.losses import LatentContrastLoss, latent_contrast

CODES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)


def rows(n=6, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def chance(z, **settings):
    return (-latent_contrast(z, reduction="none", **settings)).exp()


@pytest.mark.parametrize(
    ("negatives", "expected"),
    [("expectation", [0.798973, 0.731059, 0.798973]), ("sum", [0.665241, 0.576117, 0.665241])],
)
def test_hand_values(negatives, expected):
    found = chance(CODES, temperature=1.0, negatives=negatives)
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 17])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.001])
def test_equal_codes_are_a_coin_toss_for_any_number_of_them(n, t):
    same = torch.ones(n, 4)
    assert chance(same, temperature=t).tolist() == pytest.approx([0.5] * n, abs=1e-3 if t < 0.1 else 1e-5)
    assert chance(same.double(), temperature=t).tolist() == pytest.approx([0.5] * n, abs=1e-9)
    assert chance(same.double(), temperature=t, negatives="sum").tolist() == pytest.approx([1 / n] * n, abs=1e-9)


def test_listing_every_negative_twice_changes_the_sum_only():
    z = rows(5)
    for anchor in range(5):
        others = torch.cat([z[:anchor], z[anchor + 1 :]])
        twice, first = torch.cat([z[anchor, None], others, others]), slice(0, 1)
        once = latent_contrast(z, rows=slice(anchor, anchor + 1))
        torch.testing.assert_close(latent_contrast(twice, rows=first), once, rtol=1e-12, atol=1e-12)
        once = latent_contrast(z, negatives="sum", rows=slice(anchor, anchor + 1))
        assert float(latent_contrast(twice, negatives="sum", rows=first)) > float(once)


def test_only_angles_count_and_the_gradient_is_orthogonal_to_the_code():
    z = rows().requires_grad_()
    rotation = torch.linalg.qr(rows(5, 5, seed=3))[0]
    lengths = 0.1 + rows(6, 1, seed=4).abs()
    value = latent_contrast(z, temperature=0.5, reduction="none")
    torch.testing.assert_close(latent_contrast(z @ rotation * lengths, temperature=0.5, reduction="none"), value)
    gradient = torch.autograd.grad(value.sum(), z)[0]
    inner = (gradient * z).sum(dim=1)
    assert (gradient.norm(dim=1) > 1e-3).all()
    torch.testing.assert_close(inner, torch.zeros_like(inner), rtol=0, atol=1e-12)


def test_orthogonal_codes_saturate_at_a_tenth():
    orthogonal = torch.eye(4, dtype=torch.float64)
    assert chance(orthogonal, temperature=0.1).tolist() == pytest.approx([0.99995] * 4, abs=5e-6)


def test_shares_average_and_reductions_agree():
    z = rows().requires_grad_()
    loss = LatentContrastLoss(temperature=0.3)
    whole = loss(z)
    shares = torch.stack([loss(z, rows=slice(i, i + 2)) for i in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, whole)
    torch.testing.assert_close(torch.autograd.grad(shares, z)[0], torch.autograd.grad(whole, z)[0])
    terms = LatentContrastLoss(temperature=0.3, reduction="none")(z)
    torch.testing.assert_close(terms.mean(), whole)
    torch.testing.assert_close(LatentContrastLoss(temperature=0.3, reduction="sum")(z), terms.sum())
    shown = repr(LatentContrastLoss(negatives="sum"))
    assert "temperature=0.1, reduction='mean', negatives='sum'" in shown


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1: a code's only negatives"):
        latent_contrast(rows(1))
    with pytest.raises(ValueError, match=r"temperature must be finite and > 0, got 0\.0"):
        LatentContrastLoss(temperature=0.0)
    with pytest.raises(ValueError, match="temperature must be finite and > 0, got nan"):
        latent_contrast(rows(), temperature=math.nan)
    with pytest.raises(ValueError, match="negatives must be one of 'expectation', 'sum', got 'mean'"):
        LatentContrastLoss(negatives="mean")
    with pytest.raises(TypeError, match="z must be a floating tensor"):
        latent_contrast(rows().long())
    with pytest.raises(ValueError, match="z must have 2 axes"):
        latent_contrast(rows()[0])
    with pytest.raises(ValueError, match="reduction must be one of"):
        LatentContrastLoss(reduction="expectation")
