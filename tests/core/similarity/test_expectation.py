"""Mean similarity under the softmax: against loops and autograd, in blocks, with and without moving weights."""

import pytest
import torch

from core.similarity.expectation import cross_expectation, similarity_expectation


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(query, key, temperature, exclude, detach):
    terms = []
    for i in range(len(query)):
        s = torch.stack([query[i].dot(key[j]) for j in range(len(key)) if j not in exclude[i].tolist()])
        weights = torch.softmax(s / temperature, 0)
        terms.append(((weights.detach() if detach else weights) * s).sum())
    return torch.stack(terms)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("tile", [None, 1, 4])
@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.01])
def test_value_and_gradients_are_those_of_the_equation(temperature, tile, detach):
    query, key = draw(7, 5).requires_grad_(), draw(9, 5, seed=1).requires_grad_()
    exclude = torch.stack([torch.arange(7), torch.tensor([-1, 3, -1, 8, 0, -1, 6])], dim=1)
    mean, total = similarity_expectation(
        query, key, temperature=temperature, exclude=exclude, detach_weights=detach, tile=tile
    )
    expected = by_hand(query, key, temperature, exclude, detach)
    torch.testing.assert_close(mean, expected)
    assert not total.requires_grad
    cotangent = draw(7, seed=2)
    for mine, theirs in zip(
        torch.autograd.grad(mean, (query, key), cotangent),
        torch.autograd.grad(expected, (query, key), cotangent),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("tile", [None, 1, 4])
@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.001])
def test_both_directions_at_once_are_two_calls(temperature, tile, detach):
    query, key = draw(7, 5).requires_grad_(), draw(9, 5, seed=1).requires_grad_()
    exclude = torch.tensor([0, 3, -1, 8, 0, -1, 6])
    columns = torch.full((9, 2), -1)
    columns[0], columns[3, 0], columns[8, 0], columns[6, 0] = torch.tensor([0, 4]), 1, 3, 6
    found = cross_expectation(query, key, temperature=temperature, exclude=exclude, detach_weights=detach, tile=tile)
    expected = (
        by_hand(query, key, temperature, exclude[:, None], detach),
        by_hand(key, query, temperature, columns, detach),
    )
    cotangents = draw(7, seed=2), draw(9, seed=3)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    for mine, theirs in zip(
        torch.autograd.grad(found, (query, key), cotangents),
        torch.autograd.grad(expected, (query, key), cotangents),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("detach", [False, True])
def test_every_row_may_have_its_temperature_which_gets_its_gradient(detach):
    query, key = draw(4, 5), draw(6, 5, seed=1)
    own = torch.tensor([1.0, 0.5, 0.1, 2.0], dtype=torch.float64)
    found, expected = own.clone().requires_grad_(), own.clone().requires_grad_()
    mean, _ = similarity_expectation(query, key, temperature=found, detach_weights=detach)
    weights = torch.softmax(query @ key.T / expected[:, None], dim=1)
    other = ((weights.detach() if detach else weights) * (query @ key.T)).sum(1)
    torch.testing.assert_close(mean, other)
    mean.sum().backward()
    if detach:
        torch.testing.assert_close(found.grad, torch.zeros_like(own), atol=1e-12, rtol=0)
    else:
        other.sum().backward()
        torch.testing.assert_close(found.grad, expected.grad)


def test_total_is_the_log_sum_and_gives_the_entropy():
    query, key = draw(4, 3), draw(6, 3, seed=1)
    mean, total = similarity_expectation(query, key, temperature=0.5)
    logits = query @ key.T / 0.5
    torch.testing.assert_close(total, logits.logsumexp(1))
    torch.testing.assert_close(total - mean / 0.5, torch.distributions.Categorical(logits=logits).entropy())


def test_one_query_side_needs_no_gradient_of_the_other():
    query, key = draw(4, 3), draw(6, 3, seed=1).requires_grad_()
    mean, _ = similarity_expectation(query, key, temperature=0.5)
    mean.sum().backward()
    assert key.grad.abs().sum() > 0


def test_half_precision_is_computed_in_single_and_autocast_stays_out():
    query, key = draw(4, 3).bfloat16(), draw(6, 3, seed=1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mean, _ = similarity_expectation(query, key, temperature=0.1)
    assert mean.dtype == torch.float32
    none = torch.full((4, 1), -1)
    torch.testing.assert_close(
        mean.double(), by_hand(query.double(), key.double(), 0.1, none, False), rtol=1e-5, atol=1e-5
    )


def test_what_is_kept_for_the_backward_pass_grows_with_the_rows_only():
    query = torch.randn(3000, 4, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        similarity_expectation(query, query.detach(), temperature=0.1, exclude=torch.arange(3000))
    assert max(kept) <= 3000 * 4


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        similarity_expectation(draw(2, 3), draw(2, 3), temperature=0.0)
    with pytest.raises(ValueError, match="same width"):
        similarity_expectation(draw(2, 3), draw(2, 4), temperature=1.0)
    with pytest.raises(ValueError, match="no candidate to row 0"):
        similarity_expectation(draw(1, 3), draw(1, 3), temperature=1.0, exclude=torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="a key has no temperature of its own"):
        cross_expectation(draw(2, 3), draw(2, 3), temperature=torch.ones(2))
    with pytest.raises(ValueError, match="no query to key 1"):
        cross_expectation(draw(2, 3), draw(2, 3), temperature=1.0, exclude=torch.tensor([1, 1]))
    with pytest.raises(RuntimeError, match="differentiable once"):
        x = draw(2, 3).requires_grad_()
        mean, _ = similarity_expectation(x, draw(2, 3), temperature=1.0)
        torch.autograd.grad(mean.sum(), x, create_graph=True)
