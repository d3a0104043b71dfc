"""Features of every stage of a head, and one probe for all of them."""

import pytest
import torch

from core.errors import UserError
from core.evaluation import KnnEvaluator, layerwise_probe, stage_features
from core.heads import ProjectionHead, ReweightingHead
from core.losses import sup_con
from tests.core.digits import Digits, encoder, moved, train


def rows(n=7, d=6):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def test_stages_are_read_in_eval_mode_and_modes_return():
    head = ProjectionHead(6, 4, 3, layers=3, norm="batch")
    head(rows())
    head.hidden[1].eval()
    features = stage_features(head, rows(), batch_size=2)
    assert [m.training for m in (head, head.hidden[0], head.hidden[1], head.hidden[1][1])] == [True, True, False, False]
    assert list(features) == ["backbone", "hidden:1", "hidden:2", "projection"]
    head.eval()
    for name, found in features.items():
        assert not found.requires_grad
        torch.testing.assert_close(found, head.encode(rows(), name))


def test_modes_return_after_an_error_too():
    head = ProjectionHead(6)
    with pytest.raises(RuntimeError):
        stage_features(head, rows(d=5))
    assert head.training


@pytest.mark.parametrize("head", [ProjectionHead(6, layers=0), ReweightingHead(6, kappa=1 + 1e-15)])
def test_without_a_head_before_is_after(head):
    labels = torch.arange(40) % 3
    x = rows(40) + labels[:, None]

    def score(features):
        return KnnEvaluator(k=3).fit(features, labels).score(features, labels, leave_one_out=True)

    scores = layerwise_probe(stage_features(head, x), score)
    assert list(scores) == ["backbone", "projection"]
    assert scores["backbone"] == scores["projection"]


def test_some_stages_only():
    head = ProjectionHead(6, 4, 3)
    assert list(stage_features(head, rows(), only=["projection"])) == ["projection"]
    assert layerwise_probe(stage_features(head, rows()), lambda h: h.shape[1], only=["hidden:1"]) == {"hidden:1": 4}
    with pytest.raises(UserError, match=r"unknown stage 'hidden:2'; did you mean 'hidden:1'"):
        stage_features(head, rows(), only=["hidden:2"])


def test_features_before_the_head_keep_what_the_loss_does_not_ask_for():
    """Supervised contrast of even and odd digits: the ten digits are told apart better before the head than after."""
    digits, draw = Digits.load(), torch.Generator().manual_seed(0)
    model = encoder(32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = ProjectionHead(32, 32, 32, norm="batch")

    def step(_):
        index = digits.batch(128, draw)
        views = torch.stack([head(model(moved(digits.images[index], draw))) for _ in range(2)])
        return sup_con(views, digits.labels[index] % 2, temperature=0.1)

    train([model, head], step, steps=150)
    model.eval()
    with torch.no_grad():
        h = model(torch.cat([digits.shifted, digits.test_shifted]))

    def score(features):
        knn = KnnEvaluator(k=5).fit(features[:1000], digits.labels)
        return knn.score(features[1000:], digits.test_labels)

    scores = layerwise_probe(stage_features(head, h), score)
    assert scores["backbone"] > scores["projection"] + 0.05, scores


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    head = ReweightingHead(6)
    with pytest.raises(ValueError, match="the number of rows must be at least 1"):
        stage_features(head, rows(0))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        stage_features(head, rows(), batch_size=0)
    with pytest.raises(TypeError, match="x must be a floating tensor"):
        stage_features(head, rows().long())
