import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from domains.tables.models import AttentionMatcher
from domains.tables.models.matcher import _compared

FORMS = list(itertools.product(["comparison", "embedding"], ["attention", "mean"]))


def matcher(
    tokens: str = "comparison", mixing: str = "attention", width: int = 6, **settings: object
) -> AttentionMatcher:
    generator = torch.Generator().manual_seed(1)
    made = AttentionMatcher(
        width, **{"hidden": 8, "layers": (5,), "tokens": tokens, "mixing": mixing, "generator": generator, **settings}
    )
    return made.double().eval()


def tuples(pairs: int = 7, attributes: int = 4, width: int = 6, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(2):
        vectors = functional.normalize(
            torch.randn(pairs, attributes, width, generator=draw, dtype=torch.float64), dim=2
        )
        mask = torch.rand(pairs, attributes, generator=draw) < 0.6
        mask[:, 0] = True
        found += [vectors, mask]
    return found[0], found[1], found[2], found[3]


@pytest.mark.parametrize(("tokens", "mixing"), FORMS)
class TestEveryForm:
    def test_symmetric(self, tokens: str, mixing: str):
        left, left_mask, right, right_mask = tuples()
        net = matcher(tokens, mixing)
        assert torch.allclose(net(left, left_mask, right, right_mask), net(right, right_mask, left, left_mask))

    def test_the_order_of_attributes_does_not_matter(self, tokens: str, mixing: str):
        parts = tuples()
        net = matcher(tokens, mixing)
        order = [2, 0, 3, 1]
        assert torch.allclose(net(*parts), net(*(part[:, order] for part in parts)))

    def test_missing_attributes_have_no_influence_and_no_gradient(self, tokens: str, mixing: str):
        left, left_mask, right, right_mask = tuples()
        net = matcher(tokens, mixing)
        changed = torch.where(left_mask[..., None], left, math.nan)
        assert torch.equal(net(left, left_mask, right, right_mask), net(changed, left_mask, right, right_mask))
        left.requires_grad_()
        net(left, left_mask, right, right_mask).sum().backward()
        assert (left.grad[~left_mask] == 0).all()
        assert (left.grad[left_mask] != 0).any(dim=1).all()

    def test_attributes_that_both_lack_may_be_added(self, tokens: str, mixing: str):
        parts = tuples()
        more = tuple(functional.pad(p, (0, 0, 0, 2)) if p.dim() == 3 else functional.pad(p, (0, 2)) for p in parts)
        net = matcher(tokens, mixing)
        assert torch.allclose(net(*parts), net(*more))

    def test_nothing_shared_or_nothing_at_all_is_finite_with_finite_gradients(self, tokens: str, mixing: str):
        left, left_mask, right, right_mask = tuples()
        left_mask[0], right_mask[0] = torch.tensor([True, True, False, False]), torch.tensor([False, False, True, True])
        left_mask[1] = right_mask[1] = False
        right_mask[2] = False
        left.requires_grad_()
        net = matcher(tokens, mixing)
        logits = net(left, left_mask, right, right_mask)
        assert logits.isfinite().all()
        logits.sum().backward()
        assert left.grad.isfinite().all()
        assert all(p.grad.isfinite().all() for p in net.parameters())

    def test_pairs_do_not_see_each_other(self, tokens: str, mixing: str):
        parts = tuples()
        net = matcher(tokens, mixing)
        alone = torch.cat([net(*(part[i : i + 1] for part in parts)) for i in range(7)])
        assert torch.allclose(net(*parts), alone)

    def test_the_same_weights_serve_any_number_of_attributes(self, tokens: str, mixing: str):
        net = matcher(tokens, mixing)
        assert net(*tuples(attributes=1)).shape == net(*tuples(attributes=9)).shape == (7,)


@torch.no_grad()
def test_the_formula_of_the_paper_by_loops():
    net = matcher("embedding", hidden=8, heads=2)
    left, left_mask, right, right_mask = tuples()
    got = net(left, left_mask, right, right_mask)
    weight, bias = net.query_key.weight, net.query_key.bias
    for pair in range(len(left)):
        there = [*left[pair][left_mask[pair]], *right[pair][right_mask[pair]]]
        mean = torch.zeros(8, dtype=torch.float64)
        for token in there:
            for head in range(2):
                part = slice(4 * head, 4 * head + 4)
                query = (weight[:8] @ token + bias[:8])[part]
                scores = [math.exp(float(query @ (weight[8:] @ t + bias[8:])[part]) / math.sqrt(4)) for t in there]
                values = [net.value(t)[part] for t in there]
                mean[part] += sum(s * v for s, v in zip(scores, values, strict=True)) / sum(scores) / len(there)
        expected = net.last(functional.relu(net.layers[0](mean)))
        assert float(got[pair]) == pytest.approx(float(expected), abs=1e-9)


def test_what_a_comparing_token_holds():
    left = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])
    right = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    tokens = _compared(left, torch.tensor([[True, True]]), right, torch.tensor([[True, False]]))
    # own vector, |a - b|, a * b, cosine, largest cosine with any, whether the other has this one, and any
    assert torch.allclose(tokens[0, 0], torch.tensor([1.0, 0, 1, 1, 0, 0, 0, 0, 1, 1]))
    assert torch.allclose(tokens[0, 1], torch.tensor([0.6, 0.8, 0, 0, 0, 0, 0, 0.8, 0, 1]))
    assert torch.allclose(tokens[0, 2], torch.tensor([0.0, 1, 1, 1, 0, 0, 0, 0.8, 1, 1]))


def test_dropout_only_while_training_and_from_the_generator():
    net = matcher(dropout=0.5, layers=(64,))
    parts = tuples()
    assert torch.equal(net(*parts), net(*parts))
    net.train()
    first, second, other = (net(*parts, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_seed_gives_the_same_weights():
    assert all(torch.equal(a, b) for a, b in zip(matcher().parameters(), matcher().parameters(), strict=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden": 7, "heads": 2}, "multiple of heads"),
        ({"heads": 0}, "heads"),
        ({"tokens": "pairs"}, "tokens"),
        ({"mixing": "max"}, "mixing"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_settings_out_of_range_are_refused(unchecked: None, settings: dict[str, object], said: str):
    with pytest.raises(ValueError, match=said):
        matcher(**settings)


def test_hidden_zero_takes_the_width():
    assert matcher("embedding", hidden=0).value.out_features == 6
