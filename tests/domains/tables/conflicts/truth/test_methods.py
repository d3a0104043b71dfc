"""What every method of truth discovery must do, and oracles of each."""

import numpy as np
import pandas as pd
import pytest

from domains.tables.conflicts.truth import Accu, ClaimGraph, MajorityVote, SlimFast, TruthFinder
from domains.tables.conflicts.truth.copies import copy_weights, families
from domains.tables.conflicts.truth.features import log_form_share
from tests.domains.tables.conflicts.truth.worlds import accuracy, world

_LEARNERS = [Accu(), Accu(false_values=10, least_shared=0), SlimFast(), SlimFast(least_shared=0)]
_ALL = [*_LEARNERS, TruthFinder(), MajorityVote()]


@pytest.mark.parametrize("method", _LEARNERS, ids=repr)
def test_reliable_source_outvotes_two_unreliable_ones(method):
    """Right 90 % of the time against two at 40 %, which agree by chance; a few good sources tell who is good."""
    graph, facts = world([0.9, 0.4, 0.4, 0.4, 0.9], items=400)
    found = method.fit(graph)
    assert accuracy(graph, found, facts) > accuracy(graph, MajorityVote().fit(graph), facts) + 0.03
    rate = found.reliability[:, 0]
    assert min(rate[0], rate[4]) > max(rate[1:4]) + 0.2


def test_outvoting_on_one_item():
    """Two sources at 40 % against one at 90 % on one item, the sources known from the others."""
    graph, facts = world([0.9, 0.4, 0.4], items=400)
    known = {item: int(facts[item]) for item in range(300) if facts[item] >= 0}
    found = SlimFast().fit(graph, known)
    outvoted = [
        item for item in range(300, 400) if facts[item] >= 0 and graph.votes[facts[item]] == 1
        and graph.votes[graph.item == item].max() == 2
        and 0 in graph.source[graph.fact == facts[item]]
    ]  # fmt: skip
    assert len(outvoted) > 3
    for item in outvoted:
        own = np.flatnonzero(graph.item == item)
        assert own[found.probability[own].argmax()] == facts[item]
        assert own[MajorityVote().fit(graph).probability[own].argmax()] != facts[item]


def test_copies_do_not_outvote():
    """Five copies of a bad source against three good ones."""
    accuracies = [0.3, 0.3, 0.3, 0.3, 0.3, 0.85, 0.85, 0.85]
    graph, facts = world(accuracies, copies=[(i, 0) for i in range(1, 5)])
    assert accuracy(graph, MajorityVote().fit(graph), facts) < 0.4
    for method in (Accu(), SlimFast()):
        assert accuracy(graph, method.fit(graph), facts) > 0.8
    assert accuracy(graph, Accu(least_shared=0).fit(graph), facts) < 0.4


def test_families():
    graph, _ = world([0.5, 0.5, 0.9, 0.9], items=60, copies=[(1, 0)])
    family = families(graph)
    assert family[0] == family[1]
    assert len(set(family.tolist())) == 3
    assert len(set(families(graph, least_shared=61).tolist())) == 4
    weight = copy_weights(graph, family)
    assert weight[graph.source < 2].tolist() == [0.5] * 120
    assert weight[graph.source >= 2].tolist() == [1.0] * 120


def test_families_like_loops():
    rng = np.random.default_rng(3)
    said = rng.integers(0, 2, (6, 14))
    said[3] = said[0]
    frame = pd.DataFrame(
        [(s, i, f"v{said[s, i]}") for s in range(6) for i in range(14) if rng.random() < 0.8],
        columns=["source", "item", "value"],
    )
    graph = ClaimGraph.of(frame)
    wide = frame.pivot_table(index="source", columns="item", values="value", aggfunc="first")
    several = [item for item in wide if wide[item].nunique() > 1]
    for least in (1, 5, 9):
        together = np.eye(6, dtype=bool)
        for a in range(6):
            for b in range(6):
                both = [i for i in several if pd.notna(wide.loc[a, i]) and pd.notna(wide.loc[b, i])]
                together[a, b] |= len(both) >= least and all(wide.loc[a, i] == wide.loc[b, i] for i in both)
        reach = np.linalg.matrix_power(together.astype(int), 6) > 0
        found = families(graph, least)
        assert ((found[:, None] == found[None]) == reach).all()


@pytest.mark.parametrize("method", _ALL, ids=repr)
def test_known_items_are_settled(method):
    graph, _ = world([0.6, 0.6, 0.6], items=30)
    own = np.flatnonzero(graph.item == 3)
    loser = int(own[graph.votes[own].argmin()])
    found = method.fit(graph, {3: loser})
    assert found.probability[loser] == 1
    assert found.probability[own].sum() == 1


def test_labels_help():
    """Three copied liars and two honest sources look alike without labels if copies are witnesses."""
    graph, facts = world([0.2, 0.2, 0.2, 0.9, 0.9], copies=[(1, 0), (2, 0)])
    method = SlimFast(least_shared=0)
    known = {item: int(facts[item]) for item in range(30) if facts[item] >= 0}
    assert accuracy(graph, method.fit(graph), facts) < 0.5
    assert accuracy(graph, method.fit(graph, known), facts) > 0.8


