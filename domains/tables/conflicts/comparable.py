"""When two texts are the same value: composed, without case and extra spaces, numbers by their value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

__all__ = ["comparable", "number"]

_PLAIN = re.compile(r"([+-]?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


def comparable(texts: Sequence[str]) -> list[str]:
    """The form in which values are compared; the values themselves stay as they are.

    Unicode is composed (NFC), case folded, runs of white space become one space. Plain decimal numbers compare by
    value, exactly and at any length: 7, +7 and 7.00 are equal. A text with a leading zero (007) is an identifier and no
    number, and so is one with separators of thousands or an exponent.

    Args:
        texts: any values; give each distinct one once.

    >>> comparable(["New  York ", "new york", "7.50", "+7.5", "007"])
    ['new york', 'new york', '7.5', '7.5', '007']
    """
    return [_canonical(_folded(text)) for text in texts]


def number(text: str) -> Decimal | None:
    """The value of a plain decimal number with all of its digits, None for any other text.

    >>> number("007"), number(" +7.50")
    (None, Decimal('7.50'))
    """
    stripped = text.strip()
    return Decimal(stripped) if _PLAIN.fullmatch(stripped) else None


def _folded(text: str) -> str:
    if not text.isascii():
        # folding may take a composed letter apart, hence twice
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(text.lower().split())


def _canonical(text: str) -> str:
    if not text or text[-1] not in "0123456789":  # most values end here
        return text
    found = _PLAIN.fullmatch(text)
    if found is None:
        return text
    sign, whole, fraction = found.groups()
    fraction = (fraction or "").rstrip("0")
    value = f"{whole}.{fraction}" if fraction else whole
    return f"-{value}" if sign == "-" and value != "0" else value
