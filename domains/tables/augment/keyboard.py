"""Which characters are mistaken for each other: neighbours on the keyboard, and those that look alike."""

from __future__ import annotations

__all__ = ["LOOK_ALIKE", "NEARBY", "matching_case"]

_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
"""Letters of a QWERTY keyboard, and how far each row stands to the right, in keys."""


def _neighbours() -> dict[str, str]:
    place = {key: (row, column + shift) for row, (keys, shift) in enumerate(_ROWS) for column, key in enumerate(keys)}
    near = {
        key: "".join(o for o, (r, c) in place.items() if o != key and abs(r - row) <= 1 and abs(c - column) <= 1)
        for key, (row, column) in place.items()
    }
    digits = "1234567890"
    return near | {d: digits[max(0, i - 1) : i] + digits[i + 1 : i + 2] for i, d in enumerate(digits)}


NEARBY: dict[str, str] = _neighbours()
"""Lower-case letter to letters, digit to digits, on a QWERTY keyboard."""

LOOK_ALIKE: dict[str, str] = {
    "0": "8", "1": "7", "2": "7", "3": "8", "4": "9", "5": "6", "6": "58", "7": "12", "8": "036", "9": "4",
    "a": "o", "b": "h8", "c": "e", "e": "c", "f": "t", "g": "q9", "h": "b", "i": "jl", "j": "i", "l": "i1",
    "m": "n", "n": "m", "o": "a0", "p": "q", "q": "gp", "s": "5", "t": "f", "u": "v", "v": "uy", "w": "v",
    "y": "v", "z": "2",
}  # fmt: skip
"""Lower-case letter to what looks like it, digit to digits."""


def matching_case(new: str, old: str) -> str:
    """``new`` in the case of ``old``: "st" for "STREET" is "ST", for "Street" it is "St".

    >>> matching_case("corp", "Corporation"), matching_case("corp", "CORPORATION"), matching_case("b", "V")
    ('Corp', 'CORP', 'B')
    """
    if old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
