import numpy as np
import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.conflicts.in_context import InContext
from domains.tables.conflicts.problem import problem_of
from domains.tables.conflicts.resolve import resolve
from domains.tables.data.table import Table
from domains.tables.language_models.cached import CachedModel
from domains.tables.language_models.ngrams import NGramScorer
from domains.tables.language_models.server import Server
from tests.domains.tables.language_models.played_server import played_server

_CAPITALS = {"France": "Paris", "Spain": "Madrid", "Italy": "Rome", "Japan": "Tokyo"}


class Recording:
    """Prefers given values and keeps what it was asked."""

    def __init__(self, likes=(), context=None):
        self.likes, self.context, self.name, self.asked = likes, context, "recording", []

    def tokens(self, text):
        return len(text.split())

    def score(self, prompt, candidates):
        self.asked.append((prompt, tuple(candidates)))
        return [0.0 if one in self.likes else -1.0 for one in candidates]


def _table(copies=6):
    """Things about which all agree, and as the last a conflict: France has two rows for Madrid and one for Paris."""
    rows, labels = [], []
    for label in range(copies * 4):
        country = list(_CAPITALS)[label % 4]
        rows.append(("s", country, _CAPITALS[country], f"id{label}", "secret"))
        labels.append(label)
    for source, capital in (("a", "Madrid"), ("b", "Madrid"), ("c", "Paris")):
        rows.append((source, "France", capital, "id99", "secret"))
        labels.append(99)
    frame = pd.DataFrame(rows, columns=["source", "country", "capital", "code", "note"], dtype=object)
    return Table.of(frame.drop(columns="source"), source=frame["source"].tolist()), np.array(labels)


def _chosen(rule):
    found = resolve(*_table(), {"capital": rule})
    assert len(found.conflicts) == 1
    return found.conflicts.iloc[0]


@pytest.mark.parametrize("selection", ["random", "knn", "weighted_knn"])
@pytest.mark.parametrize("shared", [True, False])
def test_the_table_teaches(selection, shared):
    """Demonstrations say which capital goes with France, against the votes."""
    rule = InContext(NGramScorer(order=60), selection=selection, shared=shared, vote_weight=0, k=8)
    assert _chosen(rule)["chosen"] == "Paris"


def test_large_vote_weight_is_the_majority():
    for likes in (("Paris",), ("Madrid",)):
        assert _chosen(InContext(Recording(likes), vote_weight=1e6))["chosen"] == "Madrid"
    assert _chosen(InContext(Recording(("Paris",)), vote_weight=0))["chosen"] == "Paris"


def test_score_by_hand():
    found = resolve(*_table(), {"capital": InContext(Recording(("Paris",)), vote_weight=0.5)})
    scores = found.candidates().set_index("value")["score"]
    assert scores["Madrid"] == pytest.approx(-1 + 0.5 * np.log(2 / 3))
    assert scores["Paris"] == pytest.approx(0 + 0.5 * np.log(1 / 3))
    margin = (0 + 0.5 * np.log(1 / 3)) - (-1 + 0.5 * np.log(2 / 3))
    assert found.conflicts["margin"].iloc[0] == pytest.approx(margin)


def test_only_conflicts_are_asked():
    model = Recording()
    resolve(*_table(), {"capital": InContext(model)})
    assert [candidates for _, candidates in model.asked] == [("Madrid", "Paris")]


def test_candidates_are_scored_never_written():
    class Odd(Recording):
        def score(self, prompt, candidates):
            return [float(i) for i in range(len(candidates))]

    assert _chosen(InContext(Odd()))["chosen"] in ("Madrid", "Paris")


def test_order_of_rows_changes_nothing():
    table, labels = _table()
    for selection in ("random", "knn", "weighted_knn"):
        asked = []
        for order in (np.arange(len(table)), np.random.default_rng(0).permutation(len(table))):
            model = Recording()
            resolve(table.select(order), labels[order], {"capital": InContext(model, selection=selection)})
            asked.append(model.asked)
        assert asked[0] == asked[1]


