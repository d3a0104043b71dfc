"""SogCLR and iSogCLR at work: short trainings on balanced and long-tailed digits and on pairs, and their memory."""

import pytest
import torch

from core.losses import (
    BimodalISogCLRLoss,
    BimodalSogCLRLoss,
    CosineSchedule,
    ISogCLRLoss,
    SogCLRLoss,
)
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train

VIEWS = {
    "sogclr": lambda n: SogCLRLoss(n, temperature=0.3),
    "sogclr cosine gamma": lambda n: SogCLRLoss(n, temperature=0.3, gamma=CosineSchedule(start=1.0, end=0.2, epochs=4)),
    "isogclr": lambda n: ISogCLRLoss(n, temperature=0.3),
}
PAIRS = {
    "sogclr": lambda n: BimodalSogCLRLoss(n, temperature=0.1),
    "isogclr": lambda n: BimodalISogCLRLoss(n, temperature=0.1, rho=1.0, tau_min=0.03, eta=0.003),
}


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


def long_tailed(digits, factor=0.05):
    """Class c of 10 keeps n_max factor^(c / 9) images; the test set stays balanced."""
    largest = int(digits.labels.bincount().min())
    keep = [(digits.labels == c).nonzero().flatten()[: int(largest * factor ** (c / 9))] for c in range(10)]
    rows = torch.cat(keep)
    return digits._replace(images=digits.images[rows], labels=digits.labels[rows], shifted=digits.shifted[rows])


def fit(loss, digits, *, size, steps, draw):
    """An encoder trained on batches of distinct samples, an epoch after the other."""
    model, count = encoder(), len(digits.images)
    rounds, order = count // size, torch.empty(0)

    def step(i):
        nonlocal order
        if i % rounds == 0:
            loss.set_epoch(i // rounds)
            order = torch.randperm(count, generator=draw)
        index = order[i % rounds * size :][:size]
        images = digits.images[index]
        return loss(model(moved(images, draw)), model(moved(images, draw)), index)

    return model, train([model], step, steps=steps)


@pytest.mark.parametrize("name", VIEWS)
def test_a_short_training_run_beats_its_untrained_start(name, digits):
    loss = VIEWS[name](1000)
    model, _ = fit(loss, digits, size=100, steps=50, draw=torch.Generator().manual_seed(0))
    assert knn_accuracy(model, digits) > knn_accuracy(encoder(), digits) + 0.05
    assert int(loss.partition.visited.sum()) == 1000


def test_the_estimate_of_the_objective_falls(digits):
    """Every sample is seen once in 20 steps; five times as many leave a lower estimate."""
    estimates = []
    for steps in (20, 100):
        loss = SogCLRLoss(1000, temperature=0.3)
        fit(loss, digits, size=50, steps=steps, draw=torch.Generator().manual_seed(0))
        estimates.append(float(loss.objective()))
    assert estimates[1] < estimates[0] - 0.05


def test_temperatures_follow_class_size_on_long_tailed_digits(digits):
    """The paper's claim, frequent semantics get high temperatures: head classes above tail classes."""
    tailed = long_tailed(digits)
    sizes = tailed.labels.bincount().tolist()
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 15 * sizes[-1]
    loss = ISogCLRLoss(len(tailed.images), temperature=0.3, rho=0.4)
    model, _ = fit(loss, tailed, size=32, steps=150, draw=torch.Generator().manual_seed(0))
    assert knn_accuracy(model, tailed) > knn_accuracy(encoder(), tailed) + 0.05
    head, tail = (loss.temperatures[rows].mean() for rows in (tailed.labels < 3, tailed.labels >= 5))
    assert head > tail + 0.005
    assert 0.05 <= loss.temperatures.min() < loss.temperatures.max() <= 1.0


@pytest.mark.parametrize("name", PAIRS)
def test_two_encoders_learn_to_find_each_other(name, digits):
    """Images, and the same images with their pixels in another order, as a second modality."""
    loss, draw = PAIRS[name](1000), torch.Generator().manual_seed(0)
    order = torch.randperm(64, generator=draw)
    first, second = encoder(32), encoder(32, seed=1)

    def other(images):
        return images.flatten(1)[:, order]

    def noisy(images):
        return images + 0.1 * torch.randn(images.shape, generator=draw)

    def recall():
        first.eval(), second.eval()
        with torch.no_grad():
            found = [
                model(images) for model, images in ((first, digits.test_shifted), (second, other(digits.test_shifted)))
            ]
        a, b = (torch.nn.functional.normalize(x[:200], dim=1) for x in found)
        return float(((a @ b.T).argmax(dim=1) == torch.arange(200)).float().mean())

    def step(_):
        index = torch.randperm(1000, generator=draw)[:100]
        images = digits.shifted[index]
        return loss(first(noisy(images)), second(other(noisy(images))), index)

    assert recall() < 0.1
    train([first, second], step, steps=40)
    assert recall() > 0.8


def largest_kept(loss, count, width):
    """The largest number of entries of one tensor that the graph keeps."""
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel())
        return tensor

    query, key = (torch.randn(count, width, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        value = loss(query.requires_grad_(), key.requires_grad_(), torch.arange(count))
    value.backward()
    return max(sizes)


@pytest.mark.parametrize("kind", [SogCLRLoss, ISogCLRLoss, BimodalSogCLRLoss, BimodalISogCLRLoss])
def test_no_matrix_of_all_pairs_is_kept(kind):
    count, width = 2500, 4
    assert largest_kept(kind(count, temperature=0.3), count, width) <= 2 * count * width
