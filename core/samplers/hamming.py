"""Bit codes: how many bits differ, and a search that looks only at codes that agree in some part."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from numpy.typing import NDArray
from torch import Tensor

from core.checks import check_at_least
from core.samplers.near_copies import Bools, Indices, Measure, PreparedItems

__all__ = ["HammingDistance", "PackedCodes", "hamming_distance"]

CHUNK = 16
"""Bits of a part by which codes are looked up, about."""
LOOKUP = 1 << 26
"""Comparisons below which looking up is not worth its preparation."""
DEAR = 12
"""Times that comparing a pair found by look-up costs more than one in a block."""
CANDIDATES = 1 << 20
"""Pairs found by look-up that are held at once."""
BLOCK = 1 << 16
"""Codes packed at once."""


def hamming_distance(a: Bool[Tensor, "*batch bits"], b: Bool[Tensor, "*other bits"]) -> Int64[Tensor, "..."]:
    """Number of bits that differ, along the last axis; leading axes broadcast.

    >>> int(hamming_distance(torch.tensor([True, False, True]), torch.tensor([True, True, False])))
    2
    """
    for name, code in (("a", a), ("b", b)):
        if code.dtype != torch.bool:
            raise TypeError(f"{name} must be a bool tensor, got {code.dtype}; convert 0/1 with .bool()")
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"codes must have equally many bits, got {a.shape[-1]} and {b.shape[-1]}")
    return (a ^ b).sum(dim=-1)


class HammingDistance(Measure):
    """Number of differing bits of ready codes, ``(n, bits)`` bool.

    Thresholds are whole numbers from -1, which keeps all, to ``bits``, which keeps one: 0 drops equal codes only.

    Args:
        bits: length of a code.

    Raises:
        ValueError: no bits.
    """

    whole = True
    lowest = -1

    def __init__(self, bits: int = 64) -> None:
        check_at_least("bits", bits, 1)
        self.bits = bits
        self.highest = bits

    def prepare(self, items: Bool[Tensor, "n bits"]) -> "PackedCodes":
        """Pack the codes.

        Raises:
            TypeError: not bool.
            ValueError: another number of bits.
        """
        if not isinstance(items, Tensor) or items.dtype != torch.bool:
            raise TypeError("items must be a bool tensor of codes; convert 0/1 with .bool()")
        if items.dim() != 2 or items.shape[1] != self.bits:
            raise ValueError(f"items must have shape (n, {self.bits}), got {tuple(items.shape)}")
        return PackedCodes(items)


class PackedCodes(PreparedItems):
    """Codes in words of 64 bits, and the parts by which they are looked up.

    Multi-index hashing (Norouzi et al. 2012, "Fast Search in Hamming Space with Multi-Index Hashing"): codes that
    differ in at most t of their bits differ in at most t // m bits of one of m parts at least, so candidates are the
    codes whose part is that near. Bits are dealt to the parts in turn, because the upper rows of pictures are often
    alike. Where parts are so alike that the candidates are too many, blocks are compared whole.
    """

    def __init__(self, codes: Tensor) -> None:
        count, bits = codes.shape
        parts = max(1, round(bits / CHUNK))
        self.words: NDArray[np.uint64] = np.zeros((count, -(-bits // 64)), dtype=np.uint64)
        self.parts: list[NDArray[np.int32]] = [np.zeros(count, dtype=np.int32) for _ in range(parts)]
        self.widths = [len(range(j, bits, parts)) for j in range(parts)]
        for start in range(0, count, BLOCK):
            block = codes[start : start + BLOCK].cpu().numpy()
            padded = np.zeros((len(block), 64 * self.words.shape[1]), dtype=bool)
            padded[:, :bits] = block
            self.words[start : start + BLOCK] = np.packbits(padded, axis=1).view(np.uint64)
            for j, width in enumerate(self.widths):
                self.parts[j][start : start + BLOCK] = block[:, j::parts] @ (1 << np.arange(width, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.words)

    def near(self, rows: Indices, columns: Indices, threshold: float) -> Bools:
        """Blocks compared whole."""
        near: Bools = self._differing(self.words[rows][:, None], self.words[columns][None]) <= threshold
        return near

    def _differing(self, a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.unsignedinteger[Any]]:
        total: NDArray[np.unsignedinteger[Any]] = np.bitwise_count(a[..., 0] ^ b[..., 0])
        if a.shape[-1] > 1:
            total = total.astype(np.uint32)
        for word in range(1, a.shape[-1]):
            total += np.bitwise_count(a[..., word] ^ b[..., word])
        return total

    def first(self, rows: Indices, columns: Indices, threshold: float) -> Indices:
        """By look-up where that is cheaper, else in blocks."""
        if threshold < 0 or len(rows) * len(columns) < LOOKUP:
            return super().first(rows, columns, threshold)
        radius = int(threshold) // len(self.parts)
        indices = []
        budget = len(rows) * len(columns) // DEAR
        for keys, width in zip(self.parts, self.widths, strict=True):
            masks = _masks(width, min(radius, width))
            budget -= len(masks) << width
            if budget < 0:
                return super().first(rows, columns, threshold)
            index = _Index(keys[columns], width, masks)
            budget -= int(index.nearby[keys[rows]].sum()) + len(rows) * len(masks)
            indices.append(index)
        if budget < 0:
            return super().first(rows, columns, threshold)
        found = np.full(len(rows), len(columns))
        for keys, index in zip(self.parts, indices, strict=True):
            for block, row, column in index.candidates(keys[rows]):
                a, b = self.words[rows[block + row]], self.words[columns[column]]
                hit = self._differing(a, b) <= threshold
                np.minimum.at(found, block + row[hit], column[hit])
        return np.where(found < len(columns), found, -1)


class _Index:
    """Codes sorted by one part, and how many have a part near each value."""

    def __init__(self, keys: NDArray[np.int32], width: int, masks: NDArray[np.int32]) -> None:
        self.order = np.argsort(keys, kind="stable")
        self.counts = np.bincount(keys, minlength=1 << width)
        self.starts = np.cumsum(self.counts) - self.counts
        self.masks = masks
        values = np.arange(1 << width, dtype=np.int32)
        self.nearby = np.zeros(1 << width, dtype=np.int64)
        for mask in masks:
            self.nearby += self.counts[values ^ mask]

    def candidates(self, keys: NDArray[np.int32]) -> Iterator[tuple[int, Indices, Indices]]:
        """Pairs of a row and a code with a part near the row's: where a block of rows begins, rows in it, codes."""
        ends = np.cumsum(self.nearby[keys] + len(self.masks))
        begin = 0
        while begin < len(keys):
            before = int(ends[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + CANDIDATES, side="right")))
            values = (keys[begin:end, None] ^ self.masks).ravel()
            counts = self.counts[values]
            total = int(counts.sum())
            shift = self.starts[values] - (np.cumsum(counts) - counts)
            place = np.repeat(shift, counts) + np.arange(total)
            row = np.repeat(np.arange(len(values)) // len(self.masks), counts)
            yield begin, row, self.order[place]
            begin = end


def _masks(width: int, radius: int) -> NDArray[np.int32]:
    """All numbers of ``width`` bits of which at most ``radius`` are set."""
    flips = itertools.chain.from_iterable(itertools.combinations(range(width), r) for r in range(radius + 1))
    return np.array([sum(1 << bit for bit in flip) for flip in flips], dtype=np.int32)
