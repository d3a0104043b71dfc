"""Errors in short ASCII texts, for many texts at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ERRORS", "ErrorKind", "Texts", "misheard", "misread", "mistyped"]

Texts = NDArray[Any]  # of type S
ErrorKind = Callable[[Texts, np.random.Generator], Texts]
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_DIGITS = "1234567890"
# pairs of glyphs that scanners take for each other, both ways
_GLYPHS = ("l1", "o0", "s5", "z2", "b6", "g9", "i1", "q9", "e3", "u8", "nr", "vw", "ce", "38", "17")
_SOUNDS = (
    (b"ph", b"f"), (b"ck", b"k"), (b"ff", b"f"), (b"ll", b"l"), (b"tt", b"t"), (b"nn", b"n"), (b"ie", b"y"),
    (b"ey", b"y"), (b"ee", b"ea"), (b"sh", b"sch"), (b"th", b"t"), (b"v", b"f"), (b"w", b"v"), (b"ks", b"x"),
    (b"c", b"k"), (b"k", b"c"), (b"z", b"s"), (b"s", b"z"), (b"i", b"y"), (b"y", b"i"), (b"a", b"e"), (b"e", b"a"),
    (b"o", b"u"), (b"d", b"t"), (b"t", b"d"),
)  # fmt: skip


def mistyped(texts: Texts, random: np.random.Generator) -> Texts:
    """One slip of the keyboard in each text: a character lost, doubled by a neighbour, replaced by one, or two swapped.

    Digits are replaced by digits. Texts of one character are only replaced or extended; empty ones stay.

    Args:
        texts: ``(n,)`` of type S.
        random: draws places and slips.
    """
    matrix, length = _matrix(texts, 1)
    n, width = matrix.shape
    short = length < 2
    place = (random.random(n) * length).astype(np.int64)
    slip = random.integers(0, 4, size=texts.shape)
    slip = np.where(short & (slip == 0), 2, slip)  # losing the only character would lose the value
    slip = np.where(short & (slip == 3), 1, slip)
    place = np.where(slip == 3, np.minimum(place, np.maximum(length - 2, 0)), place)
    column = np.arange(width)[None, :]
    at = place[:, None]
    lost = np.minimum(column + (column >= at), width - 1)
    gained = np.maximum(column - (column > at), 0)
    swapped = column + (column == at) * 1 - (column == at + 1) * 1
    source = np.select(
        [(slip == 0)[:, None], (slip == 1)[:, None], (slip == 3)[:, None]], [lost, gained, swapped], column
    )
    made = np.take_along_axis(matrix, np.minimum(source, width - 1), axis=1)
    rows = np.arange(n)
    here = matrix[rows, np.minimum(place, width - 1)]
    neighbour = _NEIGHBOURS[here, random.integers(0, _NEIGHBOURS.shape[1], n)]
    target = np.where(slip == 1, place + 1, place)
    chosen = (slip == 1) | (slip == 2)
    made[rows[chosen], target[chosen]] = neighbour[chosen]
    return _texts(made, length > 0, texts)


def misread(texts: Texts, random: np.random.Generator) -> Texts:
    """One character of each text taken for one that looks like it, as scanners do; texts without such a one stay."""
    matrix, _ = _matrix(texts, 0)
    possible = _LOOKS[matrix] != matrix
    draw = np.where(possible, random.random(matrix.shape), -1.0)
    place = draw.argmax(axis=1)
    rows = np.arange(len(texts))
    matrix[rows, place] = _LOOKS[matrix[rows, place]]
    return _texts(matrix, possible.any(axis=1), texts)


def misheard(texts: Texts, random: np.random.Generator) -> Texts:
    """Letters of each text written as they sound (``ph`` as ``f``); texts without such letters stay."""
    start = random.integers(0, len(_SOUNDS), len(texts))
    made = texts.astype(f"S{texts.dtype.itemsize + 2}")
    waiting = np.ones(len(texts), dtype=bool)
    for step in range(len(_SOUNDS)):
        rule = (start + step) % len(_SOUNDS)
        for number, (written, heard) in enumerate(_SOUNDS):
            rows = np.flatnonzero(waiting & (rule == number))
            rows = rows[np.char.find(made[rows], written) >= 0]
            if len(rows):
                made[rows] = np.char.replace(made[rows], written, heard, count=1)
                waiting[rows] = False
        if not waiting.any():
            break
    return made


ERRORS: dict[str, ErrorKind] = {"typing": mistyped, "scanning": misread, "hearing": misheard}


def _neighbours() -> NDArray[np.uint8]:
    """For each byte the two keys beside it, one of them twice at the end of a row; for what is no key, e and a."""
    table = np.tile(np.frombuffer(b"ea", dtype=np.uint8), (256, 1))
    for row in (*_KEYS, _DIGITS):
        for i, key in enumerate(row):
            left, right = row[max(i - 1, 0)], row[min(i + 1, len(row) - 1)]
            table[ord(key)] = [ord(left if left != key else right), ord(right if right != key else left)]
    return table


def _looks() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    for pair in _GLYPHS:
        for a, b in ((pair[0], pair[1]), (pair[1], pair[0])):
            if table[ord(a)] == ord(a):
                table[ord(a)] = ord(b)
    return table


_NEIGHBOURS = _neighbours()
_LOOKS = _looks()


def _matrix(texts: Texts, spare: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """``(n, width)`` characters, ended by NUL, and ``(n,)`` lengths."""
    wide = np.ascontiguousarray(texts.astype(f"S{max(texts.dtype.itemsize, 1) + spare}"))
    matrix = wide.view(np.uint8).reshape(len(texts), wide.dtype.itemsize).copy()
    return matrix, (matrix != 0).sum(axis=1).astype(np.int64)


def _texts(matrix: NDArray[np.uint8], changed: NDArray[np.bool_], before: Texts) -> Texts:
    made = np.ascontiguousarray(matrix).view(f"S{matrix.shape[1]}").reshape(len(matrix))
    return np.where(changed, made, before)
