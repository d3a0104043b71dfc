"""Candidates are unique and sorted; blocks give all of their pairs."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domains.tables.blocking.pairs import Candidates, within_blocks


@given(st.lists(st.integers(0, 4), max_size=20), st.integers(1, 8))
def test_blocks_give_all_of_their_pairs(blocks, largest):
    rows = np.arange(len(blocks))
    found = Candidates.of(len(blocks), *within_blocks(rows, np.array(blocks, dtype=np.int64), largest))
    size = {block: blocks.count(block) for block in blocks}
    expected = [
        (a, b) for a, b in combinations(range(len(blocks)), 2) if blocks[a] == blocks[b] and size[blocks[a]] <= largest
    ]
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == expected


def test_of_drops_loops_and_repeats():
    found = Candidates.of(5, np.array([3, 1, 1, 2]), np.array([1, 3, 1, 0]))
    assert (found.left.tolist(), found.right.tolist()) == ([0, 1], [2, 3])
    assert found.reduction == 1 - 2 / 10


def test_union():
    a = Candidates.of(4, np.array([0, 1]), np.array([1, 2]))
    b = Candidates.of(4, np.array([1, 2]), np.array([2, 3]))
    both = Candidates.union(4, [a, b])
    assert list(zip(both.left.tolist(), both.right.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 3)]
    assert len(Candidates.union(4, [])) == 0
