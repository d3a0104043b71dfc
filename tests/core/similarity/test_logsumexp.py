"""Every path of the kernel against the definition, in value and gradient."""

import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from core.similarity import similarity_logsumexp
from tests.core.similarity.reference import reference_logsumexp

TILES = [None, 5, 16]  # the plain matrix, tiles that do not divide the rows, tiles that nearly do


def unit(generator, *shape, **options):
    return normalize(torch.randn(*shape, generator=generator, **options), dim=-1).requires_grad_()


def assert_agrees(inputs, weights, actual, expected, tolerance):
    """Values, and gradients of a weighted sum, relative to their own size."""
    torch.testing.assert_close(actual.double(), expected, rtol=tolerance, atol=tolerance)
    got = torch.autograd.grad((actual * weights).sum(), inputs)
    wanted = torch.autograd.grad((expected * weights).sum(), inputs)
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype
        assert (a - b).norm() <= 5 * tolerance * b.norm() + 1e-12


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("heat", [1.0, 0.1, 0.01, 0.001, "scalar", "rows"])
@pytest.mark.parametrize("same", [True, False])
def test_value_and_gradient(generator, tile, heat, same):
    query = unit(generator, 17, 6)
    key = query if same else unit(generator, 23, 6)
    inputs = [query] if same else [query, key]
    exclude = torch.stack([torch.arange(17), (torch.arange(17) + 1) % 17], dim=1) if same else torch.arange(17) - 1
    temperature = heat
    if isinstance(heat, str):
        temperature = torch.rand(() if heat == "scalar" else (17,), generator=generator).add(0.2).requires_grad_()
        inputs = [*inputs, temperature]
    weights = torch.randn(17, generator=generator)
    actual = similarity_logsumexp(query, key, temperature=temperature, exclude=exclude, tile=tile)
    expected = reference_logsumexp(query, key, temperature, exclude)
    # A logit of size 1 / T carries a float32 rounding of 6e-8 / T, and so does everything behind exp.
    assert_agrees(inputs, weights, actual, expected, 2e-6 / (temperature if isinstance(temperature, float) else 0.2))


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("case", ["own view", "own and positive", "no exclusion", "two-sided", "extra", "queue"])
@pytest.mark.parametrize("scale", [1.0, 12.0])
def test_gradcheck(generator, tile, case, scale):
    query = (scale * torch.randn(7, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    key = query
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    own = torch.arange(7)
    exclude = {"own view": own, "own and positive": torch.stack([own, 6 - own], dim=1)}.get(case)
    extra = None
    if case in ("two-sided", "queue", "extra"):
        key = torch.randn(8, 3, generator=generator, dtype=torch.float64, requires_grad=case != "queue")
        temperature = torch.linspace(0.5, 1, 7, dtype=torch.float64).requires_grad_()
    if case == "extra":
        extra = torch.randn(7, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    inputs = [t for t in (query, temperature, key, extra) if t is not None and t.requires_grad]

    def kernel(*_):
        return similarity_logsumexp(query, key, temperature=temperature, exclude=exclude, extra=extra, tile=tile)

    assert torch.autograd.gradcheck(kernel, inputs, eps=1e-6, atol=1e-5, rtol=1e-5)


@given(
    rows=st.integers(1, 9),
    keys=st.integers(2, 9),
    width=st.integers(1, 4),
    tile=st.sampled_from([None, 1, 2, 3, 64]),
    same=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_any_exclusion_in_any_shape(rows, keys, width, tile, same, seed):
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(keys if same else rows, width, generator=generator, requires_grad=True)
    key = query if same else torch.randn(keys, width, generator=generator, requires_grad=True)
    # Repeats and -1 included; keys - 1 slots can never name every key.
    exclude = torch.randint(-1, keys, (len(query), keys - 1), generator=generator)
    weights = torch.randn(len(query), generator=generator)
    actual = similarity_logsumexp(query, key, temperature=0.3, exclude=exclude, tile=tile)
    assert_agrees(
        [query] if same else [query, key], weights, actual, reference_logsumexp(query, key, 0.3, exclude), 2e-5
    )


@pytest.mark.parametrize("tile", TILES)
def test_extra_candidates_join_the_sum(generator, tile):
    query, key = unit(generator, 11, 4), unit(generator, 9, 4)
    extra = torch.randn(11, 3, 4, generator=generator, requires_grad=True)
    exclude = torch.arange(9).repeat(11, 1)  # row i keeps the keys from i on: the last rows have extras only
    exclude = torch.where(exclude < torch.arange(11)[:, None], exclude, -1)
    weights = torch.randn(11, generator=generator)
    actual = similarity_logsumexp(query, key, temperature=0.2, exclude=exclude, extra=extra, tile=tile)
    assert_agrees([query, key, extra], weights, actual, reference_logsumexp(query, key, 0.2, exclude, extra), 1e-5)


def test_no_extra_candidate_is_no_change(generator):
    query = unit(generator, 5, 4)
    with_none = similarity_logsumexp(query, query, temperature=0.5, extra=torch.empty(5, 0, 4))
    assert torch.equal(with_none, similarity_logsumexp(query, query, temperature=0.5))


@pytest.mark.parametrize("tile", TILES)
def test_candidates_far_below_the_bound(generator, tile):
    """Orthogonal rows at T = 0.001: own logit 1000, all others 0; a shift by the bound would leave log(0)."""
    query = torch.eye(20).requires_grad_()
    actual = similarity_logsumexp(query, query, temperature=0.001, exclude=torch.arange(20), tile=tile)
    torch.testing.assert_close(actual, torch.full((20,), math.log(19)))
    (gradient,) = torch.autograd.grad(actual.sum(), query)
    expected = 2 * (1 - torch.eye(20)) / 19 / 0.001
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("path", ["plain", "symmetric", "two-sided", "queue"])
@pytest.mark.parametrize("smallest", [1.0, 1e-36])
def test_no_denormal_numbers(generator, path, smallest):
    """exp(-95) is a denormal float32: a hundred times slower to make and to multiply, and nothing beside a 1.

    Weights from 1 to ``smallest`` are what log(1 + negatives / positive) sends back at a low temperature.
    """
    query = normalize(torch.randn(600, 4, generator=generator), dim=1).requires_grad_()
    key = query if path in ("plain", "symmetric") else query.detach().clone().requires_grad_(path != "queue")
    weights = torch.logspace(0, math.log10(smallest), 600)
    seconds = {}
    for temperature in (0.1, 0.015):
        for repeat in range(4):
            start = time.thread_time()
            value = similarity_logsumexp(query, key, temperature=temperature, tile=None if path == "plain" else 512)
            torch.autograd.grad((weights * value).sum(), query)
            seconds[temperature, repeat] = time.thread_time() - start
    assert min(seconds[0.015, r] for r in range(4)) < 4 * min(seconds[0.1, r] for r in range(4))


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("value", [0.0, 1.0, 300.0])
def test_equal_and_zero_rows(tile, value):
    query = torch.full((12, 4), value, requires_grad=True)
    actual = similarity_logsumexp(query, query, temperature=0.1, exclude=torch.arange(12), tile=tile)
    torch.testing.assert_close(actual, torch.full((12,), 40 * value**2 + math.log(11)))
    (gradient,) = torch.autograd.grad(actual.sum(), query)
    torch.testing.assert_close(gradient, 20 * query.detach())


def test_huge_rows_stay_finite(generator):
    query = 1e4 * torch.randn(40, 4, generator=generator)
    actual = similarity_logsumexp(query, query, temperature=0.1, exclude=torch.arange(40), tile=16)
    torch.testing.assert_close(
        actual.double(), reference_logsumexp(query, query, 0.1, torch.arange(40)), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("tile", TILES)
def test_half_types_accumulate_in_float32(generator, tile):
    query = unit(generator, 40, 8).detach().bfloat16().requires_grad_()
    actual = similarity_logsumexp(query, query, temperature=0.05, exclude=torch.arange(40), tile=tile)
    assert actual.dtype == torch.float32
    wide = query.detach().double().requires_grad_()
    expected = reference_logsumexp(wide, wide, 0.05, torch.arange(40))
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(actual.sum(), query)
    (wanted,) = torch.autograd.grad(expected.sum(), wide)
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(gradient.double(), wanted, rtol=2**-8, atol=1e-4)  # rounded once, at the end


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_autocast_around_both_passes_changes_nothing(generator, tile, same, frozen):
    query = unit(generator, 20, 8)
    key = query if same else unit(generator, 20, 8).detach().requires_grad_(not frozen)
    extra = unit(generator, 20, 2, 8)
    inputs = [t for t in dict.fromkeys((query, key, extra)) if t.requires_grad]

    def passes():
        value = similarity_logsumexp(query, key, temperature=0.05, extra=extra, tile=tile)
        return [value, *torch.autograd.grad(value.square().sum(), inputs)]

    plain = passes()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = passes()
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 0.01])
def test_bfloat16_products_cost_what_their_rounding_costs(generator, same, temperature):
    query = unit(generator, 48, 32)
    key = query if same else unit(generator, 48, 32)
    for tile in (None, 16):
        exact = similarity_logsumexp(query, key, temperature=temperature, tile=tile)
        rounded = similarity_logsumexp(query, key, temperature=temperature, tile=tile, matmul_dtype=torch.bfloat16)
        (wanted,), (gradient,) = (torch.autograd.grad(value.mean(), query) for value in (exact, rounded))
        error = (rounded - exact).abs().max()
        assert 0 < error <= 2**-7 / temperature  # two operands and the product, each within 2^-9 of a logit 1 / T
        assert (gradient - wanted).norm() <= 0.02 * wanted.norm() / min(1.0, 25 * temperature)


def test_automatic_choice_equals_every_tile(generator):
    query = unit(generator, 2100, 8)  # beyond the plain matrix
    exclude = torch.arange(2100)
    automatic, small = (
        similarity_logsumexp(query, query, temperature=0.1, exclude=exclude, tile=tile) for tile in (None, 900)
    )
    torch.testing.assert_close(automatic, small, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_state_is_linear_in_the_rows(generator, same, frozen):
    query = unit(generator, 2100, 8)
    key = query if same else unit(generator, 4000, 8).detach().requires_grad_(not frozen)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        similarity_logsumexp(query, key, temperature=0.1, exclude=torch.arange(2100))
    assert 0 < sum(saved) <= 4 * (len(query) + len(key)) * 9


def test_only_what_needs_a_gradient_gets_one(generator):
    for tile in TILES:
        for frozen in ("query", "key"):
            query, key = unit(generator, 12, 4), unit(generator, 9, 4)
            (query if frozen == "query" else key).requires_grad_(False)
            similarity_logsumexp(query, key, temperature=0.1, tile=tile).sum().backward()
            assert (query.grad is None) == (frozen == "query")
            assert (key.grad is None) == (frozen == "key")


def test_without_gradient(generator):
    query, key = unit(generator, 12, 4), unit(generator, 9, 4)
    for tile in TILES:
        with torch.no_grad():
            value = similarity_logsumexp(query, key, temperature=0.1, tile=tile)
        assert not value.requires_grad
        torch.testing.assert_close(value.double(), reference_logsumexp(query, key, 0.1).detach(), rtol=1e-5, atol=1e-5)


def test_views_with_other_strides(generator):
    stored = torch.randn(6, 26, generator=generator)
    query, key = stored.T[::2].requires_grad_(), stored.T[1::2].requires_grad_()
    weights = torch.randn(13, generator=generator)
    for tile in TILES:
        actual = similarity_logsumexp(query, key, temperature=0.5, tile=tile)
        assert_agrees([query, key], weights, actual, reference_logsumexp(query, key, 0.5), 1e-5)


@pytest.mark.parametrize("temperature", [0.5, 0.005])
def test_backward_may_run_twice(generator, temperature):
    query, key = unit(generator, 11, 4), unit(generator, 11, 4)
    for tile in TILES:
        for keys in (query, key, key.detach()):
            value = similarity_logsumexp(query, keys, temperature=temperature, exclude=torch.arange(11), tile=tile)
            once, twice = (torch.autograd.grad(value.sum(), query, retain_graph=True)[0] for _ in range(2))
            assert torch.equal(once, twice)


def test_second_derivative_is_refused(generator):
    query, key = unit(generator, 6, 3), unit(generator, 6, 3)
    for tile in TILES:
        for keys in (query, key, key.detach()):
            value = similarity_logsumexp(query, keys, temperature=0.5, tile=tile).mean()
            with pytest.raises(RuntimeError, match="differentiable once, so create_graph=True does not work"):
                torch.autograd.grad(value, query, create_graph=True)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query": torch.ones(3, 2, dtype=torch.long)}, TypeError, "query must be a floating tensor"),
        ({"key": torch.ones(4, 3)}, ValueError, "query and key must have the same width, got 2 and 3"),
        ({"key": torch.ones(0, 2)}, ValueError, "the rows of key must be at least 1, got 0"),
        ({"temperature": 0.0}, ValueError, "temperature must be finite and > 0"),
        ({"temperature": torch.tensor([0.1, -0.1, 0.1])}, ValueError, "in every row"),
        ({"temperature": torch.ones(4)}, ValueError, r"shape \(\) or \(3,\), got \(4,\)"),
        ({"temperature": torch.tensor(1)}, TypeError, "temperature must be a number or a floating tensor"),
        ({"exclude": torch.zeros(3, 4, dtype=torch.bool)}, TypeError, "exclude must be int64 column indices"),
        ({"exclude": torch.zeros(4, dtype=torch.long)}, ValueError, r"exclude must have shape \(3,\) or \(3, e\)"),
        ({"exclude": torch.tensor([0, 4, 1])}, ValueError, "column indices from 0 to 3, or -1 for none, got 0 to 4"),
        ({"exclude": torch.tensor([0, -2, 1])}, ValueError, "got -2 to 1"),
        (
            {"exclude": torch.tensor([[0, 1, 2, -1], [0, 1, 2, 3], [0, 0, 0, 0]])},
            ValueError,
            r"no candidate to row 1 \(and 0 more\)",
        ),
        ({"extra": torch.ones(3, 2)}, ValueError, "extra must have 3 axes"),
        ({"extra": torch.ones(2, 1, 2)}, ValueError, r"extra must have shape \(n, s, d\)"),
        ({"tile": 0}, ValueError, "tile must be at least 1"),
        ({"matmul_dtype": torch.float16}, TypeError, "matmul_dtype must be None"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_refused(change, error, message):
    arguments = {"query": torch.ones(3, 2), "key": torch.ones(4, 2), "temperature": 0.1} | change
    with pytest.raises(error, match=message):
        similarity_logsumexp(arguments.pop("query"), arguments.pop("key"), **arguments)
