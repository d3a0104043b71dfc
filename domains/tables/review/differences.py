"""Where two texts differ, character by character."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Indel

__all__ = ["Piece", "differences"]

LONGEST = 5_000
"""Characters of the longest text that is compared; the time grows with the product of both lengths."""


@dataclass(frozen=True)
class Piece:
    """A part of a text.

    Attributes:
        text: the characters.
        same: whether the other text has them too, in the same order.
    """

    text: str
    same: bool


def differences(left: str, right: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, of which a longest common subsequence is marked as the same.

    Texts of more than `LONGEST` characters that are not equal are one piece each, not marked.

    Args:
        left: one text.
        right: the other.

    >>> left, right = differences("Libary", "Library")
    >>> [(piece.text, piece.same) for piece in right]
    [('Lib', True), ('r', False), ('ary', True)]
    """
    if left == right:
        return [Piece(left, True)], [Piece(right, True)]
    if max(len(left), len(right)) > LONGEST:
        return [Piece(left, False)], [Piece(right, False)]
    one: list[Piece] = []
    two: list[Piece] = []
    for step in Indel.opcodes(left, right):
        same = step.tag == "equal"
        for pieces, text in ((one, left[step.src_start : step.src_end]), (two, right[step.dest_start : step.dest_end])):
            if not text:
                continue
            if pieces and pieces[-1].same == same:
                pieces[-1] = Piece(pieces[-1].text + text, same)
            else:
                pieces.append(Piece(text, same))
    return one, two
