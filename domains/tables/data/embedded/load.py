"""Reads the embedded tables; no download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import unknown_name

if TYPE_CHECKING:
    import pandas as pd

    from domains.tables.data.source import Source

__all__ = ["EMBEDDED", "embedded_files", "load_embedded", "load_gold"]

EMBEDDED = {"libraries": "synthetic: four messy lists of invented libraries, bookshops and museums in twelve towns"}
_SOURCES = {"libraries": ("register.csv", "tourism.csv", "map.jsonl", "volunteers.tsv")}


def load_embedded(name: str = "libraries") -> tuple[list[Source], pd.DataFrame]:
    """The sources of an embedded set, and which row tells of which thing.

    ``libraries``: register.csv (UTF-8 with a byte-order mark, commas), tourism.csv (Windows 1252, semicolons, one
    broken line), map.jsonl, volunteers.tsv (UTF-16, quoted line ends); other column names in each, typos,
    abbreviations, missing cells, conflicting values, a few duplicates within one list, branches of chains in one town,
    one name in many towns. `domains.tables.data.embedded.make` makes them.

    Args:
        name: one of `EMBEDDED`.

    Returns:
        The sources, and a row for each of their rows: ``source`` (name), ``row`` (from 0), ``entity`` (int64).

    Raises:
        UserError: another name.
    """
    import pandas as pd

    from domains.tables.data.read import read_sources

    truth = pd.read_csv(_folder(name) / "truth.csv", dtype={"source": "string", "row": "int64", "entity": "int64"})
    return read_sources(embedded_files(name)), truth


def embedded_files(name: str) -> list[Path]:
    """The files of the sources of an embedded set.

    Args:
        name: one of `EMBEDDED`.
    """
    return [_folder(name) / file for file in _SOURCES[name]]


def load_gold(name: str = "libraries") -> pd.DataFrame:
    """The true values: one row of text for each entity of `load_embedded`, in their order, under ``entity``.

    Args:
        name: one of `EMBEDDED`.
    """
    from domains.tables.data.read import read_source

    return read_source(_folder(name) / "gold.csv").frame


def _folder(name: str) -> Path:
    if name not in EMBEDDED:
        raise unknown_name("embedded set of tables", name, EMBEDDED)
    return Path(__file__).parent / name
