"""Converters from public raw files to the prepared CSV and Parquet form; named in the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.atomic import atomic_write
from core.errors import UserError
from domains.tables.data.pair_set import ditto_frame

__all__ = [
    "convert_chicago",
    "convert_citations",
    "convert_claims",
    "convert_pairs",
    "convert_persons",
    "convert_text_table",
]

# names and mail addresses of persons, and two columns without a meaning
_DROPPED = ("Director", "Executive Director", "Center Director", "Email Address", "Column", "Column2")
_RENAMED = {"True Id": "cluster_id", "Id": "record_id", "Source": "source"}


def _raw_name(prepared: str) -> str:
    """Name under which the raw file of a prepared one is kept beside it."""
    return f"raw_{prepared}"


def convert_text_table(folder: Path, target: Path) -> None:
    """A CSV whose cells are text, written again with one kind of quotes and line ends."""
    _write(target, _text(folder / _raw_name(target.name)))


def convert_chicago(folder: Path, target: Path) -> None:
    """The early childhood sites, without the columns that name persons."""
    frame = _text(folder / _raw_name(target.name))
    _write(target, frame.drop(columns=[c for c in _DROPPED if c in frame]).rename(columns=_RENAMED))


def convert_citations(folder: Path, target: Path) -> None:
    """The citations with their clusters: connected components of the true pairs, numbered by their smallest id."""
    frame = _text(folder / _raw_name(target.name), sep="|")
    frame = frame[[c for c in frame if not str(c).startswith("Unnamed")]]
    ids = frame["Entity Id"].astype(np.int64)
    pairs = _text(folder / "raw_cora_gt.csv", sep="|", header=None).iloc[:, :2].astype(np.int64)
    position = pd.Index(np.sort(ids.to_numpy()))
    ends = [position.get_indexer(pd.Index(pairs[column])) for column in pairs]
    if min(int(end.min(initial=0)) for end in ends) < 0:
        raise UserError(f"{folder / 'raw_cora_gt.csv'} names a row that {_raw_name(target.name)} does not have")
    graph = coo_array((np.ones(len(pairs)), (ends[0], ends[1])), shape=(len(ids), len(ids)))
    component = connected_components(graph, directed=False)[1]  # numbered by first row, which is the smallest id
    frame["cluster_id"] = component[position.get_indexer(pd.Index(ids))]
    _write(target, frame)


def convert_persons(folder: Path, target: Path) -> None:
    """The FEBRL persons: blanks after commas skipped; the cluster is N of ``rec-N-org`` and ``rec-N-dup-k``."""
    raw = folder / _raw_name(f"{target.stem}.csv")
    frame = _text(raw, skipinitialspace=True)
    frame.columns = [str(column).strip() for column in frame.columns]
    frame = frame.apply(lambda column: column.str.strip())
    number = frame["rec_id"].str.extract(r"^rec-(\d+)-")[0]
    if number.isna().any():
        raise UserError(
            f"{raw}: row {int(number.isna().argmax()) + 1} has no rec_id of the form rec-N-org or rec-N-dup-k"
        )
    _write(target, frame.assign(cluster_id=number.astype(np.int64)))


def convert_claims(folder: Path, target: Path) -> None:
    """The flights: the claims in their own order, the clean rows in that of the claims."""
    dirty = _text(folder / "raw_flights_dirty.csv")
    if target.stem.endswith("dirty"):
        return _write(target, dirty)
    keys = ["src", "flight"]
    clean = _text(folder / "raw_flights_clean.csv")
    return _write(target, dirty[keys].merge(clean, on=keys, how="left")[list(dirty.columns)])


def convert_pairs(folder: Path, target: Path) -> None:
    """One pair set of ER-Magellan from Ditto's text lines; the parts in the order train, valid, test."""
    parts = {part: folder / f"raw_{target.stem}_{part}.txt" for part in ("train", "valid", "test")}
    there = {part: path for part, path in parts.items() if path.is_file()}
    if not there:
        raise UserError(f"{folder} has none of {', '.join(path.name for path in parts.values())}")
    frame = pd.concat([ditto_frame(path, part) for part, path in there.items()], ignore_index=True)
    _write(target, frame.assign(label=frame["label"].astype(np.int64)))


def _text(path: Path, **options: object) -> pd.DataFrame:
    """Every cell as text, empty ones missing."""
    frame: pd.DataFrame = pd.read_csv(  # type: ignore[call-overload]
        path, dtype="str", keep_default_na=False, na_values=[""], encoding="utf-8", **options
    )
    return frame


def _write(target: Path, frame: pd.DataFrame) -> None:
    if target.suffix == ".csv":
        with atomic_write(target, "wb") as file:
            file.write(frame.to_csv(index=False, lineterminator="\n").encode("utf-8"))
        return
    fields = [pa.field(str(name), _arrow_type(frame[name])) for name in frame.columns]
    arrays: Iterable[pa.Array] = (pa.array(frame[f.name], type=f.type, from_pandas=True) for f in fields)
    with atomic_write(target, "wb") as file:
        parquet.write_table(pa.Table.from_arrays(list(arrays), schema=pa.schema(fields)), file, compression="zstd")


def _arrow_type(column: pd.Series) -> pa.DataType:
    return pa.int64() if pd.api.types.is_integer_dtype(column.dtype) else pa.large_string()
