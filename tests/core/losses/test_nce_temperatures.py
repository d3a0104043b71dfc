"""Contrasts with hard, debiased, weighted or labelled negatives against loops, at temperatures 1 to 0.001."""

import pytest
import torch

from core.losses import debiased_info_nce, hardness_info_nce, label_contrast, latent_contrast, sim_cse
from tests.core.losses import nce_oracles as oracles

ROWS, WIDTH = 6, 8
ONE = torch.tensor([3, 0, 5, 5, 1, 2])
SEVERAL = torch.tensor([[3, 0, -1], [-1, 4, -1], [5, 1, 2], [0, -1, -1], [2, 4, -1], [1, 5, -1]])
SETS = [[3, 0], [4], [5, 1, 2], [0], [2, 4], [1, 5]]
DRAWN = torch.tensor([[1, 1, 2], [0, 3, 5], [0, 3, 3], [4, 5, 1], [0, 1, 5], [2, 2, 4]])
SHARED = torch.tensor([4, 0, 3])


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# name: (the loss, the oracle); both take two batches and a temperature, and return terms
CASES = {
    "sim_cse": (
        lambda q, k, t: sim_cse(q, k, q.roll(1, 0), temperature=t, reduction="none"),
        lambda q, k, t: oracles.sim_cse(q, k, q.roll(1, 0), t, 0.0),
    ),
    "sim_cse heavy": (
        lambda q, k, t: sim_cse(q, k, q.roll(1, 0), temperature=t, reduction="none", hard_negative_weight=1.5),
        lambda q, k, t: oracles.sim_cse(q, k, q.roll(1, 0), t, 1.5),
    ),
    "sim_cse light": (
        lambda q, k, t: sim_cse(q, k, k.flip(0), temperature=t, reduction="none", hard_negative_weight=-30.0),
        lambda q, k, t: oracles.sim_cse(q, k, k.flip(0), t, -30.0),
    ),
    "debiased": (
        lambda q, k, t: debiased_info_nce(q, k, temperature=t, reduction="none"),
        lambda q, k, t: oracles.hardness(q, k, t, 0.0, 0.1),
    ),
    "debiased strongly": (
        lambda q, k, t: debiased_info_nce(q, k, temperature=t, reduction="none", tau_plus=0.4),
        lambda q, k, t: oracles.hardness(q, k, t, 0.0, 0.4),
    ),
    "hardness": (
        lambda q, k, t: hardness_info_nce(q, k, temperature=t, reduction="none"),
        lambda q, k, t: oracles.hardness(q, k, t, 1.0, 0.1),
    ),
    "hardness alone": (
        lambda q, k, t: hardness_info_nce(q, k, temperature=t, reduction="none", beta=0.5, tau_plus=0.0),
        lambda q, k, t: oracles.hardness(q, k, t, 0.5, 0.0),
    ),
    "hardness detached": (
        lambda q, k, t: hardness_info_nce(q, k, temperature=t, reduction="none", beta=2.0, detach_weights=True),
        lambda q, k, t: oracles.hardness(q, k, t, 2.0, 0.1, detach=True),
    ),
    "one label": (
        lambda q, k, t: label_contrast(q, k, ONE, temperature=t, reduction="none"),
        lambda q, k, t: oracles.label_contrast(q, k, [[label] for label in ONE.tolist()], t),
    ),
    "several labels": (
        lambda q, k, t: label_contrast(q, k, SEVERAL, temperature=t, reduction="none"),
        lambda q, k, t: oracles.label_contrast(q, k, SETS, t),
    ),
    "own drawn labels": (
        lambda q, k, t: label_contrast(q, k, SEVERAL, temperature=t, reduction="none", negatives=DRAWN),
        lambda q, k, t: oracles.label_contrast(q, k, SETS, t, DRAWN.tolist()),
    ),
    "shared drawn labels": (
        lambda q, k, t: label_contrast(q, k, SEVERAL, temperature=t, reduction="none", negatives=SHARED),
        lambda q, k, t: oracles.label_contrast(q, k, SETS, t, [SHARED.tolist()] * ROWS),
    ),
    "latent": (
        lambda q, k, t: latent_contrast(torch.cat([q, k]), temperature=t, reduction="none"),
        lambda q, k, t: oracles.latent_contrast(torch.cat([q, k]), t),
    ),
    "latent sum": (
        lambda q, k, t: latent_contrast(torch.cat([q, k]), temperature=t, reduction="none", negatives="sum"),
        lambda q, k, t: oracles.latent_contrast(torch.cat([q, k]), t, mean=False),
    ),
}


