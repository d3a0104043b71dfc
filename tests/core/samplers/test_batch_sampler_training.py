"""Small real trainings: P classes with K samples, a long tail, two stages, and a pool without near-copies."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from core.evaluation import KnnEvaluator
from core.losses import NTXentLoss, SupConLoss, TripletLoss
from core.multistage import MultistageEncoder
from core.samplers import (
    ClassBalancedBatchSampler,
    FeatureAwareBatchSampler,
    PKBatchSampler,
    RedundancyFilter,
    cluster_features,
    joint_labels,
)
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def batches(sampler, *tensors):
    """Batches without end, epoch after epoch, through a loader."""
    loader, number = DataLoader(TensorDataset(*tensors), batch_sampler=sampler, generator=seeded(0)), 0
    while True:
        sampler.set_epoch(number)
        yield from loader
        number += 1


@pytest.mark.parametrize("loss", [SupConLoss(temperature=0.2), TripletLoss(margin=0.2, mining="batch_hard")])
def test_classes_that_meet_teach_an_encoder(digits, loss):
    """Batches of 16: 4 digits with 4 samples each."""
    model, draw = encoder(), seeded(1)
    before = knn_accuracy(model, digits)
    sampler = PKBatchSampler(digits.labels, classes_per_batch=4, samples_per_class=4)
    stream = batches(sampler, digits.images, digits.labels)

    def step(_):
        images, labels = next(stream)
        return loss(model(moved(images, draw)), labels)

    train([model], step, steps=200)
    assert knn_accuracy(model, digits) > before + 0.15


def rare_digits(digits):
    """Digits 5 to 9 ten times as rare as the others, in training; positions of what is left."""
    keep = torch.zeros(len(digits.labels), dtype=torch.bool)
    for label in range(10):
        own = (digits.labels == label).nonzero()[:, 0]
        keep[own if label < 5 else own[: len(own) // 10]] = True
    return keep.nonzero()[:, 0]


def long_tail(digits, sampler_of, steps=150):
    model, draw, kept = encoder(), seeded(1), rare_digits(digits)
    loss, stream = SupConLoss(temperature=0.2), batches(sampler_of(digits.labels[kept]), kept)

    def step(_):
        (own,) = next(stream)
        return loss(model(moved(digits.images[own], draw)), digits.labels[own])

    train([model], step, steps=steps)
    model.eval()
    rare = digits.test_labels >= 5
    with torch.no_grad():
        evaluator = KnnEvaluator(k=5).fit(model(digits.shifted), digits.labels)
        return evaluator.score(model(digits.test_shifted[rare]), digits.test_labels[rare])


@pytest.mark.slow
def test_balanced_batches_serve_the_tail(digits):
    untrained = long_tail(digits, lambda labels: ClassBalancedBatchSampler(labels, 32), steps=0)
    balanced = long_tail(digits, lambda labels: ClassBalancedBatchSampler(labels, 32))
    plain = long_tail(digits, lambda labels: ClassBalancedBatchSampler(labels, 32, q=1.0))
    assert balanced > untrained + 0.1
    assert balanced > plain


class Marked:
    """Digits under one of eight strong marks, the same in both views: the easy feature that hides the digit."""

    def __init__(self, digits):
        draw = seeded(9)
        self.digits = digits
        self.marks = torch.randn(8, 8, 8, generator=draw)
        self.own = torch.randint(8, (len(digits.labels),), generator=draw)
        self.test = torch.randint(8, (len(digits.test_labels),), generator=draw)

    def stage(self, groups, seed):
        """An encoder trained without labels, on batches of one group each."""
        model, draw, loss = encoder(seed=seed), seeded(seed), NTXentLoss(temperature=0.2)
        sampler = FeatureAwareBatchSampler(groups, 32, small_groups="merge", seed=seed)
        stream = batches(sampler, self.digits.images, self.own)

        def view(images, marks):
            shifted = torch.stack([images.roll((d, r), (1, 2)) for d in (-1, 0, 1) for r in (-1, 0, 1)])
            moved_ = shifted[torch.randint(9, (len(images),), generator=draw), torch.arange(len(images))]
            return moved_ + marks + 0.15 * torch.randn(images.shape, generator=draw)

        def step(_):
            images, own = next(stream)
            return loss(model(view(images, self.marks[own])), model(view(images, self.marks[own])))

        train([model], step, steps=300)
        return model.eval()

    @torch.no_grad()
    def clusters(self, model):
        return cluster_features(model(self.digits.images + self.marks[self.own]), 8)

    @torch.no_grad()
    def accuracy(self, model):
        model.eval()
        known, asked = self.digits.shifted + self.marks[self.own], self.digits.test_shifted + self.marks[self.test]
        return KnnEvaluator(k=5).fit(model(known), self.digits.labels).score(model(asked), self.digits.test_labels)


@pytest.mark.slow
def test_a_second_stage_learns_what_the_first_one_left_out(digits):
    """The clusters of the first stage are the marks; among digits of one mark only the digit tells them apart."""
    marked = Marked(digits)
    one_group = torch.zeros(len(digits.labels), dtype=torch.int64)
    first = marked.stage(one_group, seed=0)
    clusters = marked.clusters(first)
    purity = sum(int(torch.bincount(marked.own[clusters == c]).max()) for c in clusters.unique()) / len(clusters)
    assert purity > 0.9
    second = marked.stage(joint_labels([clusters], 8), seed=1)
    joined = marked.accuracy(MultistageEncoder([first, second]))
    plain = marked.accuracy(MultistageEncoder([first, marked.stage(one_group, seed=1)]))
    assert marked.accuracy(first) > marked.accuracy(encoder())
    assert joined > marked.accuracy(first) + 0.03
    assert joined > plain  # not because there are two of them


@pytest.mark.slow
def test_a_pool_without_near_copies_teaches_as_much_in_as_many_steps(digits):
    """Each digit with nine copies that differ by a little noise, as neighbouring slices of a scan do."""
    draw, loss = seeded(2), NTXentLoss(temperature=0.2)
    pool = digits.images.repeat_interleave(10, 0)
    pool = pool + 0.02 * torch.randn(pool.shape, generator=draw)
    fitted = RedundancyFilter("cosine", 0.02).fit(pool.flatten(1), torch.arange(len(pool)) // 10)
    assert fitted.ratio_ == pytest.approx(0.1, abs=0.02)
    assert torch.equal(fitted.representative_ // 10, torch.arange(len(pool)) // 10)

    def run(images, steps):
        model, order, views = encoder(), seeded(3), seeded(4)

        def step(_):
            own = images[torch.randint(len(images), (64,), generator=order)]
            return loss(model(moved(own, views)), model(moved(own, views)))

        train([model], step, steps=steps)
        return knn_accuracy(model, digits)

    reduced = pool[fitted.keep_indices_]
    untrained, kept, everything = run(reduced, 0), run(reduced, 150), run(pool, 150)
    assert kept > untrained + 0.1
    assert kept > everything - 0.03
