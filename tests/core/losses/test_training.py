"""The losses of pairs and labels, the queue, the momentum encoder and the plain heads, each in a small training run.

Every run trains a perceptron on scikit-learn's digits and must end better than it started.
"""

import pytest
import torch
from torch import nn

from core.heads import PredictionHead, ProjectionHead, SymmetricReLU
from core.losses import (
    BinaryDiscriminationLoss,
    CLIPLoss,
    DCLLoss,
    DCLWLoss,
    InfoNCELoss,
    LatentContrastLoss,
    NegativeCosineLoss,
    NTXentLoss,
    ScaledCosineErrorLoss,
    SupConLoss,
    TripletLoss,
)
from core.masking import random_mask
from core.momentum import MomentumEncoder
from core.samplers import MemoryQueue
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


def two_views(digits, draw):
    images = digits.images[digits.batch(128, draw)]
    return moved(images, draw), moved(images, draw)


PAIRS = {
    "info_nce": InfoNCELoss(temperature=0.3),
    "nt_xent": NTXentLoss(temperature=0.3),
    "dcl": DCLLoss(temperature=0.3),
    "dclw": DCLWLoss(temperature=0.3),
    "clip": CLIPLoss(temperature=0.3),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_views(name, digits):
    model, draw = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    loss = PAIRS[name]

    def step(_):
        first, second = two_views(digits, draw)
        return loss(model(first), model(second))

    train([model, loss], step)
    assert knn_accuracy(model, digits) > start + 0.05


def test_queue_and_momentum_encoder(digits):
    """MoCo: the keys come from a slow copy, the negatives from its earlier batches."""
    model, draw = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    target = MomentumEncoder(model, momentum=0.9)
    queue = MemoryQueue(512, 16, generator=draw)
    loss = InfoNCELoss(temperature=0.3)

    def step(_):
        target.update(model)
        first, second = two_views(digits, draw)
        with torch.no_grad():
            keys = target(second)
        value = loss(model(first), keys, negatives=queue.tensor())
        queue.update(keys)
        return value

    train([model], step, steps=80)
    assert knn_accuracy(model, digits) > start + 0.05
    assert queue.filled == 512


LABELLED = {
    "sup_con": SupConLoss(temperature=0.3),
    "sup_con_in": SupConLoss(temperature=0.3, variant="in"),
    "triplet": TripletLoss(margin=0.3),
    "triplet_batch_hard": TripletLoss(margin=None, mining="batch_hard"),
}


@pytest.mark.parametrize("name", LABELLED)
def test_labels(name, digits):
    model, draw = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)

    def step(_):
        rows = digits.batch(128, draw)
        return LABELLED[name](model(moved(digits.images[rows], draw)), digits.labels[rows])

    train([model], step)
    assert knn_accuracy(model, digits) > start + 0.08


def test_predictor_without_negatives(digits):
    """SimSiam: prediction and stopped targets; the encoder's own BatchNorm stands for that of the projection."""
    model, draw = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictor = PredictionHead(16, 64, norm="batch")
    loss = NegativeCosineLoss()

    def step(_):
        first, second = (model(view) for view in two_views(digits, draw))
        return (loss(predictor(first), second) + loss(predictor(second), first)) / 2

    train([model, predictor], step, steps=300)
    assert knn_accuracy(model, digits) > start + 0.05


@pytest.mark.parametrize("activation", ["relu", "symmetric_relu"])
def test_projection_heads_take_the_loss_off_the_encoder(activation, digits):
    model, draw = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = ProjectionHead(16, 16, 16, activation=activation, init="identity")
    loss = NTXentLoss(temperature=0.3)

    def step(_):
        first, second = two_views(digits, draw)
        return loss(head(model(first)), head(model(second)))

    train([model, head], step, steps=120)
    assert knn_accuracy(model, digits) > start + 0.05
    assert (activation == "symmetric_relu") == any(isinstance(m, SymmetricReLU) for m in head.modules())


def test_masked_reconstruction(digits):
    """GraphMAE's error on rows of pixels: what is hidden is told from what is seen."""
    draw = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
    loss = ScaledCosineErrorLoss(gamma=2.0)

    def error(images):
        rows = images.view(-1, 8)
        hidden = random_mask(len(rows), 0.3, generator=draw)
        hidden = hidden[rows[hidden].norm(dim=1) > 0]
        seen = rows.index_fill(0, hidden, 0.0).view(-1, 64)
        return loss(model(seen).view(-1, 8)[hidden], rows[hidden])

    start = float(error(digits.images[:500]).detach())
    train([model], lambda _: error(digits.images[digits.batch(128, draw)]), steps=100)
    assert float(error(digits.images[:500]).detach()) < 0.5 * start


def test_telling_true_pairs_from_false_ones(digits):
    """A bilinear critic, as in DGI: does this view belong to that image?"""
    model, draw = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        critic = nn.Linear(16, 16, bias=False)
    loss = BinaryDiscriminationLoss()

    def step(_):
        first, second = (model(view) for view in two_views(digits, draw))
        asked = critic(first)
        return loss((asked * second).sum(1), (asked * second.roll(1, 0)).sum(1))

    train([model, critic], step, steps=150)
    assert knn_accuracy(model, digits) > start + 0.03


def test_spread_of_codes_beside_a_pull(digits):
    """cMIM's contrast only spreads, here with the sum over negatives: a pull of pairs beside it makes a method."""
    draw = torch.Generator().manual_seed(0)
    pull, spread = NegativeCosineLoss(stop_gradient=False), LatentContrastLoss(temperature=0.3, negatives="sum")
    model = encoder()
    start = knn_accuracy(model, digits)

    def step(_):
        first, second = (model(view) for view in two_views(digits, draw))
        return pull(first, second) + (spread(first) + spread(second)) / 2

    train([model], step)
    assert knn_accuracy(model, digits) > start + 0.03