@pytest.mark.parametrize("method", [Accu(), SlimFast(), MajorityVote()], ids=repr)
def test_probabilities(method):
    graph, _ = world([0.7, 0.5, 0.9], items=40)
    found = method.fit(graph)
    assert np.bincount(graph.item, found.probability).tolist() == pytest.approx([1] * 40)
    assert np.nanmin(found.reliability) >= 0
    assert np.nanmax(found.reliability) <= 1


@pytest.mark.parametrize("method", _ALL, ids=repr)
def test_one_source_and_nothing(method):
    graph, _ = world([0.5], items=5)
    assert method.fit(graph).probability.min() > 0.5
    empty = ClaimGraph.of(pd.DataFrame({"source": [], "item": [], "value": []}))
    assert method.fit(empty).probability.size == 0


def test_accu_fixed_point_by_loops():
    """Both steps of the paper, written out, leave the result where it is."""
    graph, _ = world([0.8, 0.6, 0.5], items=25, values=4)
    settings = Accu(least_shared=0, false_values=3, strength=2.0)
    found = settings.fit(graph)
    mean = (found.probability[graph.fact].sum() + 1) / (len(graph.source) + 2)
    for source in range(3):
        own = graph.fact[graph.source == source]
        expected = (found.probability[own].sum() + 2 * mean) / (len(own) + 2)
        assert found.reliability[source, 0] == pytest.approx(np.clip(expected, 0.02, 0.98), abs=1e-5)
    for item in range(25):
        own = np.flatnonzero(graph.item == item)
        weight = []
        for fact in own:
            rate = found.reliability[graph.source[graph.fact == fact], 0]
            weight.append(np.prod(3 * rate / (1 - rate)))
        assert found.probability[own].tolist() == pytest.approx((np.array(weight) / sum(weight)).tolist(), abs=1e-4)


def test_accu_by_attribute():
    """A source that is good in one attribute and bad in another is known as both."""
    rng = np.random.default_rng(0)
    rows = []
    for item in range(150):
        for kind, rates in (("p", (0.95, 0.3, 0.8, 0.8)), ("q", (0.3, 0.95, 0.8, 0.8))):
            rows += [
                (source, item, kind, "t" if rng.random() < rate else f"w{rng.integers(6)}")
                for source, rate in enumerate(rates)
            ]
    graph = ClaimGraph.of(pd.DataFrame(rows, columns=["source", "item", "kind", "value"]), attribute="kind")
    found = Accu(by_attribute=True).fit(graph).reliability
    assert found[0, 0] > 0.85 > 0.5 > found[0, 1]
    assert found[1, 1] > 0.85 > 0.5 > found[1, 0]
    pooled = Accu().fit(graph).reliability
    assert (pooled[:, 0] == pooled[:, 1]).all()


def test_truth_finder_by_loops():
    graph, _ = world([0.9, 0.5, 0.7], items=15, values=3)
    method = TruthFinder(max_iterations=2, tolerance=0.0)
    trust = [0.9] * 3
    for _ in range(3):
        confidence = {}
        for fact in range(len(graph.item)):
            score = sum(-np.log(1 - trust[s]) for s in graph.source[graph.fact == fact])
            confidence[fact] = 1 / (1 + np.exp(-0.3 * score))
        trust = [np.mean([confidence[f] for f in graph.fact[graph.source == s]]) for s in range(3)]
    found = method.fit(graph)
    assert found.iterations == 2
    assert found.probability.tolist() == pytest.approx([confidence[f] for f in range(len(graph.item))])
    assert found.reliability[:, 0].tolist() == pytest.approx(trust)


def test_form_share():
    frame = pd.DataFrame(
        {"source": list("abcd"), "item": [1, 1, 1, 2], "value": ["9:40", "10:15", "9:40 (estimated)", "8:00"]}
    )
    graph = ClaimGraph.of(frame)
    share = dict(zip(graph.text, np.exp(log_form_share(graph)), strict=True))
    assert share == pytest.approx({"9:40": 0.75, "10:15": 0.75, "9:40 (estimated)": 0.25, "8:00": 0.75})


def test_form_of_a_value_counts():
    """Votes are even everywhere; only the form of the value tells, and known items show how."""
    rows = [
        (s, i, f"{i}" if s == i % 2 else f"{i} {('(x)', '[x]', 'x*', 'x')[i % 4]}") for i in range(40) for s in range(2)
    ]
    graph = ClaimGraph.of(pd.DataFrame(rows, columns=["source", "item", "value"]))
    plain = {int(graph.item[f]): int(f) for f in range(len(graph.item)) if graph.text[f].isdigit()}
    facts = np.array([plain[item] for item in range(40)])
    known = {item: plain[item] for item in range(12)}
    assert SlimFast().fit(graph, known).probability[facts].min() > 0.7
    assert np.abs(SlimFast(form=False).fit(graph, known).probability[facts[12:]] - 0.5).max() < 0.05


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Accu(strength=0), "strength"),
        (lambda: Accu(false_values=0), "false_values"),
        (lambda: Accu(least_shared=-1), "least_shared"),
        (lambda: SlimFast(ridge=0), "ridge"),
        (lambda: TruthFinder(initial_trust=1), "initial_trust"),
        (lambda: TruthFinder(damping=0), "damping"),
    ],
)
def test_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()
