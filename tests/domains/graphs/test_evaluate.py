"""The domain's protocols against scikit-learn and NumPy, and the ways in which they must not be fooled."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, f1_score, normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from core.errors import UserError
from core.training import resolve_settings
from domains.graphs.data.embedded import embedded
from domains.graphs.evaluate import EvaluationSettings, evaluate_graphs, evaluate_nodes, node_split
from tests.domains.graphs.toy import toy_graph

FAST = EvaluationSettings(probe_epochs=60)


@pytest.fixture(scope="module")
def wine():
    return embedded("wine-knn")


@pytest.fixture(scope="module")
def digits():
    return embedded("digits-knn")


@pytest.fixture(scope="module")
def pooled():
    """Embeddings of the first 200 digit graphs: sums of their nodes' features."""
    data = embedded("digits-graphs")
    batch = data.select(torch.arange(200))
    h = torch.zeros(200, 6).index_add_(0, batch.batch, torch.cat([batch.x, batch.x.square()], 1))
    return h, data.y[:200]


def unlabelled(graph):
    return replace(graph, train_index=None, val_index=None, test_index=None)


def test_random_splits_are_disjoint_whole_stratified_and_follow_the_seed(digits):
    settings = EvaluationSettings(split="random", train_share=0.2, val_share=0.1)
    first, again, other = (node_split(digits, settings, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    for parts in (first, other):
        assert torch.cat(parts).sort().values.equal(torch.arange(1797))
        shares = [torch.bincount(digits.y[part]) / torch.bincount(digits.y) for part in parts]
        for share, expected in zip(shares, (0.2, 0.1, 0.7), strict=True):
            torch.testing.assert_close(share, torch.full((10,), expected), rtol=0, atol=0.01)


def test_public_split_is_taken_for_every_seed_unless_a_random_one_is_asked_for(wine):
    given = (wine.train_index, wine.val_index, wine.test_index)
    for seed in (0, 5):
        parts = node_split(wine, EvaluationSettings(), seed)
        assert all(torch.equal(a, b) for a, b in zip(parts, given, strict=True))
    assert not torch.equal(node_split(wine, EvaluationSettings(split="random"), 0)[0], wine.train_index)
    assert len(node_split(unlabelled(wine), EvaluationSettings(), 0)[0]) == 18


def test_nodes_without_a_label_are_in_no_part(wine):
    y = wine.y.clone()
    y[::3] = -1
    graph = replace(wine, y=y)
    for settings in (EvaluationSettings(), EvaluationSettings(split="random")):
        parts = torch.cat(node_split(graph, settings, 0))
        assert parts.sort().values.equal((y >= 0).nonzero().squeeze(1))


def test_probe_at_its_optimum_is_scikit_learns(digits):
    """The same strictly convex objective: cross-entropy plus L2 on weights and bias, here as a column of ones."""
    decay = 1e-2
    settings = EvaluationSettings(probe_epochs=1500, probe_lr=0.02, probe_weight_decay=decay, knn=0)
    h = digits.x
    scores = evaluate_nodes(h, digits, settings, seed=0)
    x = np.concatenate([h.numpy(), np.ones((len(h), 1))], 1)
    train, test = digits.train_index.numpy(), digits.test_index.numpy()
    rival = LogisticRegression(C=1 / (decay * len(train)), fit_intercept=False, tol=1e-8, max_iter=2000)
    guess = rival.fit(x[train], digits.y[train]).predict(x[test])
    truth = digits.y[test].numpy()
    assert scores["accuracy"] == pytest.approx((guess == truth).mean(), abs=2 / len(test))
    assert scores["macro F1"] == pytest.approx(f1_score(truth, guess, average="macro"), abs=0.003)


def numpy_probe(h, y, parts, settings, seed):
    """GraphMAE's probe as written in its script, in float64 with the gradient by hand: test at the end and at best."""
    train, val, test = (part.numpy() for part in parts)
    h, y = h.numpy().astype(np.float64), y.numpy()
    classes, bound = y.max() + 1, h.shape[1] ** -0.5
    draw = torch.Generator().manual_seed(seed)
    weight = torch.empty(classes, h.shape[1]).uniform_(-bound, bound, generator=draw).double().numpy()
    bias = torch.empty(classes).uniform_(-bound, bound, generator=draw).double().numpy()
    theta = np.concatenate([weight, bias[:, None]], 1)
    x = np.concatenate([h, np.ones((len(h), 1))], 1)
    first, second = np.zeros_like(theta), np.zeros_like(theta)
    best, at_best, last = -1.0, 0.0, 0.0
    for step in range(1, settings.probe_epochs + 1):
        logits = x[train] @ theta.T
        share = np.exp(logits - logits.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        gradient = (share - np.eye(classes)[y[train]]).T @ x[train] / len(train) + settings.probe_weight_decay * theta
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        scale = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        theta -= settings.probe_lr * first / (1 - 0.9**step) / scale
        guess = (x @ theta.T).argmax(1)
        last = (guess[test] == y[test]).mean()
        if (guess[val] == y[val]).mean() >= best:
            best, at_best = (guess[val] == y[val]).mean(), last
    return last, at_best


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_last_and_best_are_those_of_a_loop_in_numpy(digits, seed):
    settings = EvaluationSettings(probe_epochs=80, probe_weight_decay=1e-3, knn=0)
    graph = digits.with_split(digits.train_index, digits.val_index[:30], digits.test_index)
    scores = evaluate_nodes(graph.x, graph, settings, seed)
    parts = (graph.train_index, graph.val_index, graph.test_index)
    last, at_best = numpy_probe(graph.x, graph.y, parts, settings, seed)
    assert last != at_best
    assert scores["accuracy"] == pytest.approx(last, abs=1.5 / len(graph.test_index))
    assert scores["accuracy at best val"] == pytest.approx(at_best, abs=1.5 / len(graph.test_index))


def test_neighbours_and_clusters_are_scikit_learns(wine):
    settings = EvaluationSettings(probe_epochs=1, knn=7, clustering=True)
    scores = evaluate_nodes(wine.x, wine, settings, seed=3)
    x, y = wine.x.numpy(), wine.y.numpy()
    train, test = wine.train_index.numpy(), wine.test_index.numpy()
    rival = KNeighborsClassifier(7, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07))
    assert scores["kNN accuracy"] == pytest.approx(rival.fit(x[train], y[train]).score(x[test], y[test]))
    found = KMeans(3, n_init=10, random_state=3).fit_predict(x.astype(np.float64))
    assert scores["NMI"] == pytest.approx(normalized_mutual_info_score(y, found))
    assert scores["ARI"] == pytest.approx(adjusted_rand_score(y, found))


def test_graphs_are_scored_by_ten_folds_of_scikit_learns_svm(pooled):
    h, y = pooled
    scores = evaluate_graphs(h, y, EvaluationSettings())
    search = GridSearchCV(SVC(kernel="rbf", gamma="scale"), {"C": [1e-3, 1e-2, 1e-1, 1, 10]}, cv=5)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    expected = cross_val_score(search, h.double().numpy(), y.numpy(), cv=folds)
    assert scores["accuracy"] == pytest.approx(expected.mean())
    assert scores["deviation over folds"] == pytest.approx(expected.std())
    assert scores["accuracy"] > 0.3


def test_shuffled_labels_give_chance(digits, pooled):
    """What a score would be if it read the labels anywhere but in the training part."""
    found = []
    for seed in range(5):
        order = torch.randperm(1797, generator=torch.Generator().manual_seed(seed))
        scores = evaluate_nodes(digits.x, replace(digits, y=digits.y[order]), FAST, seed)
        found += [scores[name] for name in ("accuracy", "accuracy at best val", "kNN accuracy")]
    assert np.mean(found) == pytest.approx(0.1, abs=0.02)
    assert max(found) < 0.16
    h, y = pooled
    shuffled = y[torch.randperm(200, generator=torch.Generator().manual_seed(0))]
    assert evaluate_graphs(h, shuffled, EvaluationSettings(folds=5))["accuracy"] < 0.2


def test_labels_of_the_test_part_change_no_guess(wine):
    """Turned round in the test part only, a right answer becomes a wrong one and no other answer becomes right."""
    y = wine.y.clone()
    y[wine.test_index] = (y[wine.test_index] + 1) % 3
    true = evaluate_nodes(wine.x, wine, FAST, seed=0)
    turned = evaluate_nodes(wine.x, replace(wine, y=y), FAST, seed=0)
    assert true["accuracy"] > 0.9
    assert turned["accuracy"] <= 1 - true["accuracy"] + 1e-6
    assert turned["kNN accuracy"] <= 1 - true["kNN accuracy"] + 1e-6


def test_scores_depend_on_the_seed_alone_and_leave_embeddings_as_they_are(digits):
    h = digits.x.clone()
    first = evaluate_nodes(h, digits, FAST, seed=1)
    torch.rand(7)
    again = evaluate_nodes(h, digits, FAST, seed=1)
    assert first == again
    assert torch.equal(h, digits.x)
    assert first != evaluate_nodes(h, digits, FAST, seed=2)


def test_without_labels_there_are_label_free_scores(wine):
    for y in (None, torch.full((178,), -1)):
        scores = evaluate_nodes(wine.x, replace(wine, y=y), FAST, seed=0)
        assert set(scores) == {"effective rank", "uniformity"}
    assert set(evaluate_graphs(wine.x, None, FAST)) == {"effective rank", "uniformity"}
    assert evaluate_nodes(torch.zeros(178, 4), replace(wine, y=None), FAST, seed=0) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("probe_lr", 0.0, "probe_lr must be > 0, got 0.0"),
        ("probe_weight_decay", -1.0, "probe_weight_decay must be >= 0, got -1.0"),
        ("probe_epochs", 0, "probe_epochs must be >= 1, got 0"),
        ("train_share", 0.0, "train_share and val_share must be > 0"),
        ("val_share", 0.9, "train_share and val_share must be > 0 and leave something for the test part"),
        ("knn", -1, "knn must be >= 0, got -1"),
        ("folds", 1, "folds must be >= 2, got 1"),
        ("split", "secret", "split"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_trained(name, value, message):
    """They used to be noticed by the probe, after the training, and not as the user's mistake."""
    with pytest.raises(UserError, match=message):
        resolve_settings(EvaluationSettings, ("command line", {name: value}))


def test_a_part_without_labels_is_named(wine):
    """It used to be a ``ValueError`` of the probe, which the command does not catch."""
    y = wine.y.clone()
    y[wine.val_index] = -1
    with pytest.raises(UserError, match="wine-knn: no node of the val part has a label"):
        node_split(replace(wine, y=y), EvaluationSettings(), 0)


def test_too_few_graphs_in_a_class_are_named(pooled):
    """It used to be a ``ValueError`` of the SVM, which the command does not catch."""
    h, _ = pooled
    y = torch.zeros(200, dtype=torch.int64)
    y[:7] = 1
    with pytest.raises(UserError, match=r"the smallest class has 7 graphs, and 10 folds .*--evaluate\.folds 7"):
        evaluate_graphs(h, y, EvaluationSettings())
    assert 0.9 < evaluate_graphs(h, y, EvaluationSettings(folds=7))["accuracy"] <= 1


def test_too_few_labelled_nodes_for_a_split_are_named():
    graph = replace(toy_graph(), y=torch.tensor([0, 1, *[-1] * 10]))
    with pytest.raises(UserError, match="2 labelled nodes are too few"):
        node_split(graph, EvaluationSettings(), 0)
