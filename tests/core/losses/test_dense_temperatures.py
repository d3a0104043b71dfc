"""The dense softmax losses against float64 loops at temperatures 1 to 0.001, in float32 and bfloat16 autocast."""

import pytest
import torch

from core.losses import domain_contrast, local_region, pix_contrast
from tests.core.losses import dense_oracles

PARTITION, VOLUME = torch.tensor([0, 1, 0, 2, 1, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
MASK = torch.rand(6, 4, 4, generator=torch.Generator().manual_seed(3)) < 0.4
MASK[0], MASK[1], MASK[2:, 0, 0], MASK[2:, 0, 1] = False, True, True, False


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def domain(strategy):
    def ours(a, b, t):
        return domain_contrast(
            torch.stack([a, b]), PARTITION, VOLUME, temperature=t, strategy=strategy, reduction="none"
        )

    def oracle(a, b, t):
        return dense_oracles.domain_contrast(torch.stack([a, b]), PARTITION, VOLUME, t, strategy)

    return ours, oracle, (6, 5)


# name: (the loss, the oracle, the shape of both inputs)
CASES = {
    "pix_contrast": (
        lambda a, b, t: pix_contrast(a, b, MASK, temperature=t, reduction="none"),
        lambda a, b, t: dense_oracles.pix_contrast(a, b, MASK, t),
        (6, 5, 2, 2),
    ),
    "local_region": (
        lambda a, b, t: local_region(a, b, temperature=t, reduction="none"),
        lambda a, b, t: dense_oracles.local_region(a, b, t),
        (2, 13, 5),
    ),
    "local_region with partners": (
        lambda a, b, t: local_region(
            a, b, partners=b.flip(0)[None], temperature=t, reduction="none", strategy="domain", num_negatives=4
        ),
        lambda a, b, t: dense_oracles.local_region(a, b, t, 4, b.flip(0)[None]),
        (2, 13, 5),
    ),
    "random": domain("random"),
    "domain_negatives": domain("domain_negatives"),
    "domain": domain("domain"),
}


def gradients(loss, first, second, t):
    leaves = [first.detach().clone().requires_grad_(), second.detach().clone().requires_grad_()]
    terms = loss(*leaves, t)
    terms.sum().backward()
    return terms.detach(), torch.stack([leaf.grad for leaf in leaves])


def pair(shape):
    second = draw(*shape, seed=0)
    return second + 0.8 * draw(*shape, seed=1), second


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_equation(name, t, precision):
    ours, oracle, shape = CASES[name]
    first, second = pair(shape)
    if precision == "float32":
        terms, grad = gradients(ours, first, second, t)
    else:
        first, second = first.bfloat16(), second.bfloat16()  # the encoder's output; the loss must not round again
        with torch.autocast("cpu", torch.bfloat16):
            terms, grad = gradients(ours, first, second, t)
    expected, expected_grad = gradients(oracle, first.double(), second.double(), t)
    assert terms.dtype == torch.float32
    torch.testing.assert_close(terms.double(), expected, rtol=1e-5, atol=2e-6 / t)
    coarse = 1e-2 if precision == "bfloat16" else max(1e-5, 4e-6 / t)
    scale = float(expected_grad.abs().max())
    torch.testing.assert_close(grad.double(), expected_grad, rtol=coarse, atol=coarse * scale)


@pytest.mark.parametrize("t", [1.0, 0.001])
@pytest.mark.parametrize("kind", ["equal", "zero", "opposite", "huge", "tiny"])
@pytest.mark.parametrize("name", CASES)
def test_finite_at_the_limits(name, kind, t):
    ours, _, shape = CASES[name]
    first = torch.ones(shape)
    scale = {"equal": 1.0, "zero": 0.0, "opposite": -1.0, "huge": 1e15, "tiny": 1e-9}[kind]
    terms, grad = gradients(ours, first, scale * first, t)
    assert terms.isfinite().all()
    assert grad.isfinite().all()


@pytest.mark.parametrize("name", CASES)
def test_first_order_gradients_hold_in_float64(name):
    ours, _, shape = CASES[name]
    leaves = [x.double().requires_grad_() for x in pair(shape)]
    assert torch.autograd.gradcheck(lambda a, b: ours(a, b, 0.3), leaves, fast_mode=True)


@pytest.mark.parametrize("name", CASES)
def test_temperature_gets_its_gradient(name):
    ours, oracle, shape = CASES[name]
    first, second = (x.double() for x in pair(shape))
    found, expected = (torch.tensor(0.2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours(first, second, found).sum().backward()
    oracle(first, second, expected).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad)
