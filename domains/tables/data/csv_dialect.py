"""The delimiter of a text table, told from its first rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.data.csv_cells import cut_row
from domains.tables.data.source import Guess

__all__ = ["DELIMITERS", "Dialect", "guess_dialect"]

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_NONE = "\x1f"  # ASCII's unit separator, which text does not hold
_ROWS = 1000
_CELLS = 50_000
_LEAST = 0.16  # below it the text has one column; "Last, first" on every line but the first reaches 0.15


@dataclass(frozen=True)
class Dialect:
    """How the cells of a row are told apart.

    Attributes:
        delimiter: one character.
        guess: the same with its reasons.
        header_cells: least number of cells of the first row of the table; rows above it are titles.
        hint: whether the first line only names the delimiter, as spreadsheet programs do (``sep=;``).
    """

    delimiter: str
    guess: Guess
    header_cells: int = 1
    hint: bool = False


def guess_dialect(path: Path, sample: bytes, *, final: bool, given: str | None = None) -> Dialect:
    """Tell the delimiter: the one by which most rows have the same number of cells, and the first row too.

    Args:
        path: of the file; ``.tsv`` and ``.tab`` speak for the tab.
        sample: the start of the text as UTF-8.
        final: whether that is all of it.
        given: the delimiter by a person's word.

    Raises:
        UserError: a delimiter that cannot be one.
    """
    if given is not None:
        if len(given) != 1 or not given.isascii() or given in '"\r\n\0':
            raise UserError(f"{path}: a delimiter is one ASCII character and no quote or line end, got {given!r}")
        return Dialect(given, Guess(given, 1.0, "it was given"))
    hint = re.match(rb"\"?sep=([^\r\n\"])\"?(\r\n|\r|\n)", sample, re.IGNORECASE)
    if hint is not None and hint[1].decode("latin-1") in DELIMITERS:
        delimiter = hint[1].decode("ascii")
        return Dialect(delimiter, Guess(delimiter, 1.0, "line 1 says so"), hint=True)
    found = [_Candidate(delimiter, _cell_counts(sample, delimiter, final)) for delimiter in DELIMITERS]
    best = max(found, key=lambda one: (one.score, one.delimiter == "\t" and _tabs(path)))
    if _tabs(path) and found[2].usual > 1:
        best = found[2]
    if best.score < _LEAST:
        why = "no delimiter cuts the rows into the same number of cells, so each line is one cell"
        return Dialect(_NONE, Guess("none", round(1 - best.score, 3), why))
    title = best.first == 1 and best.usual > 2
    why = f"{best.share:.0%} of the first rows have {best.usual} cells by it"
    return Dialect(best.delimiter, Guess(best.delimiter, round(best.share, 3), why), best.usual if title else 1)


def _tabs(path: Path) -> bool:
    return any(suffix.lower() in (".tsv", ".tab") for suffix in path.suffixes)


class _Candidate:
    def __init__(self, delimiter: str, counts: NDArray[np.int64]) -> None:
        self.delimiter = delimiter
        self.first = int(counts[0]) if len(counts) else 1
        values, times = np.unique(counts, return_counts=True)
        most = values[times == times.max()] if len(values) else np.array([1])
        self.usual = self.first if self.first in most else int(most.max())
        self.share = float((counts == self.usual).mean()) if len(counts) else 0.0

    @property
    def score(self) -> float:
        """In [0, 1): rows alike, the first row among them, many columns."""
        if self.usual == 1:
            return 0.0
        fit = 1.0 if self.first == self.usual else 0.3 if (self.first, self.usual) == (1, 2) else 0.5
        return self.share * (1 - 1 / self.usual) * fit


def _cell_counts(sample: bytes, delimiter: str, final: bool) -> NDArray[np.int64]:
    """Cells of each of the first rows that are not blank; rows that cannot be read are left out."""
    counts: list[int] = []
    at = cells = 0
    while at < len(sample) and len(counts) < _ROWS and cells < _CELLS:
        row = cut_row(sample, at, delimiter.encode("ascii"), final=final)
        if row is None:
            break
        if row.cells and row.cells != [b""]:
            counts.append(len(row.cells))
        cells += max(len(row.cells), 1)
        at = row.next
    return np.array(counts, dtype=np.int64)
