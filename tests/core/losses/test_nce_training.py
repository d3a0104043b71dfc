"""Short training runs on digits: labels by their embeddings, pairs with corrected negatives, auto-encoders."""

import math

import pytest
import torch
from torch import nn

from core.evaluation import KnnEvaluator, informative_embedding
from core.heads import GaussianHead, gaussian_log_prob
from core.losses import (
    AMIMLoss,
    BinaryNCELoss,
    CMIMLoss,
    DebiasedInfoNCELoss,
    HardnessInfoNCELoss,
    LabelContrastLoss,
    LabelMatchingLoss,
    MIMLoss,
    PriorHalf,
    RankingNCELoss,
    SimCSELoss,
)
from core.samplers import sample_negative_labels
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train

STEPS = 80


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


class Scorer(nn.Module):
    """Images and label embeddings to scores, (n, 10)."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encoder, self.labels = encoder(), nn.Embedding(10, 16)
        self.bias = nn.Parameter(torch.full((10,), -math.log(10)))  # scores start as log-probabilities do

    def forward(self, images):
        return self.encoder(images) @ self.labels.weight.T / 4 + self.bias

    def accuracy(self, digits, cosine):
        """How often the label with the highest score, or cosine, is right."""
        self.eval()
        with torch.no_grad():
            scores = self(digits.test_shifted)
            scores = (scores - self.bias) / self.labels.weight.norm(dim=1) if cosine else scores
            return float((scores.argmax(dim=1) == digits.test_labels).float().mean())


COUNTS = torch.tensor([9, 8, 7, 6, 5, 5, 4, 3, 2, 1])  # skewed noise, for the forms that know how labels were drawn
LOG_Q = (COUNTS / COUNTS.sum()).log()


def label_loss(name, model, images, labels, draw):
    if name == "label contrast":
        return LabelContrastLoss(temperature=0.2)(model.encoder(images), model.labels.weight, labels)
    if name == "label contrast, shared draw":
        some = torch.randperm(10, generator=draw)[:5]
        return LabelContrastLoss(temperature=0.2)(model.encoder(images), model.labels.weight, labels, negatives=some)
    own = sample_negative_labels(labels, 10, 3, generator=draw)
    if name == "label contrast, own draw":
        return LabelContrastLoss(temperature=0.2)(model.encoder(images), model.labels.weight, labels, negatives=own)
    g = model(images)
    if name == "label matching":
        return LabelMatchingLoss()(g, labels)
    positive = g.gather(1, labels[:, None])[:, 0]
    if name == "binary, kinds":
        return BinaryNCELoss(mean_over="kinds")(positive, g.gather(1, own))
    if name == "ranking":
        return RankingNCELoss()(positive, g.gather(1, own))
    # The corrected forms know q, and so want draws from q itself, true label or not.
    noise = torch.multinomial(COUNTS.float(), 3 * len(labels), replacement=True, generator=draw).view(-1, 3)
    logs = LOG_Q[labels], LOG_Q[noise]
    loss = BinaryNCELoss() if name == "binary, corrected" else RankingNCELoss()
    return loss(positive, g.gather(1, noise), noise_log_prob=logs)


@pytest.mark.parametrize(
    "name",
    [
        *("label contrast", "label contrast, shared draw", "label contrast, own draw", "label matching"),
        *("binary, corrected", "binary, kinds", "ranking", "ranking, conditional"),
    ],
)
def test_images_find_their_labels(name, digits):
    model, draw = Scorer(), torch.Generator().manual_seed(0)
    cosine = name.startswith("label contrast")
    start = model.accuracy(digits, cosine)

    def step(_):
        index = digits.batch(128, draw)
        return label_loss(name, model, digits.shifted[index], digits.labels[index], draw)

    train([model], step, steps=150)
    assert start < 0.3
    assert model.accuracy(digits, cosine) > 0.5


def partners(digits, index, draw, same):
    """For each digit another one, of the same class or of another."""
    match = (digits.labels[index][:, None] == digits.labels) == same
    return torch.multinomial(match.float(), 1, generator=draw)[:, 0]


@pytest.mark.parametrize("name", ["simcse", "simcse, supervised", "debiased", "hardness", "hardness, held"])
def test_pairs_teach_more_than_the_untrained_start_knows(name, digits):
    model, draw = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    loss = {
        "simcse": SimCSELoss(temperature=0.2),
        "simcse, supervised": SimCSELoss(temperature=0.2, hard_negative_weight=1.0),
        "debiased": DebiasedInfoNCELoss(temperature=0.3, tau_plus=0.1),
        "hardness": HardnessInfoNCELoss(temperature=0.3, tau_plus=0.1),
        "hardness, held": HardnessInfoNCELoss(temperature=0.3, tau_plus=0.1, detach_weights=True),
    }[name]

    def step(_):
        index = digits.batch(128, draw)
        first = model(moved(digits.images[index], draw))
        if name != "simcse, supervised":
            return loss(first, model(moved(digits.images[index], draw)))
        positive, hard = (digits.images[partners(digits, index, draw, same)] for same in (True, False))
        return loss(first, model(moved(positive, draw)), model(moved(hard, draw)))

    train([model], step, steps=STEPS)
    assert knn_accuracy(model, digits) > start + 0.05


def test_dropout_alone_makes_two_views_in_one_pass(digits):
    """SimCSE as published: the batch beside itself, and nothing but dropout to tell the copies apart."""
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), *list(encoder())[1:])
    draw, loss = torch.Generator().manual_seed(0), SimCSELoss(temperature=0.2)

    def step(_):
        images = digits.images[digits.batch(128, draw)]
        return loss(*model(torch.cat([images, images])).chunk(2))

    start = knn_accuracy(model, digits)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        losses = train([model], step, steps=STEPS)
    assert losses[-1] < losses[0] - 0.5
    assert knn_accuracy(model, digits) > start + 0.05


class AutoEncoder(nn.Module):
    """Digits to codes of width 12 and back, under a Gaussian likelihood with a fixed deviation of 0.3."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU())
            self.head = GaussianHead(96, 12)
            self.hidden, self.last = nn.Sequential(nn.Linear(12, 96), nn.ReLU()), nn.Linear(96, 64)

    def decode(self, z):
        return self.last(self.hidden(z))

    @staticmethod
    def likelihood(x, mean):
        return gaussian_log_prob(x, mean, torch.full_like(mean, 2 * math.log(0.3)))

    def prior_half(self, count, draw):
        z = torch.randn(count, 12, generator=draw)
        mean = self.decode(z)
        x = mean + 0.3 * torch.randn(mean.shape, generator=draw)
        log_q = gaussian_log_prob(z, *self.head.moments(self.encoder(x)))
        return PriorHalf(self.likelihood(x, mean), log_q, gaussian_log_prob(z))

    def scores(self, digits):
        """Squared error of test images, and accuracy of the nearest neighbours of code and of decoder states."""
        self.eval()
        with torch.no_grad():
            train_codes, codes = (
                self.head(self.encoder(x), sample=False).z for x in (digits.shifted, digits.test_shifted)
            )
            error = float((self.decode(codes) - digits.test_shifted.flatten(1)).square().mean())
        found = []
        for read in (lambda z: z, lambda z: informative_embedding(self.hidden(z))):
            with torch.no_grad():
                evaluator = KnnEvaluator(k=5).fit(read(train_codes), digits.labels)
                found.append(evaluator.score(read(codes), digits.test_labels))
        return error, *found


