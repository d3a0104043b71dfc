"""The log-sum over all other groups, for groups of any size, against the masked matrix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.losses.complement_logsumexp import FEW, complement_logsumexp


def rows(n, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def masked(z, group, t):
    return (z @ z.T / t).masked_fill(group[:, None] == group, -torch.inf).logsumexp(1)


@given(group=st.lists(st.integers(-2, 2), min_size=2, max_size=60), anchors=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_groups(group, anchors):
    group = torch.tensor(group)
    z = rows(len(group)).requires_grad_()
    chosen = torch.arange(len(group)).flip(0)[: max(1, len(group) // 2)] if anchors else torch.arange(len(group))
    found = complement_logsumexp(z, group, temperature=0.3, anchors=chosen if anchors else None)
    if len(torch.unique(group)) == 1:
        assert (found == -torch.inf).all()
        assert not found.requires_grad
        return
    expected = masked(z, group, 0.3)[chosen]
    torch.testing.assert_close(found, expected)
    weight = rows(len(found), 1, seed=1)[:, 0]
    mine, theirs = (torch.autograd.grad((x * weight).sum(), z)[0] for x in (found, expected))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("sizes", [(FEW, FEW + 1, 1, 40), (FEW, FEW), (FEW + 1, FEW + 5), (1,) * 50])
def test_groups_on_both_sides_of_the_limit(sizes):
    group = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    group = group[torch.randperm(len(group), generator=torch.Generator().manual_seed(0))]
    z = rows(len(group))
    torch.testing.assert_close(complement_logsumexp(z, group, temperature=0.5), masked(z, group, 0.5))
