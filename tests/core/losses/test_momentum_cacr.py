"""CACR with momentum keys: its equations, what carries no gradient, both costs of the crop form."""

import pytest
import torch

from core.losses import CropCACRLoss, MomentumCACRLoss, crop_cacr, momentum_cacr
from tests.core.losses.oracles import log_sum
from tests.core.losses.view_oracles import far, mean, unit, units, weighted


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def momentum_oracle(queries, keys, queue, t_pos, t_neg):
    q, k, waiting, v = units(queries), units(keys.detach()), unit(queue.detach()), range(len(queries))
    terms = []
    for i in range(queries.shape[1]):
        pull = [weighted([far(q[a][i], k[b][i]) for b in v if b != a], t_pos, True) for a in v]
        push = [-weighted([far(q[a][i], row) for row in waiting], -t_neg, True) for a in v]
        terms.append(mean(pull) + mean(push))
    return torch.stack(terms)


def crop_oracle(queries, key, t, cost):
    q, k = units(queries), unit(key.detach())
    terms = []
    for i in range(len(key)):
        p = torch.softmax(torch.stack([far(view[i], k[i]) for view in q]).detach() / t, 0)
        total = 0
        for weight, view in zip(p, q, strict=True):
            logits = [view[i].dot(row) / t for row in k]
            if cost == "rbf":
                total = total + weight * (log_sum(logits) - logits[i]) * 2 * t
            else:
                others = [1 - view[i].dot(k[j]) for j in range(len(k)) if j != i]
                total = total + weight * (1 - view[i].dot(k[i]) - weighted(others, -1 / t, True))
        terms.append(total)
    return torch.stack(terms)


CASES = {
    "queue": (
        lambda x, k, t: momentum_cacr(x, k, queue=QUEUE.to(x), t_pos=0.5 / t, t_neg=1 / t, reduction="none"),
        lambda x, k, t: momentum_oracle(x, k, QUEUE.to(x), 0.5 / t, 1 / t),
    ),
    "rbf": (
        lambda x, k, t: crop_cacr(x, k[0], temperature=t, reduction="none"),
        lambda x, k, t: crop_oracle(x, k[0], t, "rbf"),
    ),
    "euclidean": (
        lambda x, k, t: crop_cacr(x, k[0], temperature=t, cost="euclidean", reduction="none"),
        lambda x, k, t: crop_oracle(x, k[0], t, "euclidean"),
    ),
}
QUEUE = draw(7, 6, seed=9)


def batch():
    base = draw(1, 5, 6)
    return base + 0.8 * draw(3, 5, 6, seed=1), base + 0.8 * draw(3, 5, 6, seed=2)


def gradients(loss, queries, keys, t):
    leaf = queries.detach().clone().requires_grad_()
    terms = loss(leaf, keys, t)
    terms.sum().backward()
    return terms.detach(), leaf.grad


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_equation(name, t, precision):
    ours, oracle = CASES[name]
    queries, keys = (x.to(getattr(torch, precision)) for x in batch())
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        terms, grad = gradients(ours, queries, keys, t)
    # the queue of the oracle must be rounded as ours was
    expected, expected_grad = gradients(
        lambda x, k, t: (
            momentum_oracle(x, k, QUEUE.to(queries.dtype), 0.5 / t, 1 / t) if name == "queue" else oracle(x, k, t)
        ),
        queries.double(),
        keys.double(),
        t,
    )
    exact = precision == "float64"
    tolerance = 1e-9 if exact else 1e-5
    torch.testing.assert_close(terms.double(), expected, rtol=tolerance, atol=tolerance if exact else 1e-5 + 4e-7 / t)
    coarse = 1e-7 if exact else 1e-2 if precision == "bfloat16" else max(1e-5, 4e-6 / t)
    scale = float(expected_grad.abs().max())
    torch.testing.assert_close(grad.double(), expected_grad, rtol=coarse, atol=coarse * scale)


def test_no_gradient_reaches_keys_or_queue():
    queries, keys = (x.requires_grad_() for x in batch())
    queue = QUEUE.clone().requires_grad_()
    value = momentum_cacr(queries, keys, queue=queue) + crop_cacr(queries, keys[0])
    value = value + crop_cacr(queries, keys[0], cost="euclidean")
    value.backward()
    assert keys.grad is None
    assert queue.grad is None
    assert queries.grad.abs().min(dim=2).values.gt(0).any()


def test_keys_of_the_batch_can_wait_in_the_queue():
    queries, keys = batch()
    joined = torch.cat([QUEUE, keys[0]])
    expected = momentum_oracle(queries.double(), keys.double(), joined.double(), 1.0, 2.0).mean()
    torch.testing.assert_close(MomentumCACRLoss()(queries, keys, queue=joined).double(), expected, rtol=1e-5, atol=1e-5)


def test_factors_reductions_and_shares():
    queries, keys = batch()
    terms = MomentumCACRLoss(reduction="none")(queries, keys, queue=QUEUE)
    pull = momentum_cacr(queries, keys, queue=QUEUE, beta=0.0, reduction="none")
    push = momentum_cacr(queries, keys, queue=QUEUE, alpha=0.0, reduction="none")
    torch.testing.assert_close(pull + push, terms)
    torch.testing.assert_close(MomentumCACRLoss(reduction="sum")(queries, keys, queue=QUEUE), terms.sum())
    torch.testing.assert_close(
        momentum_cacr(queries, keys, queue=QUEUE, reduction="none", rows=slice(1, 3)), terms[1:3]
    )
    for cost in ("rbf", "euclidean"):
        crops = CropCACRLoss(cost=cost, reduction="none")(queries, keys[1])
        torch.testing.assert_close(CropCACRLoss(cost=cost)(queries, keys[1]), crops.mean())  # a mean in both costs
        part = crop_cacr(queries, keys[1], cost=cost, reduction="none", rows=slice(1, 3))
        torch.testing.assert_close(part, crops[1:3])


@pytest.mark.parametrize("t", [1.0, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_finite_at_the_limits(name, t):
    for scale in (1.0, 0.0, -1.0, 1e15):
        queries = torch.ones(3, 5, 6)
        terms, grad = gradients(CASES[name][0], queries, scale * queries, t)
        assert terms.isfinite().all()
        assert grad.isfinite().all()


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    queries, keys = batch()
    with pytest.raises(ValueError, match=r"queue be \(m, 6\) with m >= 1"):
        momentum_cacr(queries, keys, queue=torch.ones(4, 5))
    with pytest.raises(ValueError, match="queries and keys must have the same shape"):
        momentum_cacr(queries, keys[:2], queue=QUEUE)
    with pytest.raises(ValueError, match="key must have shape"):
        crop_cacr(queries, keys[0, :3])
    with pytest.raises(ValueError, match=r"t_neg must be finite and > 0, got 0"):
        MomentumCACRLoss(t_neg=0.0)
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        CropCACRLoss(temperature=0.0)
    with pytest.raises(ValueError, match="cost must be one of"):
        crop_cacr(queries, keys[0], cost="cosine")
