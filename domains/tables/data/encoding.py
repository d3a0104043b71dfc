"""In which encoding a text file is written, told from its bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from core.errors import UserError
from domains.tables.data.byte_stream import byte_blocks
from domains.tables.data.source import Guess

__all__ = ["guess_encoding"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BROKEN = 0.1  # a file in UTF-8 may hold so many broken sequences, as a share of all that are not ASCII
_SAMPLE = 1 << 20
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ESCAPED = re.compile(r"[\udc80-\udcff]")
_LETTER = re.compile(r"(?<![^\x00-\x7f])[À-ÖØ-öø-ÿŠŽšžŒœŸ](?![^\x00-\x7f])")


def guess_encoding(path: Path, given: str | None = None) -> Guess:
    """The encoding of a text file.

    In this order: the one given; a byte-order mark; UTF-16 if every other byte of the start is mostly NUL; UTF-8 if the
    whole file is valid, or nine tenths of what is not ASCII are (the rows with the rest are rejected); else Windows
    1252, of which Latin-1 is the part without the bytes 0x80 to 0x9f. Other one-byte encodings cannot be told from it
    without knowing the language: name them.

    Args:
        path: the file; all of it is read once.
        given: a name that Python knows.

    Raises:
        UserError: an unknown name, or a file that cannot be read.
    """
    if given is not None:
        try:
            codecs.lookup(given)
            "".encode(given)
        except LookupError as error:
            raise UserError(f"{path}: there is no text encoding {given!r}; known are utf-8, cp1252, utf-16") from error
        return Guess(_plain(given, path), 1.0, "it was given")
    blocks = byte_blocks(path)
    start = next(blocks, b"")
    for mark, name in _MARKS:
        if start.startswith(mark):
            return Guess(name, 1.0, "the file begins with its byte-order mark")
    wide = _utf16_without_mark(start[:_SAMPLE])
    if wide is not None:
        return wide
    return _utf8_or_1252(start, blocks)


def _plain(name: str, path: Path) -> str:
    """UTF-16 without a direction takes it from the file; utf-8-sig is utf-8, marks are skipped anyway."""
    plain = codecs.lookup(name).name
    if plain in ("utf-16", "utf-32"):
        start = next(byte_blocks(path, 4), b"")
        big = codecs.BOM_UTF16_BE if plain == "utf-16" else codecs.BOM_UTF32_BE
        return f"{plain}-be" if start.startswith(big) else f"{plain}-le"
    return "utf-8" if plain == "utf-8-sig" else plain


def _utf16_without_mark(start: bytes) -> Guess | None:
    """Latin text in UTF-16 has a NUL in every other byte, and only there."""
    if len(start) < 4 or (len(start) % 2 and len(start) < _SAMPLE):
        return None
    even, odd = start[0::2], start[1::2]
    shares = even.count(0) / len(even), odd.count(0) / len(odd)
    for name, there, other in (("utf-16-le", shares[1], shares[0]), ("utf-16-be", shares[0], shares[1])):
        if there > 0.5 and other < 0.05:
            return Guess(name, round(there, 3), f"{there:.0%} of every other byte is NUL")
    return None


def _utf8_or_1252(start: bytes, rest: Iterable[bytes]) -> Guess:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = bad = 0
    sample = b""
    for block in chain((start,), rest):
        text = decoder.decode(block)
        if not text.isascii():
            broken = len(_ESCAPED.findall(text))
            if broken and not bad:
                sample = block[:_SAMPLE]
            bad += broken
            good += len(_NOT_ASCII.findall(text)) - broken
    bad += len(decoder.decode(b"", final=True))
    if bad <= _BROKEN * (good + bad):
        if bad:
            return Guess("utf-8", round(good / (good + bad), 3), f"{bad} of {good + bad} characters are broken")
        return Guess("utf-8", 1.0, "all of it is valid UTF-8" if good else "all of it is ASCII")
    as_1252 = sample.decode("cp1252", "replace")
    letters = len(_LETTER.findall(as_1252))
    high = max(len(_NOT_ASCII.findall(as_1252)), 1)
    return Guess(
        "cp1252", round(letters / high, 3), f"not UTF-8; {letters} of {high} such characters are single letters"
    )
