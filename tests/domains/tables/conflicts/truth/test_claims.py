import numpy as np
import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.conflicts.truth import ClaimGraph, MajorityVote
from domains.tables.conflicts.truth.claims import posterior

_ROWS = [
    ("b", 2, "X "),
    ("a", 1, "u"),
    ("b", 1, "v"),
    ("c", 1, "U"),
    ("a", 2, "x"),
    ("c", 3, None),
    ("a", 1, "u"),
]


def _claims(rows=_ROWS):
    return ClaimGraph.of(pd.DataFrame(rows, columns=["source", "item", "value"]))


def test_of():
    claims = _claims()
    assert claims.sources == ("a", "b", "c")
    assert claims.item.tolist() == [0, 0, 1]
    assert claims.votes.tolist() == [2, 1, 2]  # a source that says a thing twice says it once
    assert claims.facts_of_item.tolist() == [2, 1]
    assert claims.attributes == ("value",)
    assert claims.matrix.sum() == len(claims.source) == 5


def test_order_of_rows_changes_nothing():
    one, two = _claims(), _claims(_ROWS[::-1])
    for name in ("source", "fact", "item", "attribute", "text"):
        assert getattr(one, name).tolist() == getattr(two, name).tolist()


def test_attributes_tell_items_apart():
    frame = pd.DataFrame({"source": ["a", "a"], "item": [1, 1], "value": ["x", "x"], "kind": ["p", "q"]})
    claims = ClaimGraph.of(frame, attribute="kind")
    assert claims.attribute.tolist() == [0, 1]
    assert claims.item.tolist() == [0, 1]


def test_majority_vote():
    truth = MajorityVote().fit(_claims())
    assert truth.probability.tolist() == pytest.approx([2 / 3, 1 / 3, 1])
    assert truth.reliability.ravel().tolist() == pytest.approx([(2 / 3 + 1) / 2, (1 / 3 + 1) / 2, 2 / 3])
    assert MajorityVote().fit(_claims(), {0: 1}).probability.tolist() == [0, 1, 1]


def test_posterior_is_softmax():
    claims = _claims()
    found = posterior(claims, np.array([0.0, np.log(3), -5.0]))
    assert found.tolist() == pytest.approx([0.25, 0.75, 1])
    assert np.isfinite(posterior(claims, np.array([1e6, -1e6, 0]))).all()


def test_refused():
    with pytest.raises(UserError, match="column of claims 'who'"):
        ClaimGraph.of(pd.DataFrame({"source": [], "item": [], "value": []}), source="who")
    with pytest.raises(UserError, match="every claim needs"):
        _claims([(None, 1, "x")])
    with pytest.raises(ValueError, match="belong"):
        _claims().answers({1: 0})
