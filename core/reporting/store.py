"""Result records on disk: written whole, checked against the schema when read."""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from core.atomic import atomic_write
from core.errors import UserError
from core.reporting.records import Published, ResultRecord

__all__ = ["outside_cells", "read_records", "write_records"]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads((files("core.reporting") / "schema.json").read_text(encoding="utf-8")))


def _problem(row: Any) -> str | None:
    """The first field that breaks the schema, and how; None if there is none."""
    error = next(_validator().iter_errors(row), None)
    if error is not None:
        return f"{error.json_path}: {error.message}"
    if len(row["values"]) != len(row["seeds"]):
        return f"$.values: {len(row['values'])} values of {len(row['seeds'])} seeds"
    if (row["mean"] is None) != (None in row["values"]):
        return f"$.mean: {row['mean']!r} is null where a value is, and only there; values are {row['values']}"
    return None


def write_records(records: Iterable[ResultRecord], path: str | Path) -> None:
    """Write records as one JSON list.

    Args:
        records: what to write.
        path: the file, replaced if it exists.

    Raises:
        ValueError: a record breaks the schema, or a number in it is not finite; nothing is written.
        OperationError: the file cannot be written.
    """
    rows = []
    for record in records:
        try:
            rows.append(json.loads(json.dumps(record.to_json(), allow_nan=False)))
        except ValueError as error:
            raise ValueError(f"record {record.system!r}: {error}") from error
        problem = _problem(rows[-1])
        if problem is not None:
            raise ValueError(f"record {record.system!r}: {problem}")
    with atomic_write(path) as file:
        json.dump(rows, file, indent=1)
        file.write("\n")


def read_records(path: str | Path) -> list[ResultRecord]:
    """Read one file, or every ``*.json`` below a folder in the order of their names.

    What a study keeps below ``cells/`` in order to go on is passed over.

    Raises:
        UserError: nothing there, not JSON, or not a list of records; the message names file and field.
    """
    path = Path(path)
    paths = outside_cells(path, "*.json") if path.is_dir() else [path]
    if not paths:
        raise UserError(f"{path} holds no .json file with results; run counterpoint bench --out {path} first")
    return [record for one in paths for record in _read_file(one)]


def outside_cells(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder that match, in the order of their names, without a study's private ``cells/``."""
    return sorted(p for p in folder.rglob(pattern) if "cells" not in p.relative_to(folder).parts)


def _read_file(path: Path) -> list[ResultRecord]:
    try:
        rows: Any = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(rows, list):
        raise UserError(f"{path} must hold a list of result records, got {type(rows).__name__}")
    records = []
    for number, row in enumerate(rows):
        problem = _problem(row)
        if problem is not None:
            raise UserError(f"{path}: record {number}: {problem}")
        published = None if row["published"] is None else Published(**row["published"])
        tuples = {"values": tuple(row["values"]), "seeds": tuple(row["seeds"])}
        records.append(ResultRecord(**{**row, **tuples, "published": published}))
    return records


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not a number in JSON")
