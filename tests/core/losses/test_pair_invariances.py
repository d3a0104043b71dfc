"""What must not change the losses over pairs, what must, and the mistakes they refuse."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.losses import (
    CLIPLoss,
    DCLLoss,
    DCLWLoss,
    InfoNCELoss,
    NegativeCosineLoss,
    NTXentLoss,
    clip,
    info_nce,
    nt_xent,
)

LOSSES = {
    "info_nce": InfoNCELoss(),
    "nt_xent": NTXentLoss(),
    "dcl": DCLLoss(),
    "dclw": DCLWLoss(),
    "clip": CLIPLoss(),
    "negative_cosine": NegativeCosineLoss(),
}
CONTRASTIVE = {name: loss for name, loss in LOSSES.items() if name != "negative_cosine"}


def pair(n=6, d=5, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, n, d, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("name", LOSSES)
@given(n=st.integers(2, 9), d=st.integers(1, 6), seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_permutation_rotation_and_row_lengths_leave_the_value(name, n, d, seed):
    loss = LOSSES[name]
    query, key = pair(n, d, seed)
    draw = torch.Generator().manual_seed(seed + 1)
    rotation = torch.linalg.qr(torch.randn(d, d, generator=draw, dtype=torch.float64))[0]
    order = torch.randperm(n, generator=draw)
    lengths = 0.1 + torch.rand(2, n, 1, generator=draw, dtype=torch.float64)
    value = loss(query, key)
    for q, k in [
        (query[order], key[order]),
        (query @ rotation, key @ rotation),
        (query * lengths[0], key * lengths[1]),
    ]:
        torch.testing.assert_close(loss(q, k), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["nt_xent", "dcl", "dclw", "clip"])
def test_views_may_be_swapped(name):
    query, key = pair()
    torch.testing.assert_close(LOSSES[name](query, key), LOSSES[name](key, query), rtol=1e-12, atol=1e-12)


def test_one_way_info_nce_is_not_symmetric():
    query, key = pair()
    assert abs(info_nce(query, key) - info_nce(key, query)) > 1e-3


@pytest.mark.parametrize("name", LOSSES)
def test_reductions_agree(name):
    query, key = pair()
    kind = type(LOSSES[name])
    terms = kind(reduction="none")(query, key)
    assert len(terms) == (12 if name in {"nt_xent", "dcl", "dclw"} else 6)
    torch.testing.assert_close(kind(reduction="sum")(query, key), terms.sum())
    torch.testing.assert_close(kind()(query, key), terms.mean())


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_shares_of_the_anchors_average_to_the_whole(name):
    query, key = pair()
    loss = CONTRASTIVE[name]
    shares = [loss(query, key, rows=slice(start, start + 2)) for start in (0, 2, 4)]
    torch.testing.assert_close(torch.stack(shares).mean(), loss(query, key), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CONTRASTIVE)
@pytest.mark.parametrize("rows", [slice(0, 7), slice(3, 3), slice(0, 4, 2), slice(-2, None)])
def test_shares_outside_the_batch_are_refused(name, rows):
    with pytest.raises(ValueError, match="rows must be a slice of consecutive anchors within 0:6"):
        CONTRASTIVE[name](*pair(), rows=rows)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", LOSSES)
def test_bad_batches_are_named(name):
    loss, good = LOSSES[name], pair(3, 4)[0]
    with pytest.raises(ValueError, match=r"same shape.*\(3, 4\) and \(4, 4\)"):
        loss(good, pair(4, 4)[0])
    with pytest.raises(ValueError, match=r"same shape.*\(3, 4\) and \(3, 5\)"):
        loss(good, pair(3, 5)[0])
    with pytest.raises(TypeError, match=r"key must be a floating tensor, got torch.int64; convert it with .float\(\)"):
        loss(good, torch.ones(3, 4, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"query must be a torch\.Tensor, got list"):
        loss([[1.0]], good)
    with pytest.raises(ValueError, match=r"query must have 2 axes.*\(2, 3, 4\)"):
        loss(pair(3, 4), good)
    with pytest.raises(ValueError, match="width 0"):
        loss(good[:, :0], good[:, :0])


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_a_batch_of_one_has_no_negatives(name):
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        CONTRASTIVE[name](*pair(n=1))


@pytest.mark.parametrize("loss", [InfoNCELoss, NTXentLoss, DCLLoss, DCLWLoss, CLIPLoss])
@pytest.mark.parametrize("value", [0.0, -0.1, math.inf, math.nan])
def test_bad_temperatures_are_refused_when_the_loss_is_made(loss, value):
    with pytest.raises(ValueError, match=r"temperature must be finite and > 0, got .* usual values are 0\.05 to 0\.5"):
        loss(temperature=value)


@pytest.mark.usefixtures("unchecked")
def test_bad_temperatures_are_refused_by_the_functions():
    query, key = pair()
    for function in (info_nce, nt_xent, clip):
        with pytest.raises(ValueError, match="temperature must be finite and > 0"):
            function(query, key, temperature=torch.tensor(0.0))
        with pytest.raises(ValueError, match=r"a number or a scalar tensor, got shape \(6,\)"):
            function(query, key, temperature=torch.full((6,), 0.1))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("loss", [InfoNCELoss, NTXentLoss, DCLLoss, DCLWLoss, CLIPLoss, NegativeCosineLoss])
def test_unknown_reductions_are_refused(loss):
    with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none', got 'median'"):
        loss(reduction="median")


@pytest.mark.parametrize("name", LOSSES)
def test_settings_do_not_enter_the_state(name):
    names = list(LOSSES[name].state_dict())
    assert names == (["log_scale"] if name == "clip" else [])
    assert isinstance(LOSSES[name], nn.Module)
