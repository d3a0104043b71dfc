"""Core-tuning's objective: its two parts, soft labels, reductions, mistakes, and a fine-tuning run with its sampler."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from core.losses import CoreTuningLoss, NTXentLoss, core_tuning, focal_contrastive
from core.samplers import HardPairMixup
from tests.core.digits import Digits, encoder, moved, train

CLASSES = 3
LABELS = torch.tensor([0, 1, 0, 2, 1, 0])


def rows(n, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixed():
    """Logits, contrast rows and soft labels of a mixed batch."""
    sampler = HardPairMixup(generator=torch.Generator().manual_seed(0))
    soft = sampler(rows(6), LABELS, CLASSES).soft_targets
    return rows(len(soft), CLASSES, 1), rows(len(soft), 5, 2), soft


@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "official"])
def test_it_is_cross_entropy_with_soft_labels_plus_focal_contrast(reduction):
    logits, v, soft = mixed()
    plain = "mean" if reduction == "official" else reduction
    by_hand = -(soft * logits.log_softmax(dim=1)).sum(dim=1)
    expected = {"mean": by_hand.mean(), "sum": by_hand.sum(), "none": by_hand}[plain]
    contrast = focal_contrastive(v, soft, temperature=0.2, gamma=2.0, reduction=reduction)
    loss = CoreTuningLoss(eta=3.0, temperature=0.2, gamma=2.0, reduction=reduction)
    torch.testing.assert_close(loss(logits, v, soft), expected + 3 * contrast)


def test_without_contrast_it_is_cross_entropy_on_the_mixed_batch():
    """alpha near 0 makes lam 0 or 1: the batch is resampled, its labels are pure."""
    sampler = HardPairMixup(alpha=1e-4, min_negative_weight=0.0, generator=torch.Generator().manual_seed(0))
    soft = sampler(rows(6), LABELS, CLASSES).soft_targets
    assert torch.allclose(soft.amax(dim=1), torch.ones((), dtype=soft.dtype))
    logits = rows(len(soft), CLASSES, 1)
    value = core_tuning(logits, rows(len(soft)), soft, eta=0.0)
    torch.testing.assert_close(value, cross_entropy(logits, soft.argmax(dim=1)), rtol=1e-4, atol=1e-4)


def test_classes_are_pure_labels():
    logits, v = rows(6, CLASSES), rows(6)
    torch.testing.assert_close(core_tuning(logits, v, LABELS), core_tuning(logits, v, torch.eye(CLASSES)[LABELS]))


def test_shares_of_the_anchors_average_to_the_whole():
    logits, v = rows(6, CLASSES), rows(6)
    shares = torch.stack([core_tuning(logits, v, LABELS, rows=slice(i, i + 2)) for i in (0, 2, 4)])
    torch.testing.assert_close(shares.mean(), core_tuning(logits, v, LABELS))


def test_gradients_hold_in_float64():
    logits, v, soft = mixed()
    inputs = (logits.requires_grad_(), v.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: core_tuning(a, b, soft, temperature=0.5), inputs, fast_mode=True)


def test_half_precision_is_computed_in_float32():
    logits, v, soft = (x.float() for x in mixed())
    low = logits.bfloat16(), v.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = core_tuning(*low, soft)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, core_tuning(*(x.float() for x in low), soft))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    logits, v, soft = mixed()
    with pytest.raises(ValueError, match="logits and v must have a row for each sample"):
        core_tuning(logits[:4], v, soft)
    with pytest.raises(ValueError, match=r"targets must be \(17, 3\) as logits, got \(17, 2\)"):
        core_tuning(logits, v, soft[:, :2])
    with pytest.raises(ValueError, match="targets must be probabilities: every row >= 0 with sum 1"):
        core_tuning(logits, v, 2 * soft)
    with pytest.raises(ValueError, match="targets must be probabilities"):
        core_tuning(logits, v, torch.full_like(soft, torch.nan))
    with pytest.raises(ValueError, match=r"targets must be classes in 0 \.\. 2, got 0 to 3"):
        core_tuning(logits[:2], v[:2], torch.tensor([0, 3]))
    with pytest.raises(TypeError, match="logits must be a floating tensor"):
        core_tuning(logits.long(), v, soft)
    with pytest.raises(ValueError, match="eta must be finite and >= 0, got -1"):
        CoreTuningLoss(eta=-1.0)
    with pytest.raises(ValueError, match="gamma must be finite and >= 0"):
        CoreTuningLoss(gamma=-1.0)
    with pytest.raises(ValueError, match="label_tolerance must be"):
        CoreTuningLoss(label_tolerance=-1.0)
    with pytest.raises(ValueError, match="reduction must be one of"):
        CoreTuningLoss(reduction="median")


def test_fine_tuning_a_pretrained_encoder_with_few_labels():
    """SimCLR without labels, then 200 labels: mixed batches end far above the classifier's untrained start."""
    digits, model, draw = Digits.load(), encoder(32), torch.Generator().manual_seed(0)
    pairs = NTXentLoss(temperature=0.3)

    def pretrain(_):
        images = digits.images[digits.batch(128, draw)]
        return pairs(model(moved(images, draw)), model(moved(images, draw)))

    train([model], pretrain, steps=30)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier, head = nn.Linear(32, 10, bias=False), nn.Linear(32, 16)
    sampler, loss = HardPairMixup(generator=draw), CoreTuningLoss(eta=0.1)

    def accuracy():
        model.eval()
        with torch.no_grad():
            return float((classifier(model(digits.test_shifted)).argmax(dim=1) == digits.test_labels).float().mean())

    def tune(_):
        chosen = torch.randint(200, (64,), generator=draw)
        batch = sampler(model(moved(digits.images[chosen], draw)), digits.labels[chosen], 10)
        return loss(classifier(batch.features), head(batch.features), batch.soft_targets)

    start = accuracy()
    train([model, classifier, head], tune, steps=120)
    assert accuracy() > start + 0.4
