"""Partner classes: what may come, how often, and what is refused."""

import pytest
import torch

from core.samplers import ClassPairSampler


def make(*args, seed=0, **settings):
    return ClassPairSampler(*args, generator=torch.Generator().manual_seed(seed), **settings)


def labels(count=6000, classes=4):
    return torch.randint(classes, (count,), generator=torch.Generator().manual_seed(9))


def test_identical_is_the_class_itself():
    assert torch.equal(make("identical", 4)(labels()), labels())


def test_distinct_is_any_other_class_alike():
    y = labels()
    partner = make("distinct", 4)(y)
    assert (partner != y).all()
    table = torch.zeros(4, 4).index_put_((y, partner), torch.ones(len(y)), accumulate=True)
    shares = table / table.sum(dim=1, keepdim=True)
    assert float((shares - (1 - torch.eye(4)) / 3).abs().max()) < 0.03


def test_arbitrary_is_the_batch_in_another_order():
    y = torch.tensor([0, 0, 0, 1, 2])
    drawn = make("arbitrary", 4)
    partners = torch.stack([drawn(y) for _ in range(400)])
    assert torch.equal(partners.sort(dim=1).values, y.expand(400, 5))
    assert float((partners == 0).float().mean()) == pytest.approx(0.6, abs=1e-6)
    for column in range(5):  # each place gets each row alike
        assert float((partners[:, column] == 0).float().mean()) == pytest.approx(0.6, abs=0.08)


def test_weights_are_the_shares_of_partners():
    distance = (torch.arange(4)[:, None] - torch.arange(4)).abs().float()
    weights = 1 / (1 + distance) ** 2
    y = labels(20000)
    for mode in ("arbitrary", "distinct"):
        partner = make(mode, 4, weights)(y)
        table = torch.zeros(4, 4).index_put_((y, partner), torch.ones(len(y)), accumulate=True)
        expected = weights if mode == "arbitrary" else weights * (1 - torch.eye(4))
        found, expected = (t / t.sum(dim=1, keepdim=True) for t in (table, expected))
        assert float((found - expected).abs().max()) < 0.03
    assert (weights.diagonal() == 1).all()  # the caller's tensor is as it was


def test_same_seed_same_partners():
    for mode in ("arbitrary", "distinct"):
        assert torch.equal(make(mode, 4)(labels()), make(mode, 4)(labels()))
        assert not torch.equal(make(mode, 4)(labels()), make(mode, 4, seed=1)(labels()))


def test_the_number_of_pairs():
    assert ClassPairSampler("arbitrary", 1000).pair_count == 500_500
    assert ClassPairSampler("arbitrary", 10).pair_count == 55


def test_no_rows_and_one_row():
    for mode in ("arbitrary", "distinct", "identical"):
        assert make(mode, 3)(torch.zeros(0, dtype=torch.int64)).shape == (0,)
    assert make("arbitrary", 3)(torch.tensor([2])).tolist() == [2]
    assert make("distinct", 2)(torch.tensor([1])).tolist() == [0]


def test_settings_and_state():
    weights = torch.rand(3, 3, generator=torch.Generator().manual_seed(0))
    sampler = make("arbitrary", 3, weights)
    assert repr(sampler) == "ClassPairSampler(mode='arbitrary', num_classes=3, weighted)"
    other = make("arbitrary", 3, torch.ones(3, 3))
    other.load_state_dict(sampler.state_dict())
    assert torch.equal(other.weights, weights)
    assert make("distinct", 3).state_dict() == {}


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="mode must be one of 'arbitrary', 'distinct', 'identical', got 'any'"):
        make("any", 3)
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        make("arbitrary", 0)
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1: mode='distinct'"):
        make("distinct", 1)
    with pytest.raises(ValueError, match="weights have no use with mode='identical'"):
        make("identical", 2, torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"weights must have shape \(3, 3\), got \(2, 3\)"):
        make("arbitrary", 3, torch.ones(2, 3))
    with pytest.raises(TypeError, match="weights must be a floating tensor"):
        make("arbitrary", 2, torch.ones(2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="weights must be finite and >= 0"):
        make("arbitrary", 2, -torch.ones(2, 2))
    with pytest.raises(ValueError, match="weights leave class 1 without any partner"):
        make("distinct", 2, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="y must be in 0 to 2, got 0 to 3"):
        make("arbitrary", 3)(torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="y must be in 0 to 2, got -1 to 0"):
        make("identical", 3)(torch.tensor([0, -1]))
    with pytest.raises(TypeError, match="y must be int64"):
        make("arbitrary", 3)(torch.zeros(3))
    with pytest.raises(ValueError, match=r"y must have shape \(2,\)"):
        make("arbitrary", 3)(torch.zeros(2, 1, dtype=torch.int64))
