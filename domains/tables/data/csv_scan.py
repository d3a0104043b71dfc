"""Where the rows of delimited text begin and end and how many cells they have, without a loop over bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "scan_rows"]

QUOTE, LINE_FEED, RETURN = 34, 10, 13


@dataclass(frozen=True, eq=False)
class Rows:
    """r complete rows of a piece of text.

    Attributes:
        begin: ``(r,)`` int64, position of the first byte.
        end: ``(r,)`` int64, after the last byte, the line end not included.
        cells: ``(r,)`` int64, number of cells.
        next: position of the first byte after the last row and its line end.
        broken: whether the row at ``next`` has a quote out of place; else it is not complete, or there is none.
    """

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    cells: NDArray[np.int64]
    next: int
    broken: bool


def scan_rows(data: bytes, start: int, stop: int, delimiter: int, *, final: bool) -> Rows:
    r"""Cut a piece of text into rows, as far as its quotes are right.

    RFC 4180: a cell may stand in double quotes and then hold delimiters and line ends; a quote in it is doubled. Rows
    end with ``\n``, ``\r\n`` or ``\r``. A quote that begins a cell within text, or ends one before other text, or is
    never closed, is out of place: scanning stops before the row that holds it.

    Args:
        data: text in an encoding that keeps ASCII.
        start: where a row begins.
        stop: where to stop.
        delimiter: the byte between cells.
        final: whether the text ends at ``stop``.

    >>> rows = scan_rows(b'a,b\n"x\n",y\n5"', 0, 13, ord(","), final=True)
    >>> rows.begin.tolist(), rows.cells.tolist(), rows.next, rows.broken
    ([0, 4], [2, 2], 11, True)
    """
    view = np.frombuffer(data, np.uint8, count=stop - start, offset=start)
    line = view == LINE_FEED
    returns = view == RETURN
    if returns.any():
        returns[:-1] &= ~line[1:]
        if not final:
            returns[-1:] = False  # whether a line feed follows is not known yet
        line |= returns
    between = view == delimiter
    quotes = np.flatnonzero(view == QUOTE)
    open_at_end = len(quotes) % 2 == 1
    if len(quotes):
        outside = ~np.bitwise_xor.accumulate(view == QUOTE)
        line &= outside
        between &= outside
    edges = np.flatnonzero(line)
    begin = np.concatenate([[0], edges + 1])
    end = edges.copy()
    end[(view[edges] == LINE_FEED) & (edges > begin[:-1]) & (view[edges - 1] == RETURN)] -= 1
    if final and begin[-1] < len(view):
        end = np.append(end, len(view))
        begin = np.append(begin, len(view))
    rows = len(end)
    wrong = _first_wrong(view, quotes, delimiter)
    if wrong is None and open_at_end and final:
        wrong = int(quotes[-1])
    if wrong is not None:
        rows = int(np.searchsorted(begin, wrong, side="right")) - 1
    cells = np.diff(np.searchsorted(np.flatnonzero(between), end[:rows]), prepend=0) + 1
    return Rows(begin[:rows] + start, end[:rows] + start, cells, int(begin[rows]) + start, wrong is not None)


def _first_wrong(view: NDArray[np.uint8], quotes: NDArray[np.int64], delimiter: int) -> int | None:
    """Position of the first quote out of place; quotes take turns in opening and closing."""
    allowed = np.zeros(256, dtype=bool)
    allowed[[delimiter, LINE_FEED, RETURN, QUOTE]] = True  # a quote after a quote is a doubled one
    opening, closing = quotes[0::2], quotes[1::2]
    opening = opening[opening > 0]
    closing = closing[closing < len(view) - 1]
    first = (opening[~allowed[view[opening - 1]]][:1], closing[~allowed[view[closing + 1]]][:1])
    found = np.concatenate(first)
    return int(found.min()) if found.size else None
