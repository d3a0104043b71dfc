"""What happens to a value on its way into somebody's list."""

from __future__ import annotations

from random import Random

__all__ = ["abbreviated", "misspelt", "without_accents"]

_SHORT = (
    ("Street", "St."), ("Road", "Rd"), ("Avenue", "Ave."), ("Lane", "Ln"), ("Square", "Sq."), ("Museum", "Mus."),
    ("Library", "Libr."), ("University", "Univ."), ("Booksellers", "Bkslrs"), ("Saint-", "St. "), (" & ", " and "),
    ("History", "Hist."), ("Collection", "Coll."), ("Branch", "Br."),
)  # fmt: skip
_PLAIN = str.maketrans({"é": "e", "É": "E", "ö": "oe", "Ö": "Oe", "ü": "ue", "á": "a", "ñ": "n", "í": "i"})


def abbreviated(random: Random, text: str) -> str:
    """Some words shortened, each with probability a half."""
    for long, short in _SHORT:
        if long in text and random.random() < 0.5:
            text = text.replace(long, short)
    return text


def misspelt(random: Random, text: str) -> str:
    """One letter lost, doubled, or in the wrong place; short texts stay."""
    if len(text) < 4:
        return text
    at = 1 + int(random.random() * (len(text) - 2))
    what = random.random()
    if what < 0.35:
        return text[:at] + text[at + 1 :]
    if what < 0.65:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def without_accents(text: str) -> str:
    """Letters with marks written in ASCII."""
    return text.translate(_PLAIN)
