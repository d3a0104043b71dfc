"""One row of delimited text, cut into cells with care."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["CutRow", "cut_row", "plain_cell"]


@dataclass(frozen=True)
class CutRow:
    """A row with the bytes that its cells have in correct text.

    Attributes:
        cells: with their quotes; a quote within text is put into quotes and doubled.
        next: where the next row begins.
        broken: why the row cannot be read; then there are no cells, and ``next`` is that of the next line.
    """

    cells: list[bytes]
    next: int
    broken: str = ""


def cut_row(data: bytes, start: int, delimiter: bytes, *, final: bool) -> CutRow | None:
    r"""Read the row that begins at a position.

    A quote within a cell that does not begin with one stands for itself (``5" pipe``). A cell that begins with a quote
    must end with one: where other text follows, or the quote is never closed, only the first line is given up, so that
    one lost quote does not swallow the rows after it.

    Args:
        data: text in an encoding that keeps ASCII.
        start: where the row begins.
        delimiter: one byte.
        final: whether the text ends with ``data``.

    Returns:
        The row, or None if it is not complete.

    >>> cut_row(b'5" pipe,"x,y"', 0, b",", final=True).cells
    [b'"5"" pipe"', b'"x,y"']
    >>> cut_row(b'5" pipe,"x,y', 0, b",", final=True).broken
    'a quote is opened and never closed'
    """
    ends = re.compile(b"[\r\n" + re.escape(delimiter) + b"]")
    cells: list[bytes] = []
    at = start
    while True:
        if data[at : at + 1] == b'"':
            end = _closing_quote(data, at + 1)
            if end is None or (end == len(data) and not final):
                return _first_line(data, start, "a quote is opened and never closed", final=True) if final else None
            if end < len(data) and not ends.match(data, end):
                return _first_line(data, start, "text follows a closing quote within a cell", final=final)
            cells.append(data[at:end])
        else:
            found = ends.search(data, at)
            if found is None and not final:
                return None
            end = len(data) if found is None else found.start()
            text = data[at:end]
            cells.append(b'"' + text.replace(b'"', b'""') + b'"' if b'"' in text else text)
        if data[end : end + 1] != delimiter:
            after = _after_line_end(data, end, final=final)
            return None if after is None else CutRow(cells, after)
        at = end + 1


def plain_cell(cell: bytes) -> bytes:
    """The value of a cell of `CutRow`, without its quotes."""
    return cell[1:-1].replace(b'""', b'"') if cell.startswith(b'"') else cell


def _closing_quote(data: bytes, at: int) -> int | None:
    """Position after the quote that closes a cell."""
    while (at := data.find(b'"', at)) >= 0:
        if data[at + 1 : at + 2] != b'"':
            return at + 1
        at += 2
    return None


def _after_line_end(data: bytes, at: int, *, final: bool) -> int | None:
    if data[at : at + 2] == b"\r\n":
        return at + 2
    if data[at : at + 2] == b"\r" and not final:
        return None  # whether a line feed follows is not known yet
    return min(at + 1, len(data))


def _first_line(data: bytes, start: int, why: str, *, final: bool) -> CutRow | None:
    found = re.compile(b"[\r\n]").search(data, start)
    after = (len(data) if final else None) if found is None else _after_line_end(data, found.start(), final=final)
    return None if after is None else CutRow([], after, why)
