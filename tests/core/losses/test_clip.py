"""CLIP: hand values, the learnable scale and its limit."""

import math

import pytest
import torch

from core.losses import CLIPLoss, clip, info_nce


def pair(n=6, d=5, seed=0):
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed))


def test_collapse_is_chance_at_any_scale():
    same = torch.ones(5, 3)
    for loss in (CLIPLoss(), CLIPLoss(temperature=0.3, learnable=False)):
        assert loss(same, same).item() == pytest.approx(math.log(5), abs=1e-5)


def test_it_is_the_mean_of_two_cross_entropies():
    query, key = pair()
    logits = torch.nn.functional.normalize(query) @ torch.nn.functional.normalize(key).T / 0.07
    target = torch.arange(6)
    expected = (
        torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.T, target)
    ) / 2
    torch.testing.assert_close(clip(query, key), expected)
    torch.testing.assert_close(
        clip(query, key), (info_nce(query, key, temperature=0.07) + info_nce(key, query, temperature=0.07)) / 2
    )


def test_scale_starts_where_clip_starts_and_learns():
    loss = CLIPLoss()
    assert loss.log_scale.item() == pytest.approx(math.log(1 / 0.07))
    query, key = pair()
    loss(query, key).backward()
    assert loss.log_scale.grad.isfinite()
    assert float(loss.log_scale.grad) != 0
    start = loss(query, key).item()
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        loss(query, key).backward()
        optimizer.step()
    assert loss(query, key).item() < start


def test_scale_is_held_at_its_limit_and_can_come_back():
    loss = CLIPLoss(max_scale=50.0)
    with torch.no_grad():
        loss.log_scale.fill_(9.0)
    query, key = pair()
    value = loss(query, key)
    torch.testing.assert_close(value, clip(query, key, temperature=1 / 50))
    value.backward()
    assert loss.log_scale.item() == pytest.approx(math.log(50))
    assert float(loss.log_scale.grad) > 0, "random pairs want a smaller scale"


def test_fixed_temperature_has_no_gradient():
    loss = CLIPLoss(temperature=0.001, learnable=False)
    query, key = (x.requires_grad_() for x in pair())
    loss(query, key).backward()
    assert loss.log_scale.grad is None
    assert query.grad.isfinite().all()
    torch.testing.assert_close(loss.temperature, torch.tensor(0.001))


def test_state_round_trip():
    loss, other = CLIPLoss(), CLIPLoss(temperature=0.5)
    with torch.no_grad():
        loss.log_scale.fill_(1.25)
    other.load_state_dict(loss.state_dict())
    query, key = pair()
    assert torch.equal(loss(query, key), other(query, key))


def test_a_start_above_the_limit_is_refused():
    with pytest.raises(ValueError, match=r"1 / temperature = 1000 is above max_scale = 100"):
        CLIPLoss(temperature=0.001)
    with pytest.raises(ValueError, match="max_scale must be finite and > 0"):
        CLIPLoss(max_scale=0.0)
