"""HardPairMixup: which rows are mined and mixed, soft labels, gradients, and what the released code does instead."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from core.samplers import HardPairMixup, PairKind
from core.samplers.hard_pair_mixup import _mine
from tests.core.digits import Digits, encoder, moved, train


def rows(n, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sampler(seed=5, **settings):
    return HardPairMixup(generator=torch.Generator().manual_seed(seed), **settings)


def groups(labels):
    return torch.unique(labels, return_inverse=True)[1]


def cosine(z):
    unit = nn.functional.normalize(z, dim=1)
    return unit @ unit.T


@given(labels=st.lists(st.integers(0, 3), min_size=3, max_size=12), positive=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_hardest_pairs_are_found(labels, positive, seed):
    """Also where all similarities are above 0, where the released code hardly ever finds a positive."""
    labels = torch.tensor([*labels, 4])
    z = rows(len(labels), seed=seed).abs() if positive else rows(len(labels), seed=seed)
    s = cosine(z)
    hard_positive, hard_negative, found = _mine(z, groups(labels), "paper")
    for i in range(len(labels)):
        same = [j for j in range(len(labels)) if labels[j] == labels[i] and j != i]
        other = [j for j in range(len(labels)) if labels[j] != labels[i]]
        assert bool(found[i]) == bool(same)
        assert int(hard_negative[i]) == max(other, key=lambda j: float(s[i, j]))
        if same:
            assert int(hard_positive[i]) == min(same, key=lambda j: float(s[i, j]))


def test_the_released_search_finds_the_anchor_or_another_class():
    """64 non-negative features, 10 classes: the least of the similarities times the mask of positives is a 0."""
    labels = torch.randint(10, (64,), generator=torch.Generator().manual_seed(0))
    z = rows(64, 32).abs()
    released, _, found = _mine(z, groups(labels), "released")
    anchor = torch.arange(64)
    assert found.all()
    assert not ((labels[released] == labels) & (released != anchor)).any()
    assert float((released == anchor).float().mean()) > 0.8
    paper = _mine(z, groups(labels), "paper")[0]
    assert ((labels[paper] == labels) & (paper != anchor)).all()
    # Where sample 0 shares the class, the first row of another class is taken.
    small = torch.tensor([0, 0, 1, 1])
    assert _mine(rows(4).abs(), groups(small), "released")[0].tolist() == [0, 1, 2, 3]
    assert _mine(rows(5).abs(), torch.tensor([0, 1, 0, 1, 0]), "released")[0].tolist() == [0, 1, 1, 3, 1]
    assert sampler(hard_positive="released")(rows(4).abs(), small, 2).kind.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_the_mixed_batch_row_by_row():
    labels = torch.tensor([0, 1, 0, 2, 1, 0])  # row 3 is alone in its class
    z = rows(6)
    mixed = sampler()(z, labels, 4)
    kind = [PairKind(k).name.lower() for k in mixed.kind.tolist()]
    assert kind == ["original"] * 6 + ["negative"] * 6 + ["positive"] * 5
    assert mixed.features.shape == (17, 4)
    torch.testing.assert_close(mixed.features[:6], z)
    torch.testing.assert_close(mixed.soft_targets[:6], torch.eye(4, dtype=torch.float64)[labels])
    torch.testing.assert_close(mixed.soft_targets.sum(dim=1), torch.ones(17, dtype=torch.float64))

    for i in range(6):
        soft, row = mixed.soft_targets[6 + i], mixed.features[6 + i]
        own = soft[labels[i]]
        assert 0 <= own <= 0.2
        assert (soft > 0).sum() <= 2
        other = int(soft.argmax())
        assert other != labels[i]
        partners = [own * z[i] + (1 - own) * z[n] for n in range(6) if labels[n] == other]
        assert any(torch.allclose(row, p) for p in partners)

    hard_positive, hard_negative, _ = _mine(z, groups(labels), "paper")
    for place, i in enumerate([0, 1, 2, 4, 5]):
        soft, row = mixed.soft_targets[12 + place], mixed.features[12 + place]
        hp, hn = int(hard_positive[i]), int(hard_negative[i])
        lam = soft[labels[i]]
        torch.testing.assert_close(row, lam * z[hp] + (1 - lam) * z[hn])
        torch.testing.assert_close(soft[labels[hn]], 1 - lam)


@pytest.mark.parametrize("negatives", ["random", "shuffle"])
def test_random_negatives_are_of_another_class_and_shuffled_ones_need_not_be(negatives):
    labels = torch.arange(300) % 3
    z = torch.eye(300)
    mixed = sampler(negatives=negatives, min_negative_weight=1.0)(z, labels, 3)
    drawn = mixed.features[300:600].argmax(dim=1)
    torch.testing.assert_close(mixed.features[300:600], z[drawn])
    apart = labels[drawn] != labels
    if negatives == "random":
        assert apart.all()
        assert 120 < drawn.unique().numel() < 250  # with replacement, over everybody
        share = torch.bincount(labels[drawn[labels == 0]], minlength=3)
        assert share[0] == 0
        assert 25 < share[1] < 75
    else:
        assert sorted(drawn.tolist()) == list(range(300))
        assert 0.5 < float(apart.float().mean()) < 0.8


def test_shares_are_drawn_for_each_mixture():
    labels = torch.arange(400) % 2
    mixed = sampler(alpha=2.0)(rows(400), labels, 2)
    lam = mixed.soft_targets[800:].gather(1, labels[:, None])
    assert float(lam.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(lam.var()) == pytest.approx(0.05, abs=0.01)  # of Beta(2, 2)
    away = 1 - mixed.soft_targets[400:800].gather(1, labels[:, None])
    assert float(away.min()) == pytest.approx(0.8)
    pure = sampler(alpha=1e-4, min_negative_weight=0.0)(rows(400), labels, 2).soft_targets
    assert float((pure.amax(dim=1) > 1 - 1e-6).float().mean()) > 0.99


def test_lengths_of_features_do_not_change_what_is_mined(monkeypatch):
    z, labels = rows(30), torch.arange(30) % 4
    lengths = 0.01 + 100 * rows(30, 1, seed=3).abs()
    whole = _mine(z, labels, "paper")
    for mine, theirs in zip(_mine(z * lengths, labels, "paper"), whole, strict=True):
        assert torch.equal(mine, theirs)
    monkeypatch.setattr("core.samplers.hard_pair_mixup.BLOCK", 70)  # two anchors at a time
    for mine, theirs in zip(_mine(z, labels, "paper"), whole, strict=True):
        assert torch.equal(mine, theirs)
    same = _mine(torch.zeros(4, 3), torch.tensor([0, 0, 1, 1]), "paper")
    assert [t.tolist() for t in same] == [[1, 0, 3, 2], [2, 2, 0, 0], [True] * 4]


def test_gradient_flows_to_originals_unless_stopped():
    labels = torch.tensor([0, 1, 0, 2, 1, 0])
    for detach in (False, True):
        z = rows(6).requires_grad_()
        mixed = sampler(detach_originals=detach)(z, labels, 3)
        originals = torch.autograd.grad(mixed.features[:6].sum(), z, retain_graph=True, allow_unused=True)[0]
        assert (originals is not None and bool(originals.any())) != detach
        mixtures = torch.autograd.grad(mixed.features[6:].sum(), z)[0]
        assert bool(mixtures.any())
        assert not mixed.soft_targets.requires_grad


def test_equal_seeds_give_equal_batches_and_each_call_draws_anew():
    z, labels = rows(8), torch.arange(8) % 3
    first, second = sampler(), sampler()
    once, again = first(z, labels, 3), first(z, labels, 3)
    for mine, theirs in zip(once, second(z, labels, 3), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(once.features, again.features)


def test_half_precision_features_keep_their_type_and_labels_stay_exact():
    mixed = sampler()(rows(6).bfloat16(), torch.arange(6) % 2, 2)
    assert mixed.features.dtype == torch.bfloat16
    assert mixed.soft_targets.dtype == torch.float32
    torch.testing.assert_close(mixed.soft_targets.sum(dim=1), torch.ones(18))


def test_settings_are_shown():
    assert repr(HardPairMixup()) == (
        "HardPairMixup(alpha=1.0, min_negative_weight=0.8, negatives='random', hard_positive='paper', "
        "detach_originals=False)"
    )


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    z, labels, mix = rows(4), torch.tensor([0, 0, 1, 1]), sampler()
    with pytest.raises(ValueError, match="all 4 rows are of class 1, so there is no negative to mix"):
        mix(z, torch.ones(4, dtype=torch.int64), 2)
    with pytest.raises(ValueError, match=r"targets must be in 0 \.\. 1, got 0 to 2"):
        mix(z, torch.tensor([0, 0, 1, 2]), 2)
    with pytest.raises(ValueError, match=r"targets must be in 0 \.\. 1, got -1 to 1"):
        mix(z, labels.where(labels == 1, -1), 2)
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        mix(z, labels, 1)
    with pytest.raises(ValueError, match="the number of rows must be at least 2, got 1"):
        mix(z[:1], labels[:1], 2)
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\), one per row, got \(3,\)"):
        mix(z, labels[:3], 2)
    with pytest.raises(TypeError, match="labels must be int64"):
        mix(z, labels.float(), 2)
    with pytest.raises(TypeError, match="features must be a floating tensor"):
        mix(z.long(), labels, 2)
    with pytest.raises(ValueError, match="alpha must be finite and > 0, got 0"):
        HardPairMixup(alpha=0.0)
    with pytest.raises(ValueError, match=r"min_negative_weight must be in \[0, 1\], got 1\.5"):
        HardPairMixup(min_negative_weight=1.5)
    with pytest.raises(ValueError, match="negatives must be one of 'random', 'shuffle', got 'all'"):
        HardPairMixup(negatives="all")
    with pytest.raises(ValueError, match="hard_positive must be one of 'paper', 'released', got 'code'"):
        HardPairMixup(hard_positive="code")


def test_a_classifier_learns_from_mixed_features():
    """Few labels, cross-entropy with soft labels alone: far above the untrained start."""
    digits, model, draw = Digits.load(), encoder(32), torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = nn.Linear(32, 10, bias=False)
    mix = HardPairMixup(generator=draw)

    def accuracy():
        model.eval()
        with torch.no_grad():
            return float((classifier(model(digits.test_shifted)).argmax(dim=1) == digits.test_labels).float().mean())

    def step(_):
        chosen = torch.randint(200, (64,), generator=draw)
        batch = mix(model(moved(digits.images[chosen], draw)), digits.labels[chosen], 10)
        return cross_entropy(classifier(batch.features), batch.soft_targets)

    start = accuracy()
    train([model, classifier], step)
    assert accuracy() > start + 0.4
