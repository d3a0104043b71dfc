"""Each adversary in a small real training run on scikit-learn's digits."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from core.adversarial import FGM, FGSM, PGD, SMART, VAT, FreeLB, SameDropout, SiFT
from core.losses import symmetric_kl
from tests.core.adversarial.toys import rng


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    return x[:1000], y[:1000], x[1000:], y[1000:]


def network(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 10))


def train(model, step, epochs=40):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(epochs):
        optimizer.zero_grad()
        value = step()
        if value is not None:
            value.backward()
        optimizer.step()


def accuracy(model, x, y):
    with torch.no_grad():
        return float((model.eval()(x).argmax(1) == y).float().mean())


LABELLED = {
    "fgm": FGM(epsilon=0.3),
    "fgsm": FGSM(epsilon=0.03, bounds=(0.0, 1.0)),
    "pgd_l2": PGD(epsilon=0.3, steps=2),
    "pgd_linf": PGD(epsilon=0.03, norm="linf", steps=2, bounds=(0.0, 1.0)),
}


@pytest.mark.parametrize("name", LABELLED)
def test_adversarial_training_beats_the_untrained_start_and_hardens(name, digits):
    """On held-out digits, clean and attacked; against the attack it also beats plain training of the same length."""
    x, y, test_x, test_y = digits
    adversary = LABELLED[name]
    model, plain = network(), network()
    attack = FGM(epsilon=0.6)

    def attacked(net):
        return accuracy(net, attack.perturb(lambda z: nn.functional.cross_entropy(net(z), test_y), test_x), test_y)

    before = accuracy(model, test_x, test_y), attacked(model)
    train(model, lambda: nn.functional.cross_entropy(model(x), y) + adversary.loss(model, x, y))
    train(plain, lambda: 2 * nn.functional.cross_entropy(plain(x), y))
    after = accuracy(model, test_x, test_y), attacked(model)
    assert after[0] > before[0] + 0.5
    assert after[1] > before[1] + 0.3
    assert after[1] > attacked(plain)


def test_free_lb_trains_by_its_own_backward(digits):
    x, y, test_x, test_y = digits
    model = network(dropout=0.1)
    adversary = FreeLB(steps=3, step_size=0.1, init=0.1, epsilon=0.3, generator=rng())
    before = accuracy(model, test_x, test_y)
    model.train()

    def step():
        adversary.loss(model, x, y)

    train(model, step)
    assert accuracy(model, test_x, test_y) > before + 0.5


REGULARISERS = {
    "vat": VAT(epsilon=0.5, xi=1e-2, generator=rng()),
    "smart": SMART(epsilon=0.05, step_size=0.05, sigma=0.01, generator=rng()),
    "sift": SiFT(step_size=0.1, generator=rng()),
}


@pytest.mark.parametrize("name", REGULARISERS)
def test_consistency_training_beats_the_untrained_start(name, digits):
    """Twenty labelled digits of each class, all others without labels."""
    x, y, test_x, test_y = digits
    adversary = REGULARISERS[name]
    prepare = SiFT.normalize if name == "sift" else nn.Identity()
    model = network(dropout=0.1)
    x, test_x = prepare(x), prepare(test_x)
    before = accuracy(model, test_x, test_y)
    model.train()
    values = []

    def step():
        forward = SameDropout(model)
        clean = forward(x)
        smooth = adversary.loss(forward, x, clean)
        values.append(float(smooth.detach()))
        return nn.functional.cross_entropy(clean[:200], y[:200]) + smooth

    train(model, step)
    assert accuracy(model, test_x, test_y) > before + 0.5
    assert all(0 <= v < 10 for v in values)


def test_a_trained_model_fears_vats_direction_more_than_a_random_one(digits):
    x, y, test_x, _ = digits
    model = network()
    train(model, lambda: nn.functional.cross_entropy(model(x), y))
    clean = model(test_x).detach()
    noise = torch.randn(test_x.shape, generator=rng())
    random = 0.5 * noise / noise.norm(dim=1, keepdim=True)
    with torch.no_grad():
        worst = VAT(epsilon=0.5, generator=rng(1), objective="symmetric_kl").loss(model, test_x, clean)
        chance = symmetric_kl(clean, model(test_x + random))
    assert worst > 2 * chance