@pytest.fixture(scope="module")
def trained(digits):
    """Scores before training and after it under each objective."""
    objectives = {
        "cmim": CMIMLoss(),
        "no contrast": CMIMLoss(contrast_weight=0.0),
        "amim": AMIMLoss(variant="importance"),
        "mim": MIMLoss(),
    }
    results = {"start": AutoEncoder().scores(digits)}
    for name, loss in objectives.items():
        model, draw = AutoEncoder(), torch.Generator().manual_seed(0)

        def step(i, name=name, loss=loss, model=model, draw=draw):
            images = digits.shifted[digits.batch(128, draw)]
            code = model.head(model.encoder(images), generator=draw)
            likelihood = model.likelihood(images.flatten(1), model.decode(code.z))
            densities = likelihood, code.log_q, gaussian_log_prob(code.z)
            if name == "mim":
                beta = min(1.0, i / 40)
                prior = model.prior_half(128, draw) if beta == 1 else None
                return loss(*densities, prior=prior, beta=beta)
            return loss(*densities) if name == "amim" else loss(*densities, code.z)

        train([model], step, steps=200)
        results[name] = model.scores(digits)
    return results


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cmim", "no contrast", "amim", "mim"])
def test_auto_encoders_reconstruct_and_their_codes_know_the_digit(name, trained):
    error, code, states = trained[name]
    first_error, first_code, first_states = trained["start"]
    assert error < 0.5 * first_error
    assert code > first_code
    assert states > first_states


@pytest.mark.slow
def test_the_contrast_leaves_the_reconstruction_alone(trained):
    assert trained["cmim"][0] < 1.1 * trained["no contrast"][0]
