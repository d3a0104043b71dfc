"""Global contrast with partitions: three strategies, what they equal, what they leave out, memory, errors."""

import math
import sys

import pytest
import torch

from core.losses import DomainContrastLoss, domain_contrast, nt_xent
from core.losses.complement_logsumexp import FEW
from tests.core.losses import dense_oracles

PARTITION = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0])
VOLUME = torch.tensor([5, 5, 5, 5, 7, 7, 7, 7, 9])
MATCH = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1])
N = len(PARTITION)
MODULE = sys.modules["core.losses.domain_contrast"]  # the package gives the name to the function
STRATEGIES = ["random", "domain_negatives", "domain"]


def views(v=3, n=N, d=5, seed=0):
    return torch.randn(v, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("v", [2, 3])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_is_the_equation(strategy, v):
    z = views(v)
    expected = dense_oracles.domain_contrast(z, PARTITION, VOLUME, 0.1, strategy)
    found = domain_contrast(z, PARTITION, VOLUME, strategy=strategy, reduction="none")
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(DomainContrastLoss(strategy=strategy)(z, PARTITION, VOLUME), expected.mean())
    summed = DomainContrastLoss(strategy=strategy, reduction="sum")(z, PARTITION, VOLUME)
    torch.testing.assert_close(summed, expected.sum())


def test_match_restricts_the_partners():
    """The paper's two sets: slices are paired with those of the other set that have their number."""
    z = views(2)
    expected = dense_oracles.domain_contrast(z, PARTITION, VOLUME, 0.1, "domain", MATCH)
    found = domain_contrast(z, PARTITION, VOLUME, MATCH, reduction="none")
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, domain_contrast(z, PARTITION, VOLUME, reduction="none"))


def test_random_is_nt_xent():
    z = views(2)
    expected = nt_xent(z[0], z[1], temperature=0.1)
    torch.testing.assert_close(domain_contrast(z, PARTITION, VOLUME, strategy="random"), expected)


def test_a_partition_for_each_slice_is_nt_xent():
    z, own = views(2), torch.arange(N)
    expected = nt_xent(z[0], z[1], temperature=0.1)
    torch.testing.assert_close(domain_contrast(z, own, VOLUME, strategy="domain_negatives"), expected)


def test_hand_values():
    """Positive 1, two negatives 0, t = 1: -log(e / (e + 2)) = 0.5514."""
    z = torch.eye(2).repeat(2, 1, 1)
    two = torch.tensor([0, 1])
    found = domain_contrast(z, two, two, temperature=1.0, strategy="domain_negatives", reduction="none")
    assert found.tolist() == pytest.approx([-math.log(math.e / (math.e + 2))] * 4)
    assert found[0].item() == pytest.approx(0.5514, abs=1e-4)


@pytest.mark.parametrize("v", [2, 3])
def test_one_partition_has_no_negatives(v):
    z, one = views(v).requires_grad_(), torch.zeros(N, dtype=torch.int64)
    for strategy in ("domain_negatives", "domain"):
        value = domain_contrast(z, one, VOLUME, strategy=strategy)
        (gradient,) = torch.autograd.grad(value, z)
        assert value.item() == 0
        assert not gradient.any()


def test_equal_rows_cost_the_logarithm_of_the_candidates():
    """Each term is log(1 + |N|). 3 views: 2 positives each, and 6 or 7 slices of other partitions in 3 views."""
    z = torch.ones(3, N, 4)
    found = domain_contrast(z, PARTITION, VOLUME, strategy="domain_negatives", reduction="none").reshape(3, N)
    others = torch.tensor([6, 7, 7, 7, 6, 7, 7, 7, 6])
    torch.testing.assert_close(found[1], 2 * (1 + 3 * others).float().log())
    random = domain_contrast(z, PARTITION, VOLUME, strategy="random")
    assert float(random) == pytest.approx(2 * math.log(1 + 3 * 8), abs=1e-5)


def test_the_paper_counts_two_terms_per_image():
    """6 terms per slice over 3 images, 8 terms per pair of slices over 4 images: not a mean over terms."""
    z = torch.zeros(3, 4, 2)  # every cosine 0: each term is log(1 + |N|)
    part = torch.tensor([0, 1, 0, 1])
    volume = torch.tensor([0, 0, 1, 1])
    assert float(domain_contrast(z, part, volume, strategy="domain_negatives")) == pytest.approx(2 * math.log(1 + 6))
    assert float(domain_contrast(z[:2], part, volume)) == pytest.approx(2 * math.log(1 + 4))


