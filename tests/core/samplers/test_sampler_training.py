"""Small real trainings: MoCo with mixed negatives, hallucinated pairs, arbitrary class pairs with and without gate."""

import pytest
import torch

from core.evaluation import proxy_accuracy
from core.heads import FeatureGate, PredictionHead
from core.losses import (
    ClassPairContrastiveLoss,
    HallucinatedPairLoss,
    InfoNCELoss,
    NegativeCosineLoss,
    NTXentLoss,
)
from core.momentum import MomentumEncoder
from core.samplers import ClassPairSampler, Hallucinator, HardNegativeMixing, MemoryQueue, hallucinator_statistics
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def moved_one_by_one(images, draw):
    """Views of which each is shifted its own way, so that a queue holds no batch shifted like the query."""
    shifted = torch.stack([images.roll((down, right), (1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)])
    pick = torch.randint(9, (len(images),), generator=draw)
    return shifted[pick, torch.arange(len(images))] + 0.15 * torch.randn(images.shape, generator=draw)


def moco(digits, mixer, steps=300, warm_up=20):
    """kNN accuracy of a MoCo run, and the proxy accuracy of its last steps."""
    online, queue, draw = encoder(), MemoryQueue(256, 16, generator=seeded(1)), seeded(2)
    slow, loss, found = MomentumEncoder(online, momentum=0.95), InfoNCELoss(temperature=0.2), []

    def step(i):
        x = digits.images[digits.batch(64, draw)]
        query, key = online(moved_one_by_one(x, draw)), slow(moved_one_by_one(x, draw))
        bank = queue.tensor()
        extra = None if mixer is None or i < warm_up else mixer.similarities(query, bank)
        value = loss(query, key, negatives=bank, extra_similarities=extra)
        found.append(proxy_accuracy(query.detach(), key, bank))
        slow.update(online)
        queue.update(key)
        return value

    train([online], step, steps=steps, rate=0.01)
    return knn_accuracy(online, digits), sum(found[-30:]) / 30


@pytest.mark.slow
def test_mixing_makes_the_pretext_task_harder_and_the_encoder_still_learns(digits):
    accuracy, proxy = moco(digits, HardNegativeMixing(16, 128, 128, generator=seeded(3)))
    _, plain_proxy = moco(digits, None)
    assert proxy < 0.95 * plain_proxy
    assert accuracy > knn_accuracy(encoder(), digits) + 0.05


@pytest.mark.parametrize("framework", ["simclr", "simsiam"])
def test_hallucinated_pairs_train_an_encoder_and_are_harder_than_real_ones(digits, framework):
    model, draw = encoder(), seeded(2)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        hallucinator, predictor = Hallucinator(16, generator=seeded(4)), PredictionHead(16, 8)
    base = NTXentLoss(temperature=0.2) if framework == "simclr" else NegativeCosineLoss()
    loss = HallucinatedPairLoss(base, hallucinator)

    def rows():
        x = digits.images[digits.batch(64, draw)]
        return model(moved(x, draw)), model(moved(x, draw))

    def step(_):
        z1, z2 = rows()
        if framework == "simclr":
            return loss(z1, z2)
        p1, p2 = predictor(z1), predictor(z2)
        return (loss(p1, z2, partner=p2) + loss(p2, z1, partner=p1)) / 2

    train([model, loss, predictor], step, steps=150)
    assert knn_accuracy(model, digits) > knn_accuracy(encoder(), digits) + 0.03
    model.train()
    with torch.no_grad():
        first, second = rows()
        if framework == "simsiam":
            first, second = predictor(first), predictor(second)
        found = hallucinator_statistics(first, second, hallucinator(first, second))
    assert found.hallucinated < found.real
    assert found.copied < 0.99  # the network is no copier
    assert found.spread > 0.5 / 16**0.5  # and has not collapsed


def class_pairs(digits, gated, variant="cosine"):
    """kNN accuracy after training on arbitrary pairs of classes."""
    model, draw = encoder(width=32), seeded(2)
    with torch.random.fork_rng():
        torch.manual_seed(6)
        gate = FeatureGate(10, 32, label_dim=32, hidden_dim=64)
    sampler, loss = ClassPairSampler("arbitrary", 10, generator=seeded(3)), ClassPairContrastiveLoss(variant=variant)

    def step(_):
        batch = digits.batch(128, draw)
        y1 = digits.labels[batch]
        y2 = sampler(y1)
        z = model(moved(digits.images[batch], draw))
        return loss(z, y1, y2, gate(y1, y2) if gated else torch.ones_like(z))

    train([model, gate], step, steps=250)
    return knn_accuracy(model, digits)


@pytest.mark.slow
def test_arbitrary_pairs_teach_classes_through_the_gate(digits):
    open_ = class_pairs(digits, gated=False)
    start = knn_accuracy(encoder(width=32), digits)
    for variant in ("cosine", "quadratic"):
        gated = class_pairs(digits, gated=True, variant=variant)
        assert gated > open_ + 0.03
        assert gated > start + 0.1
