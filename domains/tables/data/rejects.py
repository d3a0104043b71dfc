"""The reject file: every row that could not be read, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from domains.tables.data.export import write_table
from domains.tables.data.source import Source

__all__ = ["write_rejects"]


def write_rejects(sources: Sequence[Source], path: str | Path) -> int:
    """Write the rejected rows of all sources as one table: ``file``, ``line``, ``reason``, ``text``.

    It is written too if nothing was rejected, so that an old list does not stand for a new run. Formulas are guarded as
    in `domains.tables.data.export.write_table`.

    Args:
        sources: in the order of the list.
        path: a file with an ending that `write_table` knows.

    Returns:
        Number of rows.

    Raises:
        OperationError: the file cannot be written.
    """
    parts = [source.rejects.assign(file=source.origin) for source in sources]
    empty = Source("", pd.DataFrame()).rejects.assign(file="")
    frame = pd.concat(parts or [empty], ignore_index=True)[["file", "line", "reason", "text"]]
    write_table(frame.astype({"file": "string"}), path)
    return len(frame)