def gradients(loss, query, key, t):
    """Terms, and the gradient of their sum, rows of both inputs together."""
    leaves = [query.detach().clone().requires_grad_(), key.detach().clone().requires_grad_()]
    terms = loss(*leaves, t)
    terms.sum().backward()
    return terms.detach(), torch.cat([leaf.grad for leaf in leaves])


def batch(dtype=torch.float32):
    key = draw(ROWS, WIDTH, seed=0)
    return (key + 0.8 * draw(ROWS, WIDTH, seed=1)).to(dtype), key.to(dtype)


@pytest.mark.parametrize("t", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("name", CASES)
def test_the_equation_in_double_precision(name, t):
    ours, oracle = CASES[name]
    terms, grad = gradients(ours, *batch(torch.float64), t)
    expected, expected_grad = gradients(oracle, *batch(torch.float64), t)
    torch.testing.assert_close(terms, expected, rtol=1e-10, atol=1e-12 / t)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-8, atol=1e-10 / t)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_at_every_temperature(name, t, precision):
    ours, oracle = CASES[name]
    query, key = batch()
    if precision == "float32":
        terms, grad = gradients(ours, query, key, t)
    else:
        # What an encoder hands over under autocast: bfloat16 rows. They are data; the loss must not round again.
        query, key = query.bfloat16(), key.bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            terms, grad = gradients(ours, query, key, t)
    expected, expected_grad = gradients(oracle, query.double(), key.double(), t)
    assert terms.dtype == torch.float32
    torch.testing.assert_close(terms.double(), expected, rtol=1e-5, atol=1e-6 / t)
    coarse = 1e-2 if precision == "bfloat16" else max(1e-5, 4e-6 / t)  # a bfloat16 leaf gets a bfloat16 gradient
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
    query, key = batch()
    query[2], key[4] = 0, 0
    _, grad = gradients(CASES[name][0], query, key, 0.1)
    norms = grad.norm(dim=1)
    assert norms[2] == norms[ROWS + 4] == 0
    assert (norms[:ROWS] > 0).sum() == ROWS - 1


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"hardness detached"}))
def test_first_order_gradients_hold_in_float64(name):
    query, key = (x.requires_grad_() for x in batch(torch.float64))
    assert torch.autograd.gradcheck(lambda a, b: CASES[name][0](a, b, 0.3), (query, key), fast_mode=True)


@pytest.mark.parametrize("name", CASES)
def test_temperature_gets_its_gradient(name):
    ours, oracle = CASES[name]
    found, expected = (torch.tensor(0.2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours(*batch(torch.float64), found).sum().backward()
    oracle(*batch(torch.float64), expected).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_rotation_and_row_lengths_leave_the_value(name):
    ours, (query, key) = CASES[name][0], batch(torch.float64)
    rotation = torch.linalg.qr(draw(WIDTH, WIDTH, seed=3).double())[0]
    lengths = 0.1 + draw(ROWS, 1, seed=4).double().abs()
    value = ours(query, key, 0.2)
    torch.testing.assert_close(ours(query @ rotation, key @ rotation, 0.2), value, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(ours(query * lengths, key * (3 - lengths), 0.2), value, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["sim_cse heavy", "debiased", "hardness", "hardness detached", "latent"])
def test_memory_grows_with_the_rows_and_not_with_their_square(name, monkeypatch):
    """What the backward pass keeps, where the kernel works in tiles: a few numbers a row and coordinate."""
    monkeypatch.setattr("core.similarity.arguments._PLAIN", 0)
    monkeypatch.setattr("core.similarity.arguments._PLAIN_FROZEN", 0)
    query, key = (draw(1500, WIDTH, seed=s).requires_grad_() for s in (0, 1))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        CASES[name][0](query, key, 0.1)
    assert 0 < sum(kept) < 60 * query.numel() < len(query) ** 2
