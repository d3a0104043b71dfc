"""Batches of SSACL: each tuple with changed versions of itself and with other tuples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from core.training.loader import EpochLoader
from domains.tables.augment import ValueAugmenter
from domains.tables.known_pairs import CheckedLabels
from domains.tables.methods.pairs import gather_pairs, shared_count
from domains.tables.methods.partners import Partners
from domains.tables.methods.ssacl import SSACLSettings
from domains.tables.methods.tuple_batch import TupleBatch
from domains.tables.models.tuple_encoder import EncodedTable, ValueEncoder

__all__ = ["TupleBatches"]

_REPEATS = 8
"""Times that an epoch goes through a small table at most, with other positives and negatives each time."""


class TupleBatches:
    """Makes the batches of an epoch.

    Positives are changed versions of a tuple: each value goes missing, is said otherwise, or stays; one at least stays
    or is said otherwise. A share drawn between none and twice the mean of the settings makes easy and hard versions. In
    each epoch every value gets some changed versions, encoded once, and tuples draw among them. Negatives are other
    tuples whose mean cosine over shared attributes is below ``bound``, and that share an attribute.

    Args:
        encoded: the table.
        encoder: of the changed values.
        augmenter: changes values.
        settings: of SSACL.
        bound: mean cosine from which another tuple is no negative.
        partners: candidates of blocking, of which the hard negatives come.
        labelled: rows, rows and 1 or 0 of pairs with labels.
    """

    def __init__(
        self,
        encoded: EncodedTable,
        encoder: ValueEncoder,
        augmenter: ValueAugmenter,
        settings: SSACLSettings,
        *,
        bound: float,
        partners: Partners | None = None,
        labelled: CheckedLabels | None = None,
    ) -> None:
        self.encoded, self.encoder, self.augmenter, self.settings = encoded, encoder, augmenter, settings
        self.bound, self.partners, self.labelled = bound, partners, labelled
        self.rows = np.flatnonzero((encoded.code >= 0).any(axis=1))

    def loader(self, seed: int) -> EpochLoader:
        """Batches that depend on the seed and the epoch only.

        Args:
            seed: of every draw.
        """
        return EpochLoader(self._epoch, -(-self._size // self.settings.batch_size), seed)

    @property
    def _size(self) -> int:
        """Tuples of an epoch."""
        return min(_REPEATS * len(self.rows), self.settings.tuples)

    def _epoch(self, generator: torch.Generator) -> Iterator[TupleBatch]:
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rounds = -(-self._size // len(self.rows))
        rows = np.concatenate([rng.permutation(self.rows) for _ in range(rounds)])[: self._size]
        more, variant = self._said_otherwise(rows, rng)
        labelled = self._labelled_order(-(-len(rows) // self.settings.batch_size), rng)
        for start in range(0, len(rows), self.settings.batch_size):
            batch = rows[start : start + self.settings.batch_size]
            yield self._batch(batch, more, variant, next(labelled), rng)

    def _said_otherwise(
        self, rows: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Vectors of changed values, and ``(k,)`` the code of the first changed version of each value."""
        code = self.encoded.code[rows]
        used = np.unique(code[code >= 0])
        versions = self.settings.versions
        texts = np.repeat(self.encoded.texts[used], versions).tolist()
        changed = self.encoder.encode(self.augmenter.values(texts, rng))
        first = np.full(len(self.encoded.texts), -1, dtype=np.int64)
        first[used] = len(self.encoded.vectors) + versions * np.arange(len(used))
        return changed, first

    def _positives(
        self, code: NDArray[np.int64], variant: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """``(r, m)`` codes of changed versions of tuples ``(r, m)``."""
        s = self.settings
        present = code >= 0
        strength = 2 * rng.random((len(code), 2))
        draw = np.where(present, rng.random(code.shape), -1.0)
        removed = (draw < s.removal * strength[:, :1]) & (draw < draw.max(axis=1, keepdims=True))
        changed = present & ~removed & (rng.random(code.shape) < s.change * strength[:, 1:])
        said = variant[np.maximum(code, 0)] + rng.integers(0, s.versions, code.shape)
        return np.where(removed, -1, np.where(changed, said, code))

    def _batch(
        self,
        rows: NDArray[np.int64],
        more: NDArray[np.float32],
        variant: NDArray[np.int64],
        labelled: NDArray[np.int64] | None,
        rng: np.random.Generator,
    ) -> TupleBatch:
        s, code, vectors = self.settings, self.encoded.code, self.encoded.vectors
        anchors = np.repeat(code[rows], s.positives, axis=0)
        positives = self._positives(anchors, variant, rng)
        others = self.rows[rng.integers(0, len(self.rows), (len(rows), s.negatives))]
        if self.partners is not None and s.hard_negatives:
            others = np.concatenate([others, self.partners.draw(rows, s.hard_negatives, rng)], axis=1)
        mine, other = np.repeat(rows, others.shape[1]), others.ravel()
        kept = (mine != other) & (shared_count(code[mine], code[other]) > 0)
        mine, other = mine[kept], other[kept]
        apart = gather_pairs(vectors, code[mine], code[other]).cosine.numpy() < self.bound
        mine, other = mine[apart], other[apart]
        left = np.concatenate([anchors, code[mine]])
        right = np.concatenate([positives, code[other]])
        same = torch.arange(len(left)) < len(anchors)
        told = None
        labels = torch.empty(0)
        if labelled is not None and self.labelled is not None:
            a, b, y = self.labelled
            told = gather_pairs(vectors, code[a[labelled]], code[b[labelled]])
            labels = torch.from_numpy(y[labelled])
        tuples = gather_pairs(vectors, code[rows], code[rows])
        return TupleBatch(gather_pairs(vectors, left, right, more), same, tuples, told, labels)

    def _labelled_order(self, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64] | None]:
        """Positions of the labelled pairs of each step: all of them in random order, again and again."""
        if self.labelled is None or not len(self.labelled[2]):
            yield from [None] * steps
            return
        count, size = len(self.labelled[2]), self.settings.label_batch
        needed = steps * size
        order = np.concatenate([rng.permutation(count) for _ in range(-(-needed // count))])
        yield from order[:needed].reshape(steps, size)
