"""Every softmax loss against float64 loops, at temperatures 1 to 0.001, in float32 and under bfloat16 autocast."""

import pytest
import torch

from core.losses import clip, dcl, info_nce, nt_xent, positive_weights, sup_con
from tests.core.losses import oracles

LABELS = torch.tensor([0, 1, 0, 2, 0, 1, 3])
ROWS, WIDTH = len(LABELS), 8


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


QUEUE = draw(5, WIDTH, seed=4)
OWN = draw(ROWS, 3, WIDTH, seed=5)

# name: (the loss, the oracle); both take two batches and a temperature, and return terms
CASES = {
    "info_nce": (
        lambda q, k, t: info_nce(q, k, temperature=t, reduction="none"),
        oracles.info_nce,
    ),
    "queue": (
        lambda q, k, t: info_nce(q, k, temperature=t, negatives=QUEUE, reduction="none"),
        lambda q, k, t: oracles.info_nce(q, k, t, QUEUE, in_batch=False),
    ),
    "queue and batch": (
        lambda q, k, t: info_nce(q, k, temperature=t, negatives=QUEUE, in_batch=True, reduction="none"),
        lambda q, k, t: oracles.info_nce(q, k, t, QUEUE),
    ),
    "own negatives": (
        lambda q, k, t: info_nce(q, k, temperature=t, negatives=OWN, reduction="none"),
        lambda q, k, t: oracles.info_nce(q, k, t, OWN, in_batch=False),
    ),
    "own negatives and batch": (
        lambda q, k, t: info_nce(q, k, temperature=t, negatives=OWN, in_batch=True, reduction="none"),
        lambda q, k, t: oracles.info_nce(q, k, t, OWN),
    ),
    "nt_xent": (lambda q, k, t: nt_xent(q, k, temperature=t, reduction="none"), oracles.nt_xent),
    "dcl": (lambda q, k, t: dcl(q, k, temperature=t, reduction="none"), oracles.dcl),
    "dclw": (
        lambda q, k, t: dcl(
            q, k, temperature=t, reduction="none", positive_weight=positive_weights(q, k, detach=False)
        ),
        lambda q, k, t: oracles.dcl(q, k, t, oracles.dclw_weights(q, k, 0.5)),
    ),
    "clip": (lambda q, k, t: clip(q, k, temperature=t, reduction="none"), oracles.clip),
    "sup_con out": (
        lambda q, k, t: sup_con(torch.stack([q, k]), LABELS, temperature=t, reduction="none"),
        lambda q, k, t: oracles.sup_con(torch.cat([q, k]), LABELS.repeat(2), t, "out"),
    ),
    "sup_con in": (
        lambda q, k, t: sup_con(torch.stack([q, k]), LABELS, temperature=t, reduction="none", variant="in"),
        lambda q, k, t: oracles.sup_con(torch.cat([q, k]), LABELS.repeat(2), t, "in"),
    ),
}


def gradients(loss, query, key, t):
    """Terms, and the gradient of their sum, rows of both inputs together."""
    leaves = [query.detach().clone().requires_grad_(), key.detach().clone().requires_grad_()]
    terms = loss(*leaves, t)
    terms.sum().backward()
    return terms.detach(), torch.cat([leaf.grad for leaf in leaves])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_equation(name, t, precision):
    ours, oracle = CASES[name]
    key = draw(ROWS, WIDTH, seed=0)
    query = key + 0.8 * draw(ROWS, WIDTH, seed=1)
    if precision == "float32":
        terms, grad = gradients(ours, query, key, t)
    else:
        # What an encoder hands over under autocast: bfloat16 rows. They are data; the loss must not round again.
        query, key = query.bfloat16(), key.bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            terms, grad = gradients(ours, query, key, t)
    expected, expected_grad = gradients(oracle, query.double(), key.double(), t)
    assert terms.dtype == torch.float32
    torch.testing.assert_close(terms.double(), expected, rtol=1e-5, atol=4e-7 / t)
    coarse = 1e-2 if precision == "bfloat16" else max(1e-5, 2e-6 / t)  # a bfloat16 leaf gets a bfloat16 gradient
    scale = float(expected_grad.abs().max())
    torch.testing.assert_close(grad.double(), expected_grad, rtol=coarse, atol=coarse * scale)


@pytest.mark.parametrize("t", [1.0, 0.001])
@pytest.mark.parametrize("kind", ["equal", "zero", "opposite", "huge", "tiny"])
@pytest.mark.parametrize("name", CASES)
def test_finite_at_the_limits(name, kind, t):
    row = torch.arange(1.0, WIDTH + 1)
    scale = {"equal": 1.0, "zero": 0.0, "opposite": -1.0, "huge": 1e15, "tiny": 1e-9}[kind]
    query, key = row.repeat(ROWS, 1), scale * row.repeat(ROWS, 1)
    terms, grad = gradients(CASES[name][0], query, key, t)
    assert terms.isfinite().all()
    assert grad.isfinite().all()


@pytest.mark.parametrize("name", CASES)
def test_zero_rows_have_cosine_zero_and_no_gradient(name):
    ours, _ = CASES[name]
    query, key = draw(ROWS, WIDTH, seed=0), draw(ROWS, WIDTH, seed=1)
    query[2], key[4] = 0, 0
    _, grad = gradients(ours, query, key, 0.1)
    norms = grad.norm(dim=1)
    assert norms[2] == norms[ROWS + 4] == 0
    assert (norms[:ROWS] > 0).sum() == ROWS - 1


@pytest.mark.parametrize("name", CASES)
def test_first_order_gradients_hold_in_float64(name):
    ours, _ = CASES[name]
    query = draw(ROWS, WIDTH, seed=0).double().requires_grad_()
    key = draw(ROWS, WIDTH, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: ours(a, b, 0.3), (query, key), fast_mode=True)


@pytest.mark.parametrize("name", ["info_nce", "queue", "own negatives", "nt_xent", "dcl", "clip", "sup_con out"])
def test_temperature_gets_its_gradient(name):
    ours, oracle = CASES[name]
    query, key = draw(ROWS, WIDTH, seed=0), draw(ROWS, WIDTH, seed=1)
    found = torch.tensor(0.2, requires_grad=True)
    ours(query, key, found).sum().backward()
    expected = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    oracle(query, key, expected).sum().backward()
    torch.testing.assert_close(found.grad.double(), expected.grad, rtol=1e-4, atol=1e-4)
