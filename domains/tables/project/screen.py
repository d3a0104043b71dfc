"""What the commands print: plain text for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["print_json", "print_rows"]


def print_json(content: Mapping[str, Any]) -> None:
    """Print one object on one line.

    Args:
        content: plain data.
    """
    print(json.dumps(content, ensure_ascii=False, default=str))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table, its columns as wide as their longest cell; numbers to the right.

    Args:
        columns: their headings.
        rows: the cells.
    """
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    right = [
        bool(cells) and all(row[i].replace(",", "").replace(".", "").isdigit() for row in cells)
        for i in range(len(columns))
    ]
    width = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
    for row in [list(columns), *cells]:
        shown = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, width, right, strict=True)]
        print("  ".join(shown).rstrip())
