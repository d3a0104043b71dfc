"""How hard the pretext task is, against loops."""

import pytest
import torch

from core.evaluation import false_negative_share, proxy_accuracy
from core.evaluation import proxy_task as module


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cosine(a, b):
    return float(torch.cosine_similarity(a.double(), b.double(), dim=0))


@pytest.mark.parametrize("block", [1 << 20, 20])
def test_accuracy_is_that_of_loops(block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    query, negatives = draw(20, 4), draw(9, 4, seed=1)
    key = query + 0.9 * draw(20, 4, seed=2)
    right = [all(cosine(q, k) > cosine(q, n) for n in negatives) for q, k in zip(query, key, strict=True)]
    assert 0 < sum(right) < 20
    assert proxy_accuracy(query, key, negatives) == pytest.approx(sum(right) / 20)
    assert proxy_accuracy(3 * query, 0.1 * key, 7 * negatives) == pytest.approx(sum(right) / 20)


def test_limits():
    eye = torch.eye(4)
    assert proxy_accuracy(eye[:2], eye[:2], eye[2:]) == 1.0
    assert proxy_accuracy(eye[:2], eye[2:], eye[:2]) == 0.0
    assert proxy_accuracy(torch.ones(3, 4), torch.ones(3, 4), torch.ones(5, 4)) == 0.0  # collapse
    x = draw(30, 7)
    assert proxy_accuracy(x, x, x) == 0.0  # ties, whatever the rounding


@pytest.mark.parametrize("block", [1 << 20, 20])
def test_share_of_false_negatives_is_that_of_loops(block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    query, negatives = draw(12, 4), draw(15, 4, seed=1)
    labels, theirs = torch.arange(12) % 3, torch.arange(15) % 4
    valid = torch.rand(12, 15, generator=torch.Generator().manual_seed(2)) < 0.5
    valid[0] = False
    valid[1, :13] = False
    for mask in (None, valid):
        same = counted = 0
        for i in range(12):
            allowed = [j for j in range(15) if mask is None or mask[i, j]]
            hardest = sorted(allowed, key=lambda j, i=i: -cosine(query[i], negatives[j]))[:4]
            same += sum(int(theirs[j] == labels[i]) for j in hardest)
            counted += len(hardest)
        found = false_negative_share(query, negatives, labels, theirs, n_hard=4, valid=mask)
        assert found == pytest.approx(same / counted)
    everything = (theirs == labels[:, None]).float().mean()
    assert false_negative_share(query, negatives, labels, theirs, n_hard=99) == pytest.approx(float(everything))


def test_hand_example_and_class_oracle():
    query, negatives = torch.eye(2), torch.tensor([[1.0, 0.1], [0.1, 1.0], [-1.0, 0.0]])
    labels, theirs = torch.tensor([0, 1]), torch.tensor([0, 0, 1])
    assert false_negative_share(query, negatives, labels, theirs, n_hard=1) == 0.5
    assert false_negative_share(query, negatives, labels, theirs, n_hard=2) == 0.5
    others = labels[:, None] != theirs
    assert false_negative_share(query, negatives, labels, theirs, n_hard=3, valid=others) == 0.0


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    x, y = draw(4, 3), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match="query and key must have the same shape"):
        proxy_accuracy(x, x[:2], x)
    with pytest.raises(ValueError, match="query and negatives must have the same width, got 3 and 2"):
        proxy_accuracy(x, x, x[:, :2])
    with pytest.raises(ValueError, match="the rows of negatives must be at least 1"):
        proxy_accuracy(x, x, x[:0])
    with pytest.raises(ValueError, match="the number of queries must be at least 1"):
        proxy_accuracy(x[:0], x[:0], x)
    with pytest.raises(ValueError, match="n_hard must be at least 1, got 0"):
        false_negative_share(x, x, y, y, n_hard=0)
    with pytest.raises(TypeError, match="negative_labels must be int64"):
        false_negative_share(x, x, y, y.float(), n_hard=1)
    with pytest.raises(TypeError, match="valid must be boolean"):
        false_negative_share(x, x, y, y, n_hard=1, valid=torch.ones(4, 4))
    with pytest.raises(ValueError, match=r"valid must have shape \(4, 4\)"):
        false_negative_share(x, x, y, y, n_hard=1, valid=torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="the number of negatives must be at least 1, got 0"):
        false_negative_share(x, x, y, y, n_hard=1, valid=torch.zeros(4, 4, dtype=torch.bool))
