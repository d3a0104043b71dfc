"""Projection and prediction heads: structure, stages, identity start, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.heads import PredictionHead, ProjectionHead


def rows(n=5, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@given(
    layers=st.integers(1, 4), widths=st.tuples(*[st.integers(1, 7)] * 3), norm=st.sampled_from(["batch", "layer", None])
)
@settings(max_examples=25, deadline=None)
def test_any_shape(layers, widths, norm):
    head = ProjectionHead(*widths, layers=layers, norm=norm if layers > 1 else None)
    assert head(rows(4, widths[0])).shape == (4, widths[2])
    assert sum(isinstance(m, nn.Linear) for m in head.modules()) == layers
    assert len(head.stages) == layers + 1


@pytest.mark.parametrize("norm", ["batch", "layer", None])
def test_it_is_linear_norm_activation_linear(norm):
    head = ProjectionHead(6, 4, 3, norm=norm, activation="elu").eval()
    first, last = head.hidden[0][0], head.last
    assert (first.bias is None) == (norm is not None), "a bias before a norm has no effect"
    hidden = first(rows())
    if norm == "layer":
        hidden = nn.functional.layer_norm(hidden, (4,))
    if norm == "batch":
        hidden = hidden / (1 + 1e-5) ** 0.5  # running averages still at 0 and 1
    expected = last(nn.functional.elu(hidden))
    torch.testing.assert_close(head(rows()), expected)


def test_stages_lead_from_the_backbone_to_the_projection():
    head = ProjectionHead(6, 4, 3, layers=3)
    x = rows()
    assert head.stages == ("backbone", "hidden:1", "hidden:2", "projection")
    assert head.encode(x, "backbone") is x
    one = torch.relu(head.hidden[0][0](x))
    two = torch.relu(head.hidden[1][0](one))
    torch.testing.assert_close(head.encode(x, "hidden:1"), one)
    torch.testing.assert_close(head.encode(x, stage="hidden:2"), two)
    torch.testing.assert_close(head.encode(x), head(x))
    torch.testing.assert_close(head(x), head.last(two))
    with pytest.raises(ValueError, match="stage must be one of 'backbone', 'hidden:1', 'hidden:2', 'projection'"):
        head.encode(x, "hidden:3")


def test_no_layers_is_no_head():
    head = ProjectionHead(6, layers=0)
    x = rows()
    assert head.stages == ("backbone", "projection")
    assert torch.equal(head(x), head.encode(x, "backbone"))
    assert not list(head.parameters())
    with pytest.raises(ValueError, match="a head without layers needs equal widths, got 6 -> 3"):
        ProjectionHead(6, out_dim=3, layers=0)


def test_identity_start_passes_everything_through_a_symmetric_relu():
    head = ProjectionHead(6, layers=3, activation="symmetric_relu", init="identity")
    torch.testing.assert_close(head(rows()), rows())
    with pytest.raises(ValueError, match="init='identity' needs equal widths, got 6 -> 4 -> 6"):
        ProjectionHead(6, 4, init="identity")


def test_default_widths_are_the_input_s():
    assert ProjectionHead(6)(rows()).shape == (5, 6)
    assert ProjectionHead(6, 9).last.in_features == 9


def test_prediction_head_returns_to_its_input_width():
    narrow = PredictionHead(6, 2, activation="prelu")
    assert isinstance(narrow, ProjectionHead)
    assert narrow(rows()).shape == (5, 6)
    assert [type(m) for m in narrow.hidden[0]] == [nn.Linear, nn.BatchNorm1d, nn.PReLU]
    assert [type(m) for m in PredictionHead(6, norm=None).hidden[0]] == [nn.Linear, nn.ReLU]


def test_state_round_trip():
    head, other = ProjectionHead(6, 4, 3, norm="batch"), ProjectionHead(6, 4, 3, norm="batch")
    head(rows())
    other.load_state_dict(head.state_dict())
    assert torch.equal(head.eval()(rows()), other.eval()(rows()))


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="hidden_dim must be at least 1, got 0"):
        ProjectionHead(6, 0)
    with pytest.raises(ValueError, match="layers must be at least 0, got -1"):
        ProjectionHead(6, layers=-1)
    with pytest.raises(ValueError, match="norm must be one of 'batch', 'layer', None, got 'group'"):
        ProjectionHead(6, norm="group")
    with pytest.raises(ValueError, match="init must be one of 'default', 'identity', got 'zeros'"):
        ProjectionHead(6, init="zeros")
    with pytest.raises(ValueError, match="activation must be one of"):
        ProjectionHead(6, activation="swish")


def test_settings_of_hidden_layers_are_not_ignored_where_there_are_none():
    with pytest.raises(ValueError, match="norm='batch' is for hidden layers, and a head with layers=1 has none"):
        ProjectionHead(4, layers=1, norm="batch")
    with pytest.raises(ValueError, match="activation must be one of"):
        ProjectionHead(4, layers=1, activation="foo")
