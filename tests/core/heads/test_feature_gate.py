"""The gate: its layers, symmetry, modes, statistics."""

import math

import pytest
import torch

from core.heads import FeatureGate, gate_entropy


def make(fuse="mean", classes=5, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return FeatureGate(classes, 6, label_dim=8, hidden_dim=10, fuse=fuse)


def pairs(count=7, classes=5):
    return torch.randint(classes, (2, count), generator=torch.Generator().manual_seed(1)).unbind(0)


@pytest.mark.parametrize("fuse", ["mean", "product"])
@pytest.mark.parametrize("training", [True, False])
def test_symmetric_in_the_two_classes_and_between_zero_and_one(fuse, training):
    gate = make(fuse).train(training)
    y1, y2 = pairs()
    found = gate(y1, y2)
    assert found.shape == (7, 6)
    assert ((found > 0) & (found < 1)).all()
    torch.testing.assert_close(gate(y2, y1), found)
    torch.testing.assert_close(gate(y1), gate(y1, y1))


@pytest.mark.parametrize("training", [True, False])
def test_values_are_those_of_the_layers_in_order(training):
    """ReLU, BatchNorm, Linear, ReLU, BatchNorm, Linear, sigmoid; written out."""
    y1, y2 = pairs()

    def norm(x, layer):
        if training:
            mean, variance = x.mean(dim=0), x.var(dim=0, correction=0)
        else:
            mean, variance = layer.running_mean, layer.running_var
        return (x - mean) / (variance + layer.eps).sqrt() * layer.weight + layer.bias

    def written_out(module, e):
        _, first, wide, _, second, last = module.filter
        hidden = norm(e.clamp(min=0), first) @ wide.weight.T + wide.bias
        return torch.sigmoid(norm(hidden.clamp(min=0), second) @ last.weight.T + last.bias)

    gate = make("mean")
    gate(y1, y2)  # moves the averages
    gate.train(training)
    e1, e2 = gate.labels.weight[y1], gate.labels.weight[y2]
    torch.testing.assert_close(gate(y1, y2), written_out(gate, (e1 + e2) / 2))
    product = make("product")
    product(y1, y2)
    product.train(training)
    e1, e2 = product.labels.weight[y1], product.labels.weight[y2]
    both = written_out(product, torch.cat([e1, e2]))
    torch.testing.assert_close(product(y1, y2), both[:7] * both[7:])


def test_widths_of_the_code():
    gate = FeatureGate(10, 256)
    shapes = [tuple(layer.weight.shape) for layer in gate.filter if hasattr(layer, "weight")]
    assert gate.labels.weight.shape == (10, 512)
    assert shapes == [(512,), (1024, 512), (1024,), (256, 1024)]


def test_training_and_eval_differ():
    gate, (y1, y2) = make(), pairs()
    gate(y1, y2)
    before = gate(y1, y2)
    assert not torch.allclose(before, gate.eval()(y1, y2))
    assert gate(y1[:1], y2[:1]).shape == (1, 6)


@pytest.mark.parametrize("fuse", ["mean", "product"])
def test_statistics_of_all_pairs_in_eval_mode(fuse):
    gate = make(fuse).train()
    gate(*pairs())
    averages = gate.filter[1].running_mean.clone()
    found = gate.statistics()
    assert gate.training
    assert torch.equal(gate.filter[1].running_mean, averages)
    gate.eval()
    gates = (
        torch.cat([gate(torch.tensor([a]), torch.tensor([b])) for a in range(5) for b in range(a, 5)]).detach().double()
    )
    assert len(gates) == 15
    assert found["activation"] == pytest.approx(float(gates.mean()), rel=1e-5)
    entropy = -(gates * gates.log() + (1 - gates) * (1 - gates).log()).mean()
    assert found["entropy"] == pytest.approx(float(entropy), rel=1e-5)
    some = gate.statistics(torch.tensor([1]), torch.tensor([3]))
    assert some["activation"] == pytest.approx(float(gates[7].mean()), rel=1e-5)
    assert set(gate.statistics(torch.tensor([2]))) == {"activation", "entropy"}


def test_entropy_and_its_gradient():
    assert gate_entropy(torch.full((2, 3), 0.5)).tolist() == pytest.approx([math.log(2)] * 2)
    logits = torch.tensor([[0.3, -2.0, 200.0, -200.0, 18.0]], requires_grad=True)
    gate_entropy(torch.sigmoid(logits)).sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]
    assert torch.equal(logits.grad[0, 2:4], torch.zeros(2))
    inside = torch.rand(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(gate_entropy, (inside,))


def test_state_round_trip_and_settings():
    one, other = make(seed=0), make(seed=1)
    one(*pairs())
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.eval()(*pairs()), other.eval()(*pairs()))
    assert "num_classes=5, fuse='mean'" in repr(one)


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    for name in ("num_classes", "dim", "label_dim", "hidden_dim"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            FeatureGate(**({"num_classes": 3, "dim": 4} | {name: 0}))
    with pytest.raises(ValueError, match="fuse must be one of 'mean', 'product', got 'sum'"):
        FeatureGate(3, 4, fuse="sum")
    gate, y = make(), torch.tensor([0, 1, 2])
    with pytest.raises(ValueError, match="y2 must be in 0 to 4, got 0 to 5"):
        gate(y, torch.tensor([0, 5, 1]))
    with pytest.raises(ValueError, match="y1 must be in 0 to 4, got -1 to 1"):
        gate(torch.tensor([-1, 0, 1]))
    with pytest.raises(ValueError, match=r"y2 must have shape \(3,\), one per row, got \(2,\)"):
        gate(y, y[:2])
    with pytest.raises(TypeError, match="y1 must be int64"):
        gate(y.float(), y)
    with pytest.raises(ValueError, match="the number of pairs must be at least 2, got 1: BatchNorm is in training"):
        gate(y[:1], y[:1])
    with pytest.raises(ValueError, match="y2 came without y1"):
        gate.statistics(None, y)
    with pytest.raises(ValueError, match="the number of pairs must be at least 1, got 0"):
        gate.statistics(y[:0])
    with pytest.raises(ValueError, match=r"gate must be in \[0, 1\], got 0.0 to 2.0"):
        gate_entropy(torch.tensor([[0.0, 2.0]]))
