"""Similarities that an anchor brings along: more negatives in the denominators of InfoNCE, NT-Xent and DCL."""

import pytest
import torch

from core.losses import DCLLoss, InfoNCELoss, NTXentLoss, dcl, info_nce, nt_xent
from tests.core.losses import oracles


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
def test_extra_similarities_join_the_denominator(t):
    """Against loops: logits that stand beside the others, in every loss that takes them."""
    query, key, queue = draw(5, 6), draw(5, 6, seed=1), draw(9, 6, seed=2)
    extra = torch.rand(10, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1
    q, k, n = oracles.unit(query), oracles.unit(key), oracles.unit(queue)
    z = torch.cat([q, k])
    one_way, batch, two_way = [], [], []
    for i in range(5):
        positive, own = q[i] @ k[i] / t, [e / t for e in extra[i]]
        for terms, others in ((one_way, n), (batch, k[torch.arange(5) != i])):
            terms.append((positive, oracles.log_sum([*(q[i] @ o / t for o in others), *own])))
    for i in range(10):
        others = [z[i] @ z[j] / t for j in range(10) if j % 5 != i % 5]
        two_way.append((z[i] @ z[(i + 5) % 10] / t, oracles.log_sum([*others, *(e / t for e in extra[i])])))

    def check(found, terms, loss):
        expected = torch.stack([loss(positive, total) for positive, total in terms])
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)

    def softplus(positive, total):
        return torch.logaddexp(total, positive) - positive

    options = {"temperature": t, "reduction": "none"}
    five = extra[:5]
    check(InfoNCELoss(**options)(query, key, negatives=queue, extra_similarities=five), one_way, softplus)
    check(InfoNCELoss(**options)(query, key, extra_similarities=five), batch, softplus)
    check(NTXentLoss(**options)(query, key, extra_similarities=extra), two_way, softplus)
    check(DCLLoss(**options)(query, key, extra_similarities=extra), two_way, lambda p, u: u - p)
    check(dcl(query, key, negatives=queue, extra_similarities=five, **options), one_way, lambda p, u: u - p)
    alone = info_nce(query, key, in_batch=False, extra_similarities=five, **options)
    expected = [softplus(q[i] @ k[i] / t, oracles.log_sum([e / t for e in extra[i]])) for i in range(5)]
    torch.testing.assert_close(alone, torch.stack(expected), rtol=1e-9, atol=1e-9)
    share = {"rows": slice(1, 3), "temperature": t, "reduction": "none"}
    whole = info_nce(query, key, negatives=queue, extra_similarities=five, **options)
    torch.testing.assert_close(
        info_nce(query, key, negatives=queue, extra_similarities=extra[1:3], **share), whole[1:3]
    )
    both = nt_xent(query, key, extra_similarities=extra, **options)
    part = torch.tensor([1, 2, 6, 7])
    torch.testing.assert_close(nt_xent(query, key, extra_similarities=extra[part], **share), both[part])


def test_gradients_of_extra_similarities_and_of_the_temperature():
    query, key = draw(4, 5), draw(4, 5, seed=1)
    extra, t = draw(4, 3, seed=2).tanh().requires_grad_(), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda e, t: info_nce(query, key, extra_similarities=e, temperature=t), (extra, t), fast_mode=True
    )


@pytest.mark.usefixtures("unchecked")
def test_wrong_extra_similarities_are_refused():
    query, key = draw(4, 5), draw(4, 5, seed=1)
    for shape in ((3, 2), (4,), (4, 2, 5), (8, 2)):
        with pytest.raises(ValueError, match=r"extra_similarities must be \(4, e\), a row for each anchor, got"):
            info_nce(query, key, extra_similarities=torch.zeros(shape))
    with pytest.raises(ValueError, match=r"extra_similarities must be \(8, e\)"):
        nt_xent(query, key, extra_similarities=torch.zeros(4, 2))
    with pytest.raises(TypeError, match="extra_similarities must be a floating tensor"):
        info_nce(query, key, extra_similarities=torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="there are no negatives"):
        info_nce(query, key, in_batch=False, extra_similarities=torch.zeros(4, 0))


def test_half_precision_similarities_are_summed_in_float32():
    query, key = draw(4, 5).float(), draw(4, 5, seed=1).float()
    extra = draw(4, 3, seed=2).tanh().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = info_nce(query, key, extra_similarities=extra, temperature=0.01)
    torch.testing.assert_close(found, info_nce(query, key, extra_similarities=extra.float(), temperature=0.01))
