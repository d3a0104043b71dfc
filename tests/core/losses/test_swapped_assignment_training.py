"""SwAV on digits: short runs that beat their untrained start, use all prototypes, and gain from a queue."""

import math

import pytest
import torch

from core.heads import Prototypes
from core.losses import SwAVLoss
from core.samplers import FeatureQueue
from tests.core.digits import Digits, encoder, knn_accuracy, moved

PROTOTYPES = 100
"""Ten times the number of classes, as the authors advise."""


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


def run(digits, *, batch, steps, crops=2, queue=None, queue_from=50, seed=0):
    """Encoder, prototypes and losses after some steps; prototypes stand still for the first ten."""
    draw, model = torch.Generator().manual_seed(seed), encoder(seed=seed)
    prototypes, loss = Prototypes(16, PROTOTYPES, freeze_steps=10, generator=draw), SwAVLoss()
    optimizer = torch.optim.Adam([*model.parameters(), *prototypes.parameters()], lr=0.003)
    model.train()
    losses = []
    for step in range(steps):
        images = digits.images[digits.batch(batch, draw)]
        z = torch.stack([model(moved(images, draw)) for _ in range(crops)])
        queue_scores = torch.zeros(2, 0, PROTOTYPES)
        if queue is not None and step >= queue_from:
            with torch.no_grad():
                queue_scores = prototypes(queue.features())
            queue.update(z[:2])
        value = loss(prototypes(z), queue_scores=queue_scores)
        optimizer.zero_grad()
        value.backward()
        prototypes.drop_frozen_gradients()
        optimizer.step()
        losses.append(float(value.detach()))
    return model, prototypes, losses


@pytest.mark.parametrize("crops", [2, 4])
def test_a_short_run_beats_its_untrained_start_and_uses_all_prototypes(digits, crops):
    start = knn_accuracy(encoder(), digits)
    model, prototypes, losses = run(digits, batch=128, steps=200, crops=crops)
    assert knn_accuracy(model, digits) > start + 0.05
    assert sum(losses[-10:]) / 10 < math.log(PROTOTYPES) - 0.5, "a collapsed encoder stays at log k"
    with torch.no_grad():
        usage = torch.softmax(prototypes(model(digits.images)) / 0.1, dim=1).mean(dim=0)
    assert float(-(usage * usage.log()).sum()) > 0.9 * math.log(PROTOTYPES)


@pytest.mark.slow
def test_a_queue_helps_a_batch_smaller_than_the_prototypes(digits):
    gains = []
    for seed in range(3):
        scores = []
        for queue in (None, FeatureQueue(256, 16)):
            model, _, _ = run(digits, batch=32, steps=300, queue=queue, seed=seed)
            scores.append(knn_accuracy(model, digits))
        gains.append(scores[1] - scores[0])
    assert sum(gains) / 3 > 0.02
