from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from domains.tables.augment import TypoAugmenter
from domains.tables.data.table import Table
from domains.tables.methods.partners import Partners
from domains.tables.methods.ssacl import SSACLSettings
from domains.tables.methods.tuple_batch import TupleBatch
from domains.tables.methods.tuple_batches import TupleBatches
from domains.tables.models import EncodedTable, TupleEncoder


class Named:
    """Each text becomes a unit vector of its own, but for a few collisions."""

    width = 64

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), 64), dtype=np.float32)
        for place, text in enumerate(texts):
            vectors[place, hash_of(text)] = 1
        return vectors


def hash_of(text: str) -> int:
    return sum(ord(c) * 7**i for i, c in enumerate(text)) % 64


def table(rows: int = 30, columns: int = 4) -> Table:
    cells = np.array([[f"r{r}c{c}" for c in range(columns)] for r in range(rows)], dtype=object)
    cells[np.random.default_rng(0).random(cells.shape) < 0.3] = None
    cells[3] = None
    return Table.of(pd.DataFrame(cells, columns=[f"c{c}" for c in range(columns)]))


def maker(settings: SSACLSettings, bound: float = 0.9, **more: object) -> tuple[EncodedTable, TupleBatches]:
    made = table()
    encoder = Named()
    encoded = TupleEncoder(encoder).encode_values(made)
    return encoded, TupleBatches(encoded, encoder, TypoAugmenter(), settings, bound=bound, **more)


def epoch(batches: TupleBatches, number: int = 0, seed: int = 0) -> list[TupleBatch]:
    loader = batches.loader(seed)
    loader.set_epoch(number)
    return list(loader)


def test_sizes_of_a_batch():
    settings = SSACLSettings(batch_size=8, positives=3, negatives=5, tuples=20)
    _, batches = maker(settings)
    found = epoch(batches)
    assert [len(batch.tuples.left) for batch in found] == [8, 8, 4]
    assert len(batches.loader(0)) == 3
    for batch in found:
        assert int(batch.same.sum()) == 3 * len(batch.tuples.left)
        assert int((~batch.same).sum()) <= 5 * len(batch.tuples.left)
        assert batch.labelled is None
        assert torch.equal(batch.tuples.left, batch.tuples.right)


def test_small_tables_are_gone_through_several_times():
    _, batches = maker(SSACLSettings(batch_size=8))
    assert sum(len(batch.tuples.left) for batch in epoch(batches)) == 8 * len(batches.rows)
    _, batches = maker(SSACLSettings(batch_size=8, tuples=40))
    assert sum(len(batch.tuples.left) for batch in epoch(batches)) == 40


def test_the_same_seed_and_epoch_give_the_same_batches_and_others_differ():
    _, batches = maker(SSACLSettings(batch_size=8))
    first = epoch(batches, 1)[0].pairs.right
    assert torch.equal(first, epoch(batches, 1)[0].pairs.right)
    for other in (epoch(batches, 2), epoch(batches, 1, seed=1)):
        right = other[0].pairs.right
        assert right.shape != first.shape or not torch.equal(right, first)


def test_positives_keep_at_least_one_value_and_gain_none():
    _, batches = maker(SSACLSettings(batch_size=64, tuples=29, removal=0.6, change=0.6, positives=20))
    (batch,) = epoch(batches)
    anchors, changed = batch.pairs.left_mask[batch.same], batch.pairs.right_mask[batch.same]
    assert changed.any(dim=1).all()
    assert not (changed & ~anchors).any()
    assert 0.3 < float(changed.sum() / anchors.sum()) < 0.7
    both = anchors & changed
    alike = (batch.pairs.left[batch.same] * batch.pairs.right[batch.same]).sum(-1)[both] > 0.99
    assert 0.3 < float(alike.float().mean()) < 0.6  # hash collisions of changed values count as alike


def test_no_changes_make_positives_equal():
    _, batches = maker(SSACLSettings(batch_size=64, tuples=29, removal=0.0, change=0.0))
    (batch,) = epoch(batches)
    assert torch.equal(batch.pairs.left[batch.same], batch.pairs.right[batch.same])


def test_rows_without_values_take_no_part():
    encoded, batches = maker(SSACLSettings(batch_size=64))
    assert 3 not in batches.rows
    assert len(batches.rows) == int((encoded.code >= 0).any(axis=1).sum())


def test_negatives_share_an_attribute_and_are_below_the_bound():
    _, batches = maker(SSACLSettings(batch_size=64, tuples=29, negatives=30), bound=0.3)
    _, free = maker(SSACLSettings(batch_size=64, tuples=29, negatives=30), bound=9.0)
    counts = []
    for made in (batches, free):
        (batch,) = epoch(made)
        chosen = ~batch.same
        pairs = batch.pairs
        assert (pairs.left_mask & pairs.right_mask)[chosen].any(dim=1).all()
        counts.append((int(chosen.sum()), float(pairs.cosine[chosen].max())))
    assert counts[0][1] < 0.3 <= counts[1][1]
    assert counts[0][0] < counts[1][0]


def test_hard_negatives_come_from_the_partners():
    pairs = np.array([[0, 1], [0, 2]]).T
    partners = Partners.of(30, pairs[0], pairs[1])
    settings = SSACLSettings(batch_size=64, tuples=29, negatives=1, hard_negatives=50)
    encoded, batches = maker(settings, bound=9.0, partners=partners)
    _, without = maker(settings, bound=9.0)
    (batch,), (plain,) = epoch(batches), epoch(without)
    # rows 0, 1, 2 draw 50 each among partners; all other rows would draw themselves, which is no pair
    usable = sum(bool(((encoded.code[a] >= 0) & (encoded.code[b] >= 0)).any()) for a, b in ((0, 1), (0, 2)))
    more = int((~batch.same).sum()) - int((~plain.same).sum())
    assert usable
    assert 25 * usable < more <= 100 * usable


def test_pairs_with_labels_come_round():
    labels = (np.array([0, 1, 2]), np.array([4, 5, 6]), np.array([1, 0, 1], dtype=np.float32))
    settings = SSACLSettings(batch_size=8, label_batch=6)
    _, batches = maker(settings, labelled=labels)
    for batch in epoch(batches):
        assert batch.labelled is not None
        assert sorted(batch.labels.tolist()) == [0, 0, 1, 1, 1, 1]
    none = (labels[0][:0], labels[1][:0], labels[2][:0])
    assert all(batch.labelled is None for batch in epoch(maker(settings, labelled=none)[1]))
