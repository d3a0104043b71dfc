"""Every blocker against a search through all pairs, and on tables that are hard to block."""

import itertools

import numpy as np
import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.blocking import BLOCKERS
from domains.tables.blocking.blocker import Blocker, UnionOf
from domains.tables.blocking.default import LARGE, NearestRows, blocker_of, default_blocker
from domains.tables.blocking.embeddings import EmbeddingNeighbours
from domains.tables.blocking.identical import identical_pairs, most_identical_pairs, row_groups
from domains.tables.blocking.key_rule import KeyRule
from domains.tables.blocking.minhash import MinHash, meeting_probability
from domains.tables.blocking.recall import expected_recall
from domains.tables.blocking.shared import SharedValues
from domains.tables.blocking.tokens import TokenIndex
from domains.tables.data.persons import persons
from domains.tables.data.table import Table

FRAME = pd.DataFrame(
    {
        "name": ["Ada King", "ada king", "Ada Kong", "Bob Lee", None, "Bob Lee", None],
        "city": ["Ulm", "Ulm", "Ulm", "Kiel", "Kiel", "Bonn", None],
        "note": ["counts machines", "a machines maker", "x", "y z", "machines", None, None],
    }
)
TABLE = Table.of(FRAME)
HARD = {
    "no rows": pd.DataFrame({"a": [], "b": []}, dtype="string"),
    "one row": pd.DataFrame({"a": ["x"]}),
    "nothing": pd.DataFrame({"a": [None, None], "b": [None, None]}),
    "equal rows": pd.DataFrame({"a": ["x"] * 5, "b": ["y"] * 5}),
    "signs": pd.DataFrame({"a": ["--", "..", "-"], "b": ["!", None, "?"]}),
}
ALL = [NearestRows(), SharedValues(), TokenIndex(), TokenIndex(tokens="grams"), MinHash(),
       UnionOf([SharedValues(), MinHash()])]  # fmt: skip


def _pairs(found):
    return set(zip(found.left.tolist(), found.right.tolist(), strict=True))


def test_shared_values_are_those_of_all_pairs():
    rows = [{c: v.lower() if isinstance(v, str) else None for c, v in row.items()} for row in FRAME.to_dict("records")]
    expected = set()
    for a, b in itertools.combinations(range(len(rows)), 2):
        equal = sum(rows[a][c] is not None and rows[a][c] == rows[b][c] for c in rows[0])
        held = [{w for c in ("name", "note") for w in (rows[r][c] or "").split() if len(w) > 1} for r in (a, b)]
        if equal >= 2 or held[0] & held[1]:
            expected.add((a, b))
    assert _pairs(SharedValues().candidates(TABLE)) == expected


def test_token_index_is_that_of_all_pairs():
    tokens = [{w for v in row if isinstance(v, str) for w in v.lower().split() if len(w) > 1} for row in FRAME.values]
    count = {word: sum(word in one for one in tokens) for one in tokens for word in one}
    pairs = itertools.combinations(range(len(tokens)), 2)
    expected = {(a, b) for a, b in pairs if any(count[w] <= 2 for w in tokens[a] & tokens[b])}
    assert _pairs(TokenIndex(rare=2).candidates(TABLE)) == expected


def test_a_key_leaves_out_rows_without_a_value():
    assert _pairs(KeyRule({"name": 3, "city": 0}).candidates(TABLE)) == {(0, 1), (0, 2), (1, 2)}
    with pytest.raises(UserError, match="unknown column in the key 'nam'"):
        KeyRule({"nam": 0}).candidates(TABLE)


def test_rows_alike_meet_as_often_as_the_formula_says():
    draw = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    texts = ["".join(draw.choice(letters, 30)) for _ in range(400)]
    half = [text[:15] + "".join(draw.choice(letters, 15)) for text in texts]
    found = MinHash(bands=4, hashes=2).candidates(Table.of(pd.DataFrame({"a": texts + half})))
    grams = [{f" {t} "[i : i + 3] for i in range(30)} for t in texts + half]
    similarity = np.mean([len(grams[i] & grams[400 + i]) / len(grams[i] | grams[400 + i]) for i in range(400)])
    met = np.mean([(i, 400 + i) in _pairs(found) for i in range(400)]) if len(found) else 0.0
    assert abs(met - meeting_probability(float(similarity), 4, 2)) < 0.08


class _Lengths:
    width = 2

    def encode(self, texts):
        found = np.array([[len(text), 1.0] for text in texts], dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_embedding_neighbours_are_the_nearest():
    texts = ["a" * n for n in (1, 2, 9, 11, 40, 80)]
    found = EmbeddingNeighbours(_Lengths(), 1).candidates(Table.of(pd.DataFrame({"a": [*texts, None]})))
    vectors = _Lengths().encode(texts)
    cosine = vectors @ vectors.T - 2 * np.eye(len(texts))
    assert _pairs(found) == {tuple(sorted((i, int(j)))) for i, j in enumerate(cosine.argmax(axis=1))}


@pytest.mark.parametrize("blocker", ALL, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("name", HARD)
def test_hard_tables_are_no_trouble(blocker, name):
    table = Table.of(HARD[name])
    found = blocker.candidates(table)
    assert isinstance(blocker, Blocker)
    assert found.count == len(table)
    assert blocker.most_pairs(table) >= len(found)
    assert 0 <= expected_recall(table, blocker) <= 1
    if name == "nothing":
        assert len(found) == 0


@pytest.mark.parametrize("blocker", [NearestRows(), SharedValues(), MinHash()], ids=lambda one: type(one).__name__)
def test_duplicates_with_errors_are_found(blocker):
    table, truth = persons(800, duplicates=0.2)
    found = blocker.candidates(table)
    same = truth[found.left] == truth[found.right]
    size = np.bincount(truth)
    assert same.sum() / (size * (size - 1) // 2).sum() > 0.95
    assert blocker.most_pairs(table) >= len(found)
    assert expected_recall(table, blocker, made=200) > 0.85


def test_the_size_of_the_table_decides():
    small, large = persons(50)[0], persons(LARGE + 1)[0]
    assert isinstance(default_blocker(small), NearestRows)
    assert isinstance(default_blocker(large), SharedValues)
    assert all(isinstance(blocker_of(name, small), Blocker) for name in BLOCKERS)


@pytest.mark.parametrize("count", [900, 3000])
def test_identical_pairs_are_expected(count):
    table = Table.of(pd.DataFrame({"a": ["x"] * count + ["y", "z"], "b": ["p"] * count + ["q", "r"]}))
    assert most_identical_pairs(table) == len(identical_pairs(table)) > 10_000
    for name in ("nearest_rows", "shared_values"):
        blocker = blocker_of(name, table)
        assert blocker.most_pairs(table) >= len(blocker.candidates(table))


def test_identical_rows_are_grouped():
    groups = row_groups(TABLE)
    assert groups.tolist() == [0, 1, 2, 3, 4, 5, -1]
    many = Table.of(pd.DataFrame({"a": ["x"] * 1500 + ["y", "Y "]}))
    assert (1500, 1501) in _pairs(identical_pairs(many))
    assert len(identical_pairs(many)) < 200_000