def test_compression_drops_identifiers_and_constants():
    model = Recording()
    resolve(*_table(), {"capital": InContext(model)})
    (prompt, _), *_ = model.asked
    assert "country is France" in prompt
    assert "code" not in prompt
    assert "note" not in prompt
    model = Recording()
    resolve(*_table(), {"capital": InContext(model, least_information=99)})
    (prompt, _), *_ = model.asked
    assert "country" not in prompt


def test_demonstrations():
    model = Recording()
    resolve(*_table(), {"capital": InContext(model, k=5)})
    lines = model.asked[0][0].split("\n")
    assert len(lines) == 6
    assert all("country is France" in line and line.endswith("should be Paris.") for line in lines[:5])
    assert lines[5].endswith("the attribute capital should be")
    model = Recording()
    resolve(*_table(), {"capital": InContext(model, k=0)})
    assert "\n" not in model.asked[0][0]


def test_calibration():
    model = Recording(("Paris",))
    found = resolve(*_table(), {"capital": InContext(model, calibrate=True, vote_weight=0)})
    assert len(model.asked) == 2
    assert "country is N/A" in model.asked[1][0].split("\n")[-1]
    assert model.asked[0][0].split("\n")[:-1] == model.asked[1][0].split("\n")[:-1]
    assert found.candidates()["score"].tolist() == [0, 0]  # a liking without reason cancels out


def test_margin():
    assert _chosen(InContext(Recording(), vote_weight=0, least_margin=0.1))["open"]
    assert not _chosen(InContext(Recording(("Paris",)), vote_weight=0, least_margin=0.9))["open"]


def test_long_prompts_lose_demonstrations_never_the_question():
    whole = Recording()
    resolve(*_table(), {"capital": InContext(whole, k=5, selection="random")})
    prompt = whole.asked[0][0]
    size = whole.tokens(prompt)
    for context, kept in ((size + 1, 5), (size, 4), (size // 2, 1), (size // 6 + 1, 0)):
        model = Recording(context=context)
        resolve(*_table(), {"capital": InContext(model, k=5, selection="random")})
        lines = model.asked[0][0].split("\n")
        assert len(lines) == kept + 1
        assert lines == prompt.split("\n")[5 - kept :]
        assert model.tokens(model.asked[0][0]) + 1 <= context
    with pytest.raises(UserError, match="without any demonstration"):
        resolve(*_table(), {"capital": InContext(Recording(context=5), k=5)})


def test_redaction_and_preview():
    table, labels = _table()
    model = Recording()
    rule = InContext(model, redact=("country",))
    problem = problem_of(table, labels)
    asked = rule.requests(problem, ["capital"])
    assert not model.asked
    assert all("country" not in one.prompt and "France" not in one.prompt for one in asked)
    resolve(table, labels, {"capital": rule})
    assert model.asked == [(one.prompt, one.candidates) for one in asked]
    cost = rule.cost(problem, ["capital"])
    assert (cost.requests, cost.candidates) == (1, 2)
    assert cost.tokens == 2 * (model.tokens(asked[0].prompt) + 1)
    with pytest.raises(UserError, match="'capital' is redacted"):
        resolve(table, labels, {"capital": InContext(model, redact=("capital",))})
    with pytest.raises(UserError, match="did you mean 'country'"):
        resolve(table, labels, {"capital": InContext(model, redact=("contry",))})


def test_cached(tmp_path):
    model = Recording(("Paris",))
    rule = InContext(CachedModel(model, tmp_path), vote_weight=0)
    first, second = _chosen(rule), _chosen(rule)
    assert len(model.asked) == 1
    assert first.equals(second)


def test_with_a_server():
    with played_server() as (url, played):
        played.faults = [503]
        # vowels are likelier there: 2 of the 6 characters of " Paris", 2 of the 7 of " Madrid"
        assert _chosen(InContext(Server(url, "m"), vote_weight=0))["chosen"] == "Paris"
        assert all("secret" not in body["prompt"] for _, body in played.seen)


@pytest.mark.parametrize(
    "settings",
    [
        {"k": -1},
        {"selection": "nearest"},
        {"vote_weight": float("inf")},
        {"vote_weight": -1},
        {"least_margin": -1},
        {"pool": 0},
    ],
)
def test_refused(settings, unchecked):
    with pytest.raises(UserError):
        InContext(Recording(), **settings)
