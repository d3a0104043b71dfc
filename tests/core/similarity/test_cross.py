"""Both directions at once equal two calls of the one-way definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from core.similarity import cross_logsumexp
from tests.core.similarity.reference import reference_logsumexp


def transposed(exclude, keys):
    """The excluded queries of each key, as many columns as the fullest key needs."""
    found = [[i for i, row in enumerate(exclude.tolist()) if j in row] for j in range(keys)]
    most = max(1, *map(len, found))
    return torch.tensor([named + [-1] * (most - len(named)) for named in found])


def references(query, key, temperature, exclude):
    back = None if exclude is None else transposed(exclude, len(key))
    return (
        reference_logsumexp(query, key, temperature, exclude),
        reference_logsumexp(key, query, temperature, back),
    )


@given(
    rows=st.integers(3, 9),
    keys=st.integers(3, 9),
    tile=st.sampled_from([None, 1, 2, 3]),
    heat=st.sampled_from([1.0, 0.1, 0.01, 0.001]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_value_and_gradient(rows, keys, tile, heat, seed):
    generator = torch.Generator().manual_seed(seed)
    query = normalize(torch.randn(rows, 4, generator=generator), dim=1).requires_grad_()
    key = normalize(torch.randn(keys, 4, generator=generator), dim=1).requires_grad_()
    temperature = torch.tensor(heat, requires_grad=True)
    exclude = torch.arange(rows)[:, None].repeat(1, 2)  # each key loses one query at most, named twice
    exclude = torch.where(exclude < keys, exclude, -1)
    weights = torch.randn(rows, generator=generator), torch.randn(keys, generator=generator)
    actual = cross_logsumexp(query, key, temperature=temperature, exclude=exclude, tile=tile)
    expected = references(query, key, temperature, exclude)
    tolerance = 2e-6 / heat
    inputs = [query, key, temperature]
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-6, atol=tolerance)
    got, wanted = (
        torch.autograd.grad(sum((w * v).sum() for w, v in zip(weights, values, strict=True)), inputs)
        for values in (actual, expected)
    )
    for a, b in zip(got, wanted, strict=True):
        assert (a - b).norm() <= 5 * tolerance * (1 + b.norm())


@pytest.mark.parametrize("scale", [1.0, 12.0])
@pytest.mark.parametrize("frozen", ["neither", "query", "key"])
def test_gradcheck(generator, scale, frozen):
    options = {"generator": generator, "dtype": torch.float64}
    query = (scale * torch.randn(6, 3, **options)).requires_grad_(frozen != "query")
    key = torch.randn(4, 3, **options).requires_grad_(frozen != "key")
    inputs = [t for t in (query, key) if t.requires_grad]

    def kernel(*_):
        return cross_logsumexp(query, key, temperature=0.5, exclude=torch.tensor([0, 1, 2, 3, -1, -1]), tile=4)

    assert torch.autograd.gradcheck(kernel, inputs, eps=1e-6, atol=1e-5, rtol=1e-5)


def test_autocast_around_it_changes_nothing(generator):
    query, key = (torch.randn(20, 8, generator=generator, requires_grad=True) for _ in range(2))
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            values = cross_logsumexp(query, key, temperature=0.1, tile=7)
            results.append([*values, *torch.autograd.grad(sum(v.square().sum() for v in values), [query, key])])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": torch.ones(3)}, "one number for both directions"),
        ({"query": torch.ones(0, 2)}, "the rows of query must be at least 1"),
        ({"exclude": torch.tensor([[1, 1], [1, -1], [0, 1]])}, "no query to key 1: all 3 queries exclude it"),
        ({"exclude": torch.tensor([[0, 1, 2, 3]] * 3)}, "no candidate to row 0"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_refused(change, message):
    arguments = {"query": torch.ones(3, 2), "key": torch.ones(4, 2), "temperature": 0.1} | change
    with pytest.raises(ValueError, match=message):
        cross_logsumexp(arguments.pop("query"), arguments.pop("key"), **arguments)


def test_a_key_named_often_by_few_is_fine():
    exclude = torch.tensor([[1, 1, 1], [-1, -1, -1], [-1, -1, -1]])
    rows, columns = cross_logsumexp(torch.zeros(3, 2), torch.zeros(4, 2), temperature=1.0, exclude=exclude)
    torch.testing.assert_close(rows, torch.tensor([3.0, 4.0, 4.0]).log())
    torch.testing.assert_close(columns, torch.tensor([3.0, 2.0, 3.0, 3.0]).log())
