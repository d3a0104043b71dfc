"""Rows of delimited text that can be read, in blocks, and those that cannot."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.data.byte_stream import BLOCK
from domains.tables.data.csv_cells import cut_row, plain_cell
from domains.tables.data.csv_scan import Rows, scan_rows
from domains.tables.data.source import Reject

__all__ = ["RowReader"]

_LONGEST = 1 << 26  # bytes of a row; a quote that is open for longer counts as never closed
_CAREFUL = 16  # rows that are read one by one after a quote out of place: such quotes come in swarms
_NARROW = 1 << 13


class RowReader:
    """Reads delimited text block by block; memory is bounded by the block and the longest row.

    Rows whose quotes and number of cells are right are passed on as they are, see
    `domains.tables.data.csv_scan.scan_rows`; others are looked at one by one.

    Args:
        blocks: the text as UTF-8, see `domains.tables.data.byte_stream.utf8_blocks`.
        delimiter: one ASCII character.
        encoding: of the file, for messages.
        valid: whether all of the text is known to be valid.
        fill_short_rows: whether rows with too few cells get empty ones.

    Attributes:
        rejects: rows that could not be read so far.
        blank: skipped lines so far: those without any character, above the header those without any text.
        trimmed: rows that lost empty cells beyond the last column.
        filled: rows that got empty cells.
    """

    def __init__(
        self, blocks: Iterator[bytes], delimiter: str, *, encoding: str, valid: bool, fill_short_rows: bool = False
    ) -> None:
        self.rejects: list[Reject] = []
        self.blank = self.trimmed = self.filled = 0
        self._blocks = blocks
        self._delimiter = delimiter.encode("ascii")
        self._no_text = f"it holds bytes that are not {encoding}"
        self._valid = valid
        self._fill = fill_short_rows
        self._data = b""
        self._at = 0  # where the first unread row begins
        self._final = False
        self._line = 1  # of the position _counted
        self._counted = 0

    def header(self, least: int = 1) -> list[str] | None:
        """The cells of the first row with at least ``least`` of them, as text; None if there is no such row.

        Rows above it are rejected, blank ones skipped.
        """
        while True:
            row = self._cut()
            if row is None:
                return None
            cells, begin, why = row
            if why:
                self._reject(begin, self._at, why)
            elif not any(plain_cell(cell).strip(b" \t,;|") for cell in cells):
                self.blank += 1
            elif len(cells) < least:
                self._reject(begin, self._at, "it stands above the header")
            elif not self._is_text(b"".join(cells)):
                self._reject(begin, self._at, self._no_text)
            else:
                return [plain_cell(cell).decode("utf-8") for cell in cells]

    def blocks(self, expected: int) -> Iterator[bytes]:
        """All further rows with the expected number of cells, as correct text with a line feed at the end.

        Args:
            expected: number of cells, >= 1.
        """
        window = BLOCK
        pieces: list[bytes] = []
        size = 0
        while self._at < len(self._data) or not self._final:
            while not self._final and len(self._data) - self._at < window:
                self._more()
            stop = min(self._at + window, len(self._data))
            final = self._final and stop == len(self._data)
            rows = scan_rows(self._data, self._at, stop, self._delimiter[0], final=final)
            found = self._good(rows, expected)
            self._at = rows.next
            if rows.broken or (not len(rows.begin) and window > _LONGEST):
                found += self._carefully(expected)
                window = _NARROW
            else:
                window = min(window * 2, BLOCK) if len(rows.begin) else window * 2
            pieces += found
            size += sum(map(len, found))
            if size >= BLOCK:
                yield b"".join(pieces)
                pieces, size = [], 0
        if size:
            yield b"".join(pieces)

    def _good(self, rows: Rows, expected: int) -> list[bytes]:
        """The text of scanned rows, those that do not fit settled one by one."""
        blank = rows.begin == rows.end
        self.blank += int(blank.sum())
        no_text = self._not_text(rows)
        odd = np.flatnonzero(((rows.cells != expected) & ~blank) | no_text)
        pieces = []
        first = 0
        for row in odd.tolist():
            begin, end = int(rows.begin[row]), int(rows.end[row])
            pieces.append(self._data[int(rows.begin[first]) : begin])
            if no_text[row]:
                self._reject(begin, end, self._no_text)
            else:
                pieces.append(self._settled(self._data[begin:end], int(rows.cells[row]), begin, end, expected))
            first = row + 1
        if first < len(blank):
            pieces.append(self._data[int(rows.begin[first]) : rows.next])
            if not pieces[-1].endswith((b"\n", b"\r")):
                pieces.append(b"\n")
        return [piece for piece in pieces if piece]

    def _settled(self, text: bytes, cells: int, begin: int, end: int, expected: int) -> bytes:
        """A row with the wrong number of cells brought to the right one, or nothing if that cannot be."""
        over = cells - expected
        if over > 0 and text.endswith(self._delimiter * over):
            self.trimmed += 1
            return text[:-over] + b"\n"
        if over < 0 and self._fill:
            self.filled += 1
            return text + self._delimiter * -over + b"\n"
        self._reject(begin, end, f"it has {cells} {'cell' if cells == 1 else 'cells'} instead of {expected}")
        return b""

    def _carefully(self, expected: int) -> list[bytes]:
        """Some rows read one by one."""
        pieces = []
        for _ in range(_CAREFUL):
            row = self._cut()
            if row is None:
                break
            cells, begin, why = row
            text = self._delimiter.join(cells)
            if why:
                self._reject(begin, self._at, why)
            elif not text:
                self.blank += 1
            elif not self._is_text(text):
                self._reject(begin, self._at, self._no_text)
            elif len(cells) == expected:
                pieces += [text, b"\n"]
            else:
                pieces.append(self._settled(text, len(cells), begin, self._at, expected))
        return pieces

    def _cut(self) -> tuple[list[bytes], int, str] | None:
        """Read one row: its cells, where it begins and why it cannot be read; None at the end."""
        while True:
            if self._at < len(self._data):
                long = len(self._data) - self._at > _LONGEST
                row = cut_row(self._data, self._at, self._delimiter, final=self._final or long)
                if row is not None and long and not row.broken and row.next == len(self._data):
                    raise UserError(
                        f"the row on line {self._line_of(self._at)} is longer than {_LONGEST >> 20} MiB; is the file "
                        "a table of text at all?"
                    )
                if row is not None:
                    begin, self._at = self._at, row.next
                    return row.cells, begin, row.broken
            if self._final:
                return None
            self._more()

    def _more(self) -> None:
        self._line = self._line_of(self._at)
        block = next(self._blocks, None)
        self._final = block is None
        self._data = self._data[self._at :] + (block or b"")
        self._at = self._counted = 0

    def _line_of(self, position: int) -> int:
        """Number of the line that begins at a position not before that of the last call."""
        span = self._counted, position
        data = self._data
        self._line += data.count(b"\n", *span) + data.count(b"\r", *span) - data.count(b"\r\n", *span)
        self._counted = position
        return self._line

    def _reject(self, begin: int, end: int, why: str) -> None:
        text = self._data[begin:end].decode("utf-8", "backslashreplace").rstrip("\r\n")
        self.rejects.append(Reject(self._line_of(begin), why, text))

    def _is_text(self, text: bytes) -> bool:
        return self._valid or _first_not_text(text, 0, len(text)) is None

    def _not_text(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows hold bytes that are no text."""
        broken = np.zeros(len(rows.begin), dtype=bool)
        if self._valid or not len(broken):
            return broken
        at = int(rows.begin[0])
        while (wrong := _first_not_text(self._data, at, rows.next)) is not None:
            row = int(np.searchsorted(rows.begin, wrong, side="right")) - 1
            broken[row] = True
            at = int(rows.end[row])
        return broken


def _first_not_text(data: bytes, start: int, stop: int) -> int | None:
    try:
        codecs.utf_8_decode(memoryview(data)[start:stop], "strict", True)
    except UnicodeDecodeError as error:
        return start + error.start
    return None
