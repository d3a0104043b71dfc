"""The momentum encoder: the average, its schedules, buffers, and what it refuses."""

import math

import pytest
import torch
from torch import nn

from core.momentum import MomentumEncoder


def make(bias=True, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4, bias=bias), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_update_is_the_moving_average():
    online = make()
    target = MomentumEncoder(online, momentum=0.9)
    expected = [p.detach().clone().double() for p in online.parameters()]
    for _ in range(3):
        with torch.no_grad():
            for p in online.parameters():
                p.add_(1.0)
        target.update(online)
        expected = [0.9 * old + 0.1 * new.double() for old, new in zip(expected, online.parameters(), strict=True)]
    for mine, theirs in zip(target.encoder.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-6, atol=1e-6)


def test_the_ends_of_the_range():
    online = make()
    frozen, following = MomentumEncoder(online, momentum=1.0), MomentumEncoder(online, momentum=0.0)
    start = online[0].weight.detach().clone()
    with torch.no_grad():
        online[0].weight.mul_(3)
    for target in (frozen, following):
        target.update(online)
    assert torch.equal(frozen.encoder[0].weight, start)
    assert torch.equal(following.encoder[0].weight, online[0].weight)


def test_buffers_are_copied():
    online = make()
    target = MomentumEncoder(online)
    online(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(target.encoder[1].running_mean, online[1].running_mean)
    target.update(online)
    assert torch.equal(target.encoder[1].running_mean, online[1].running_mean)
    assert target.encoder[1].num_batches_tracked == 1


def test_no_gradient_reaches_it():
    online = make()
    target = MomentumEncoder(online)
    x = torch.ones(4, 3, requires_grad=True)
    assert not target(x).requires_grad
    assert not any(p.requires_grad for p in target.parameters())
    assert all(p.requires_grad for p in online.parameters())


def test_cosine_schedule_rises_to_one_and_stays():
    online = make()
    target = MomentumEncoder(online, momentum=0.9, schedule="cosine", total_steps=4)
    seen = []
    for _ in range(6):
        seen.append(target.momentum)
        target.update(online)
    expected = [1 - 0.1 * (math.cos(math.pi * k / 4) + 1) / 2 for k in range(4)]
    assert seen == pytest.approx([*expected, 1.0, 1.0])
    assert seen[2] == pytest.approx(0.95)


def test_state_round_trip_keeps_the_step():
    online = make()
    target = MomentumEncoder(online, momentum=0.5, schedule="cosine", total_steps=10)
    for _ in range(4):
        target.update(online)
    other = MomentumEncoder(make(seed=5), momentum=0.5, schedule="cosine", total_steps=10)
    other.load_state_dict(target.state_dict())
    assert other.momentum == target.momentum
    target.update(make(seed=1))
    other.update(make(seed=1))
    for name, value in target.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_tied_weights_move_once():
    online = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    online[1].weight = online[0].weight
    target = MomentumEncoder(online, momentum=0.5)
    start = online[0].weight.detach().clone()
    with torch.no_grad():
        online[0].weight.zero_()
    target.update(online)
    torch.testing.assert_close(target.encoder[0].weight, start / 2)
    assert target.encoder[1].weight is target.encoder[0].weight


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    online = make()
    target = MomentumEncoder(online)
    with pytest.raises(ValueError, match=r"does not match the copy it shall update, at: 0\.bias"):
        target.update(make(bias=False))
    wider = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(ValueError, match=r"at: 0\.weight$"):
        target.update(wider)
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\], got 1\.5"):
        MomentumEncoder(online, momentum=1.5)
    with pytest.raises(ValueError, match="schedule must be one of 'constant', 'cosine', got 'linear'"):
        MomentumEncoder(online, schedule="linear")
    with pytest.raises(ValueError, match="total_steps belongs to schedule='cosine', got None with 'cosine'"):
        MomentumEncoder(online, schedule="cosine")
    with pytest.raises(ValueError, match="total_steps belongs to schedule='cosine', got 5 with 'constant'"):
        MomentumEncoder(online, total_steps=5)
    with pytest.raises(ValueError, match="total_steps must be at least 1, got 0"):
        MomentumEncoder(online, schedule="cosine", total_steps=0)
