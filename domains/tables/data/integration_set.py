"""Several tables to integrate, with the tables that should come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.errors import UserError
from domains.tables.data.read import Source, read_source

__all__ = ["IntegrationSet", "read_integration"]

_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx")
_REFERENCE = ("gold", "result", "truth", "expected", "clean")


@dataclass(frozen=True, eq=False)
class IntegrationSet:
    """Inputs and references.

    Attributes:
        sources: the tables to integrate.
        references: tables to compare with, by file name without ending; their column names may differ.
        name: shown to people.
    """

    sources: tuple[Source, ...]
    references: Mapping[str, pd.DataFrame]
    name: str = "tables"


def read_integration(
    folder: str | Path, *, inputs: tuple[str, ...] = (), references: tuple[str, ...] = ()
) -> IntegrationSet:
    """Read a folder of tables.

    Args:
        folder: with CSV, Parquet, JSONL or Excel files.
        inputs: files to integrate; by default all that are no references.
        references: files to compare with; by default those with gold, result, truth, expected or clean in their names,
            as a word.

    Raises:
        UserError: no such folder or file, or nothing to integrate.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder")
    found = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _TABLES)
    known = [name for name in found if set(Path(name).stem.lower().replace("-", "_").split("_")) & set(_REFERENCE)]
    compared = list(references or known)
    integrated = list(inputs or (name for name in found if name not in compared))
    if not integrated:
        raise UserError(f"{folder} holds no tables to integrate ({', '.join(_TABLES)})")
    for name in (*integrated, *compared):
        if not (folder / name).is_file():
            raise UserError(f"{folder} has no file {name}; it has {', '.join(found)}")
    return IntegrationSet(
        tuple(read_source(str(folder / name)) for name in integrated),
        {Path(name).stem: read_source(str(folder / name)).frame for name in compared},
        folder.name,
    )
