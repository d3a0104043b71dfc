"""Prototypes: cosines, unit rows before each forward, several sets, the frozen first steps."""

import copy

import pytest
import torch
from torch import nn

from core.heads import Prototypes
from core.losses import SwAVLoss


def make(count=5, seed=0, **options):
    return Prototypes(4, count, generator=torch.Generator().manual_seed(seed), **options)


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_scores_are_cosines_of_any_batch():
    prototypes = make()
    features = rows(2, 7, 4)
    expected = torch.cosine_similarity(features[:, :, None], prototypes.weights[0].detach(), dim=3)
    for batch, cosines in ((features, expected), (3 * features[0], expected[0]), (features[0, 0], expected[0, 0])):
        torch.testing.assert_close(prototypes(batch).detach(), cosines)
    assert prototypes(features[:, :0]).shape == (2, 0, 5)


def test_rows_are_random_unit_vectors_from_the_generator():
    weight = make(300).weights[0].detach()
    torch.testing.assert_close(weight.norm(dim=1), torch.ones(300))
    assert float(weight.mean(dim=0).norm()) < 0.15
    assert torch.equal(weight, make(300).weights[0])
    assert not torch.equal(weight, make(300, seed=1).weights[0])


def test_each_forward_scales_the_rows_back_without_gradient():
    prototypes = make()
    with torch.no_grad():
        prototypes.weights[0].mul_(torch.arange(1.0, 6)[:, None])
    directions = prototypes.weights[0].detach() / torch.arange(1.0, 6)[:, None]
    leaf = prototypes.weights[0]
    prototypes(rows(3, 4)).sum().backward()
    torch.testing.assert_close(leaf.detach(), directions)
    assert leaf.is_leaf
    # the plain linear layer's gradient: scaling is not part of the graph, so it may point along the row
    expected = nn.functional.normalize(rows(3, 4)).sum(dim=0).expand(5, 4)
    torch.testing.assert_close(leaf.grad, expected)


def test_two_forwards_before_one_backward():
    """The second forward rewrites the rows in place while the first one's backward is still to come."""
    prototypes, features = make(), rows(3, 4).requires_grad_()
    (prototypes(features).pow(2).sum() + prototypes(2 * features).pow(2).sum()).backward()
    twice = prototypes.weights[0].grad.clone()
    prototypes.zero_grad()
    (2 * prototypes(features).pow(2).sum()).backward()
    torch.testing.assert_close(prototypes.weights[0].grad, twice)


def test_a_list_makes_a_list():
    prototypes = make([3, 6])
    scores = prototypes(rows(2, 7, 4))
    assert [s.shape for s in scores] == [(2, 7, 3), (2, 7, 6)]
    assert len(prototypes(rows(7, 4))) == 2
    assert isinstance(make([3])(rows(7, 4)), list)
    SwAVLoss()(scores).backward()
    assert all(weight.grad.any() for weight in prototypes.weights)


def test_half_precision_and_autocast_are_computed_in_float32():
    prototypes, features = make(), rows(6, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        scores = prototypes(features)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, prototypes(features.float()))
    assert prototypes(features.double()).dtype == torch.float64


def test_zero_features_have_cosine_zero_and_no_gradient():
    features = rows(3, 4)
    features[1] = 0
    features.requires_grad_()
    scores = make()(features)
    scores.pow(2).sum().backward()
    assert not scores[1].any()
    assert features.grad.norm(dim=1).gt(0).tolist() == [True, False, True]


def test_frozen_steps_move_the_encoder_and_not_the_prototypes():
    """As in the released code gradients are dropped, not zeroed: momentum and weight decay rest as well."""
    prototypes, encoder = make(freeze_steps=3), nn.Linear(6, 4)
    with torch.no_grad():
        prototypes.weights[0].mul_(3)  # the first forward scales it back: the only change that is allowed
    start = nn.functional.normalize(prototypes.weights[0].detach())
    optimizer = torch.optim.SGD([*prototypes.parameters(), *encoder.parameters()], 0.5, momentum=0.9, weight_decay=0.1)
    loss, moved, changed = SwAVLoss(), [], []
    for step in range(5):
        before = encoder.weight.detach().clone()
        views = torch.stack([rows(8, 6, seed=step), rows(8, 6, seed=step + 50)])
        value = loss(prototypes(encoder(views)))
        optimizer.zero_grad()
        value.backward()
        assert prototypes.weights[0].grad is not None, "DistributedDataParallel waits for every gradient"
        assert prototypes.frozen == (step < 3)
        prototypes.drop_frozen_gradients()
        optimizer.step()
        moved.append(not torch.allclose(prototypes.weights[0], start, atol=1e-6))
        changed.append(not torch.equal(encoder.weight, before))
        assert ("momentum_buffer" in optimizer.state[prototypes.weights[0]]) == (step >= 3)
    assert moved == [False, False, False, True, True]
    assert all(changed)


def test_state_round_trip_keeps_directions_and_the_count_of_frozen_steps():
    prototypes, other = make([3, 5], freeze_steps=2), make([3, 5], seed=8, freeze_steps=2)
    prototypes.drop_frozen_gradients()
    other.load_state_dict(prototypes.state_dict())
    assert sorted(prototypes.state_dict()) == ["steps", "weights.0", "weights.1"]
    for ours, theirs in zip(prototypes(rows(3, 4)), other(rows(3, 4)), strict=True):
        assert torch.equal(ours, theirs)
    other.drop_frozen_gradients()
    assert not other.frozen
    assert prototypes.frozen
    assert copy.deepcopy(prototypes).frozen


def test_settings_are_shown():
    assert repr(make([3, 5], freeze_steps=2)).startswith("Prototypes(\n  dim=4, num_prototypes=[3, 5], freeze_steps=2")


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    for options, message in (
        ({"dim": 0}, "dim must be at least 1, got 0"),
        ({"num_prototypes": 0}, "num_prototypes must be at least 1, got 0"),
        ({"num_prototypes": [3, 0]}, "num_prototypes must be at least 1, got 0"),
        ({"num_prototypes": []}, "the number of prototype sets must be at least 1, got 0"),
        ({"freeze_steps": -1}, "freeze_steps must be at least 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            Prototypes(**{"dim": 4, "num_prototypes": 3} | options)
    with pytest.raises(ValueError, match=r"features must have width 4, got shape \(2, 3\)"):
        make()(torch.ones(2, 3))
    with pytest.raises(TypeError, match="features must be a floating tensor"):
        make()(torch.ones(2, 4, dtype=torch.int64))
