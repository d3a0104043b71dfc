"""Joined encoders."""

import pytest
import torch
from torch import nn

from core.losses.normalisation import unit_rows
from core.multistage import MultistageEncoder


def encoders(count=3):
    torch.manual_seed(0)
    return [nn.Sequential(nn.Linear(5, 4 + i), nn.Tanh(), nn.Linear(4 + i, 6 + i)) for i in range(count)]


@pytest.fixture(autouse=True)
def _no_graph(request):
    with torch.set_grad_enabled("its_encoders" in request.node.name):
        yield


@pytest.fixture
def x(generator):
    return torch.randn(9, 5, generator=generator)


def test_cosine_of_joined_rows_is_the_mean_of_the_stage_cosines(x):
    parts = encoders()
    joined = MultistageEncoder(parts)(x)
    assert joined.shape == (9, 6 + 7 + 8)
    torch.testing.assert_close(joined.norm(dim=1), torch.ones(9))
    cosines = torch.stack([unit_rows(part(x)) @ unit_rows(part(x)).T for part in parts])
    torch.testing.assert_close(joined @ joined.T, cosines.mean(dim=0))


def test_raw_rows_are_joined_before_they_are_normalised(x):
    """A stage whose rows are longer then weighs more; with "concat" lengths say nothing."""
    parts = encoders()
    raw = MultistageEncoder(parts, "concat_raw")(x)
    expected = torch.cat([part(x) for part in parts], dim=1)
    torch.testing.assert_close(raw, expected / expected.norm(dim=1, keepdim=True))
    louder = [parts[0], nn.Sequential(parts[1], nn.Identity()), parts[2]]
    before = MultistageEncoder(louder)(x), MultistageEncoder(louder, "concat_raw")(x)
    with torch.no_grad():
        parts[1][2].weight *= 100
        parts[1][2].bias *= 100
    after = MultistageEncoder(louder)(x), MultistageEncoder(louder, "concat_raw")(x)
    torch.testing.assert_close(after[0], before[0])
    assert float((after[1] - before[1]).abs().max()) > 0.1


def test_two_modalities_are_joined_alike(x):
    """The product of two joined vectors is the mean of the products of the stages."""
    images, texts = encoders(), [nn.Linear(3, 6 + i) for i in range(3)]
    other = torch.randn(9, 3)
    product = (MultistageEncoder(images)(x) * MultistageEncoder(texts)(other)).sum(dim=1)
    stages = [(unit_rows(a(x)) * unit_rows(b(other))).sum(dim=1) for a, b in zip(images, texts, strict=True)]
    torch.testing.assert_close(product, torch.stack(stages).mean(dim=0))


def test_it_is_a_module_of_its_encoders(x):
    one, other = MultistageEncoder(encoders()), MultistageEncoder([nn.Sequential(*e) for e in encoders()])
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(one(x), other(x))
    one(x)[:, 0].sum().backward()
    assert all(parameter.grad is not None for parameter in one.parameters())
    assert one.half()(x.half()).dtype == torch.float32


def test_a_zero_row_of_one_stage_leaves_the_others(x):
    class Zero(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 2)

    first = encoders(1)[0]
    joined = MultistageEncoder([first, Zero()])(x)
    torch.testing.assert_close(joined[:, :6], unit_rows(first(x)) / 2**0.5)
    assert joined[:, 6:].abs().max() == 0


def test_what_is_refused(x, unchecked):
    class Short(nn.Module):
        def forward(self, x):
            return x[1:]

    with pytest.raises(ValueError, match="the number of encoders must be at least 1"):
        MultistageEncoder([])
    with pytest.raises(ValueError, match="integration must be one of 'concat', 'concat_raw', got 'mean'"):
        MultistageEncoder(encoders(), "mean")
    with pytest.raises(ValueError, match=r"encoders must give equally many rows, got \[9, 8\]"):
        MultistageEncoder([nn.Identity(), Short()])(x)
    with pytest.raises(TypeError, match="the output of encoder 0 must be a floating tensor"):
        MultistageEncoder([nn.Identity()])(x.long())
