"""The spectral loss: both forms, hand values, the exact minimum of the linear theory, invariances, errors."""

import itertools
import sys

import pytest
import torch

from core.losses import SpectralContrastiveLoss, spectral_contrastive
from tests.core.losses import dense_oracles

MODULE = sys.modules["core.losses.spectral"]


def rows(n, d, seed=0, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("n", "d"), [(9, 4), (4, 9), (5, 5), (2, 1)])
def test_both_forms_are_the_equation(n, d, own):
    """More rows than columns take the Gram matrix, fewer take the products."""
    query, key = rows(n, d), rows(n, d, seed=1)
    expected = dense_oracles.spectral(query, key, own)
    torch.testing.assert_close(spectral_contrastive(query, key, include_own=own, reduction="none"), expected)
    torch.testing.assert_close(SpectralContrastiveLoss(include_own=own)(query, key), expected.mean())
    torch.testing.assert_close(SpectralContrastiveLoss(include_own=own, reduction="sum")(query, key), expected.sum())
    torch.testing.assert_close(MODULE._gram(query, key), MODULE._pairwise(query, key))


def test_gram_form_of_the_theory():
    """||F'F||^2 - 2 <F, F+> with F = f / sqrt(n), for one batch as both sides of the second term."""
    f = rows(7, 3)
    scaled = f / 7**0.5
    expected = (scaled.T @ scaled).square().sum() - 2 * scaled.square().sum()
    torch.testing.assert_close(spectral_contrastive(f, f, include_own=True), expected)


def test_clusters_by_hand():
    """Three clusters, sqrt(3) times one-hot: the minimum -3 over the whole population, which no rescaling lowers."""
    best = 3**0.5 * torch.eye(3).repeat(4, 1)
    assert float(spectral_contrastive(best, best, include_own=True)) == pytest.approx(-3, abs=1e-6)
    for scale in (0.9, 1.1):
        assert float(spectral_contrastive(scale * best, scale * best, include_own=True)) > -3
    # without own pairs: -2 * 3, and 3 of 11 others in the cluster with (3)^2
    assert float(spectral_contrastive(best, best)) == pytest.approx(-6 + 3 * 9 / 11, abs=1e-5)
    assert float(spectral_contrastive(torch.eye(2), torch.eye(2))) == -2
    assert float(spectral_contrastive(torch.eye(2), torch.eye(2), include_own=True)) == -1.5


def test_without_own_pairs_a_batch_is_unbiased():
    """The mean over all batches of four is the value of all six rows; with own pairs it is not."""
    query, key = rows(6, 3), rows(6, 3, seed=1)
    batches = torch.tensor(list(itertools.combinations(range(6), 4)))
    apart, with_own = (
        torch.stack([spectral_contrastive(query[b], key[b], include_own=own) for b in batches]).mean()
        for own in (False, True)
    )
    torch.testing.assert_close(apart, spectral_contrastive(query, key))
    assert abs(with_own - spectral_contrastive(query, key, include_own=True)) > 0.05


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("n", "d"), [(6, 3), (6, 8)])
def test_gradcheck_and_shares(n, d, own):
    query, key = rows(n, d).requires_grad_(), rows(n, d, seed=1).requires_grad_()
    loss = SpectralContrastiveLoss(include_own=own)
    assert torch.autograd.gradcheck(loss, (query, key), fast_mode=True)
    whole = loss(query, key)
    shares = torch.stack([loss(query, key, rows=slice(i, i + 2)) for i in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, whole)
    mine, theirs = (torch.autograd.grad(value, (query, key)) for value in (shares, whole))
    torch.testing.assert_close(mine, theirs)


def test_rotation_and_permutation_leave_it_and_lengths_do_not():
    query, key = rows(8, 4), rows(8, 4, seed=1)
    value = spectral_contrastive(query, key)
    rotation = torch.linalg.qr(rows(4, 4, seed=2))[0]
    torch.testing.assert_close(spectral_contrastive(query @ rotation, key @ rotation), value)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(spectral_contrastive(query[order], key[order]), value)
    torch.testing.assert_close(spectral_contrastive(key, query), value)
    assert not torch.allclose(spectral_contrastive(2 * query, key), value)
    unit = SpectralContrastiveLoss(normalize=True)
    torch.testing.assert_close(unit(2 * query, key), unit(query, key))


def test_memory_grows_with_the_smaller_side():
    sizes = []
    for n, d in ((400, 5), (5, 400)):
        query, key = rows(n, d).requires_grad_(), rows(n, d, seed=1).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            spectral_contrastive(query, key)
    assert max(sizes) == 2000


def test_half_precision_is_scored_in_float32():
    query, key = rows(40, 8).bfloat16().requires_grad_(), rows(40, 8, seed=1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = spectral_contrastive(query, key)
    value.backward()
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, spectral_contrastive(query.detach().float(), key.float()))
    assert query.grad.isfinite().all()
    mixed = spectral_contrastive(query.detach().float(), key.double())
    assert mixed.dtype == torch.float64


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match="query and key must have the same shape"):
        spectral_contrastive(rows(3, 2), rows(4, 2))
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        spectral_contrastive(rows(1, 2), rows(1, 2))
    with pytest.raises(ValueError, match="the batch must be at least 1, got 0"):
        spectral_contrastive(rows(0, 2), rows(0, 2), include_own=True)
    with pytest.raises(TypeError, match="key must be a floating tensor"):
        spectral_contrastive(rows(3, 2), rows(3, 2).long())
    with pytest.raises(ValueError, match="reduction must be one of"):
        SpectralContrastiveLoss(reduction="median")


def test_module_shows_its_settings():
    shown = repr(SpectralContrastiveLoss())
    assert shown == "SpectralContrastiveLoss(reduction='mean', include_own=False, normalize=False)"
    assert SpectralContrastiveLoss().state_dict() == {}
