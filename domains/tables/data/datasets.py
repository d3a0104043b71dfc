"""Benchmark sets by name, and any other set by its form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.data import DataSet, catalogue, fetch
from core.errors import UserError, unknown_name
from domains.tables.data.claims import Claims, read_claims
from domains.tables.data.integration_set import IntegrationSet, read_integration
from domains.tables.data.labelled import LabelledTable, read_clusters
from domains.tables.data.pair_set import PairSet, is_ditto, read_ditto, read_pairs
from domains.tables.data.read import read_source
from domains.tables.data.roles import find_role

__all__ = ["BenchmarkSet", "dataset_names", "read_dataset"]

BenchmarkSet = LabelledTable | PairSet | Claims | IntegrationSet


def dataset_names() -> list[str]:
    """Names that `read_dataset` knows: the sets of the catalogue, some of them cut down."""
    return sorted(_sets())


def read_dataset(name_or_path: str | Path) -> BenchmarkSet:
    """Read a set with its truth.

    A path is read by its form:

    - a table with a column of clusters: `LabelledTable`, see `domains.tables.data.labelled.read_clusters`;
    - a table with columns ``left_*``, ``right_*`` and a label, or Ditto's text lines (a file or a folder of train.txt,
      valid.txt and test.txt): `PairSet`, see `domains.tables.data.pair_set`;
    - a table with a column of sources, or a folder with one file called dirty and one called clean: `Claims`, see
      `domains.tables.data.claims.read_claims`;
    - any other folder of tables: `IntegrationSet`, see `domains.tables.data.integration_set.read_integration`.

    Where a column has an unusual name, call the reader of the form and name it.

    Args:
        name_or_path: one of `dataset_names`, or a path. A path that exists wins over a name only if it holds a slash or
            a suffix.

    Raises:
        UserError: no such name or path, or a form that is none of these.
        OperationError: a download failed.
    """
    text = str(name_or_path)
    plain = text.removeprefix("tables/")
    path = Path(text)
    if "/" not in plain and "\\" not in plain and not path.suffix:
        sets = _sets()
        if plain in sets:
            return _from_catalogue(*sets[plain])
    if not path.exists():
        raise unknown_name("data set (there is no such path either)", text, _sets())
    return _by_form(path)


def _sets() -> dict[str, tuple[DataSet, dict[str, Any]]]:
    return {
        one["name"]: (entry, one)
        for entry in catalogue()
        if entry.domain == "tables"
        for one in entry.facts.get("sets", ())
    }


def _from_catalogue(entry: DataSet, one: dict[str, Any]) -> BenchmarkSet:
    folder = fetch(f"tables/{entry.name}")
    if one["form"] == "clusters":
        return read_clusters(folder / one["file"], columns=tuple(one.get("columns", ())))
    if one["form"] == "pairs":
        return read_pairs(folder / one["file"])
    if one["form"] == "claims":
        return read_claims(folder / one["file"], folder / one["truth"], entity=one["entity"])
    return read_integration(folder, inputs=tuple(one["inputs"]), references=tuple(one["references"]))


def _by_form(path: Path) -> BenchmarkSet:
    if is_ditto(path):
        return read_ditto(path)
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.is_file()]
        dirty, clean = ([file for file in files if word in file.stem.lower()] for word in ("dirty", "clean"))
        if len(dirty) == len(clean) == 1:
            return read_claims(dirty[0], clean[0])
        return read_integration(path)
    columns = [str(column) for column in read_source(str(path)).frame.columns]
    if all(any(c.startswith(side) for c in columns) for side in ("left_", "right_")):
        return read_pairs(path)
    if find_role(columns, "cluster"):
        return read_clusters(path)
    if find_role(columns, "source"):
        return read_claims(path)
    raise UserError(
        f"{path} has no column of clusters, none of sources and no left_* and right_*, so nothing says what is true; "
        f"it has {', '.join(columns)}. Call read_clusters, read_claims or read_pairs and name the column"
    )