def test_slices_of_the_same_partition_do_not_matter_to_an_anchor():
    z, extra = views(2), views(2, 4, seed=1).requires_grad_()
    joined = torch.cat([z, extra], dim=1)
    partition = torch.cat([PARTITION, torch.zeros(4, dtype=torch.int64)])
    volume = torch.cat([VOLUME, torch.arange(20, 24)])
    before = domain_contrast(z, PARTITION, VOLUME, strategy="domain_negatives", reduction="none").reshape(2, N)
    after = domain_contrast(joined, partition, volume, strategy="domain_negatives", reduction="none").reshape(2, N + 4)
    same = PARTITION == 0
    torch.testing.assert_close(after[:, :N][:, same], before[:, same])
    assert not torch.allclose(after[:, :N][:, ~same], before[:, ~same])
    (gradient,) = torch.autograd.grad(after[:, 0].sum(), extra)
    assert not gradient.any()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_invariances(strategy):
    loss = DomainContrastLoss(strategy=strategy)
    z = views()
    value = loss(z, PARTITION, VOLUME)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(z[:, order], PARTITION[order], VOLUME[order]), value)
    torch.testing.assert_close(loss(z[[2, 0, 1]], PARTITION, VOLUME), value)
    lengths = 0.1 + views(d=1, seed=2).abs()
    torch.testing.assert_close(loss(z * lengths, 40 - 3 * PARTITION, -VOLUME), value)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_shares_of_the_slices_average_to_the_whole(strategy):
    loss, z = DomainContrastLoss(strategy=strategy), views().requires_grad_()
    whole = loss(z, PARTITION, VOLUME, MATCH)
    shares = torch.stack([loss(z, PARTITION, VOLUME, MATCH, rows=slice(i, i + 3)) for i in (0, 3, 6)]).mean()
    torch.testing.assert_close(shares, whole)
    for mine, theirs in zip(torch.autograd.grad(shares, z), torch.autograd.grad(whole, z), strict=True):
        torch.testing.assert_close(mine, theirs)
    part = domain_contrast(z, PARTITION, VOLUME, MATCH, strategy=strategy, rows=slice(2, 5), reduction="none")
    every = domain_contrast(z, PARTITION, VOLUME, MATCH, strategy=strategy, reduction="none").reshape(3, N)
    torch.testing.assert_close(part, every[:, 2:5].flatten())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_large_partitions_in_blocks(strategy, monkeypatch):
    """Above the size where groups are left out by index, and with several blocks of partners."""
    n = 4 * FEW
    z, partition, volume = views(2, n).requires_grad_(), torch.arange(n) % 2, torch.arange(n) // 8
    expected = domain_contrast(z, partition, volume, strategy=strategy)
    (gradient,) = torch.autograd.grad(expected, z)
    monkeypatch.setattr(MODULE, "BLOCK", 7 * n)
    value = domain_contrast(z, partition, volume, strategy=strategy)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, z)[0], gradient)
    oracle = dense_oracles.domain_contrast(z.detach()[:, :20], partition[:20], volume[:20], 0.1, strategy)
    found = domain_contrast(z[:, :20], partition[:20], volume[:20], strategy=strategy, reduction="none")
    torch.testing.assert_close(found, oracle)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_memory_is_linear_in_the_slices(strategy, monkeypatch):
    """Nothing of the size of (n, n) is kept for the backward pass once n is large."""
    monkeypatch.setattr(MODULE, "BLOCK", 1 << 14)
    monkeypatch.setattr(sys.modules["core.similarity.arguments"], "_PLAIN", 0)
    n = 256
    z = views(2, n, 4).requires_grad_()
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        domain_contrast(z, torch.arange(n) % 4, torch.arange(n) // 4, strategy=strategy)
    assert max(sizes) <= 20 * n < n * n / 8


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    z = views()
    with pytest.raises(TypeError, match=r"partition must be int64, got torch\.int32"):
        domain_contrast(z, PARTITION.int(), VOLUME)
    with pytest.raises(ValueError, match=r"volume must have shape \(9,\), one number per slice, got \(8,\)"):
        domain_contrast(z, PARTITION, VOLUME[:8])
    with pytest.raises(ValueError, match=r"match must have shape \(9,\)"):
        domain_contrast(z, PARTITION, VOLUME, MATCH[:4])
    with pytest.raises(ValueError, match="the number of views must be at least 2, got 1"):
        domain_contrast(z[:1], PARTITION, VOLUME)
    with pytest.raises(
        ValueError, match="the number of slices must be at least 2, got 1: the others are the negatives"
    ):
        domain_contrast(z[:, :1], PARTITION[:1], VOLUME[:1], strategy="random")
    with pytest.raises(ValueError, match="z must have 3 axes"):
        domain_contrast(z[0], PARTITION, VOLUME)
    with pytest.raises(TypeError, match="z must be a floating tensor"):
        domain_contrast(z.long(), PARTITION, VOLUME)
    with pytest.raises(ValueError, match="needs slices of one partition from two volumes"):
        domain_contrast(z, PARTITION, torch.zeros_like(VOLUME))
    with pytest.raises(ValueError, match="needs slices of one partition from two volumes"):
        domain_contrast(z, PARTITION, VOLUME, torch.arange(N))
    with pytest.raises(ValueError, match="strategy must be one of 'random', 'domain_negatives', 'domain', got 'all'"):
        DomainContrastLoss(strategy="all")
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        DomainContrastLoss(temperature=-1.0)
    with pytest.raises(ValueError, match="rows must be a slice"):
        domain_contrast(z, PARTITION, VOLUME, rows=slice(3, 20))


def test_module_shows_its_settings():
    assert repr(DomainContrastLoss()) == "DomainContrastLoss(temperature=0.1, reduction='mean', strategy='domain')"
    assert DomainContrastLoss().state_dict() == {}
