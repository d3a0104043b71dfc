"""Candidates against plain loops."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from domains.tables.conflicts.candidates import candidates_of
from domains.tables.conflicts.comparable import comparable

_CELLS = st.one_of(st.none(), st.sampled_from(["a", "A", "a ", "bb", "1", "1.0", "01", "ß", "SS"]))
_ROWS = st.lists(st.tuples(_CELLS, st.integers(0, 3), st.integers(0, 2)), max_size=30)


def _plain(rows):
    """By entity and key: spellings, sources."""
    found = defaultdict(lambda: (Counter(), set()))
    for value, entity, source in rows:
        if value is not None:
            texts, sources = found[entity, comparable([value])[0]]
            texts[value] += 1
            sources.add(source)
    return found


def _of(rows):
    column = pd.Series([value for value, _, _ in rows], dtype="string")
    entity, source = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))
    return candidates_of(column, "x", entity, 4, source)


@given(_ROWS)
def test_like_loops(rows):
    found, plain = _of(rows), _plain(rows)
    assert [(e, k) for e, k in zip(found.entity, found.key, strict=True)] == sorted(plain)
    for i, (entity, key) in enumerate(sorted(plain)):
        texts, sources = plain[entity, key]
        assert found.rows[i] == texts.total()
        assert found.sources[i] == len(sources)
        assert found.text[i] == min(texts, key=lambda t: (-texts[t], -len(t), t))
    for (value, entity, _), candidate in zip(rows, found.of_row, strict=True):
        if value is None:
            assert candidate == -1
        else:
            assert found.entity[candidate] == entity
            assert found.key[candidate] == comparable([value])[0]


@given(_ROWS, st.randoms())
def test_order_of_rows_changes_nothing(rows, random):
    shuffled = rows[:]
    random.shuffle(shuffled)
    one, two = _of(rows), _of(shuffled)
    for name in ("entity", "text", "key", "rows", "sources", "start"):
        assert getattr(one, name).tolist() == getattr(two, name).tolist()


@given(_ROWS)
def test_majority_order(rows):
    found = _of(rows)
    winner = found.first_by()
    for entity in range(4):
        own = [i for i in range(len(found)) if found.entity[i] == entity]
        best = min(
            own, default=-1, key=lambda i: (-found.sources[i], -found.rows[i], -len(found.text[i]), found.key[i])
        )
        assert winner[entity] == best
