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

__all__ = ["read_records", "write_records"]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads((files("core.reporting") / "schema.json").read_text(encoding="utf-8")))


def write_records(records: Iterable[ResultRecord], path: str | Path) -> None:
    """Write records as one JSON list.

    Args:
        records: what to write.
        path: the file, replaced if it exists.

    Raises:
        ValueError: a record breaks the schema; nothing is written.
        OperationError: the file cannot be written.
    """
    rows = json.loads(json.dumps([record.to_json() for record in records]))
    for row in rows:
        problem = next(_validator().iter_errors(row), None)
        if problem is not None:
            raise ValueError(f"record {row.get('system')!r}: {problem.json_path}: {problem.message}")
    with atomic_write(path) as file:
        json.dump(rows, file, indent=1)
        file.write("\n")


def read_records(path: str | Path) -> list[ResultRecord]:
    """Read one file, or every ``*.json`` below a folder in the order of their names.

    Raises:
        UserError: nothing there, not JSON, or not a list of records; the message names file and field.
    """
    path = Path(path)
    paths = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not paths:
        raise UserError(f"{path} holds no .json file with results; run counterpoint bench --out {path} first")
    return [record for one in paths for record in _read_file(one)]


def _read_file(path: Path) -> list[ResultRecord]:
    try:
        rows: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(rows, list):
        raise UserError(f"{path} must hold a list of result records, got {type(rows).__name__}")
    records = []
    for number, row in enumerate(rows):
        problem = next(_validator().iter_errors(row), None)
        if problem is not None:
            raise UserError(f"{path}: record {number}: {problem.json_path}: {problem.message}")
        published = None if row["published"] is None else Published(**row["published"])
        tuples = {"values": tuple(row["values"]), "seeds": tuple(row["seeds"])}
        records.append(ResultRecord(**{**row, **tuples, "published": published}))
    return records
