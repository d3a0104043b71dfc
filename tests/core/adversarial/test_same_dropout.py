"""One dropout mask for every pass, and torch's random stream as after one call."""

import pytest
import torch
from torch import nn

from core.adversarial import VAT, FreeLB, SameDropout
from tests.core.adversarial.toys import Pooled, rng, sequences


def test_every_call_has_the_mask_of_the_first():
    x = torch.ones(50, 20)
    forward = SameDropout(nn.Dropout(0.5))
    first = forward(x)
    torch.rand(7)
    assert torch.equal(forward(x), first)
    assert not torch.equal(SameDropout(nn.Dropout(0.5))(x), first)


def test_the_stream_goes_on_as_after_one_call():
    x, layer = torch.ones(50, 20), nn.Dropout(0.5)
    torch.manual_seed(0)
    layer(x)
    expected = torch.rand(6)
    torch.manual_seed(0)
    forward = SameDropout(layer)
    forward(x)
    for i in range(3):
        assert torch.equal(torch.rand(2), expected[2 * i : 2 * i + 2])
        forward(x)


def test_the_stream_is_put_back_after_an_error():
    calls = []

    def fails(x):
        calls.append(torch.rand(()))
        if len(calls) > 1:
            raise RuntimeError("out of luck")
        return x

    forward = SameDropout(fails)
    forward(torch.ones(1))
    torch.rand(3)
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="out of luck"):
        forward(torch.ones(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_is_not_taken_for_an_adversary():
    """Without it a perturbation of length 0 already costs; with it the loss is that of the perturbation."""
    x, _, _ = sequences(n=64)
    model = Pooled(dropout=0.5)
    vat = VAT(epsilon=0.0, generator=rng())
    torch.manual_seed(0)
    assert vat.loss(model, x, model(x)) > 1e-3
    forward = SameDropout(model)
    assert vat.loss(forward, x, forward(x)) == 0


def test_all_steps_of_free_lb_share_it():
    x, labels, _ = sequences()
    model = Pooled(dropout=0.5)
    torch.manual_seed(0)
    value = FreeLB(steps=3, step_size=0.0).loss(SameDropout(model), x, labels)
    torch.manual_seed(0)
    torch.testing.assert_close(value, nn.functional.cross_entropy(model(x), labels).detach())
