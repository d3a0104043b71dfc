"""Which tables a word on the command line means, and of what form each is."""

from __future__ import annotations

import difflib
import glob
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import UserError
from domains.tables.data.byte_stream import file_head
from domains.tables.data.database import DatabaseAddress
from domains.tables.data.embedded.load import EMBEDDED, embedded_files

__all__ = ["Location", "file_kind", "locate", "unique_names"]

FileKind = Literal["text", "json", "parquet", "excel"]
_COMPRESSED = (".gz", ".zst", ".bz2")
_TEXT = (".csv", ".tsv", ".tab", ".txt", ".psv")
_JSON = (".jsonl", ".ndjson", ".json")
_TABLES = (*_TEXT, *_JSON, ".parquet", ".xlsx", ".xlsm")
_NO_TABLE = {
    b"\xd0\xcf\x11\xe0": "an old or protected Office file; save it as .xlsx without a password",
    b"%PDF": "a PDF; export its table as CSV",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"ARROW1": "an Arrow file; save it as Parquet",
}


@dataclass(frozen=True)
class Location:
    """One table to read.

    Attributes:
        spec: the word for it, which `locate` takes again.
        path: the file.
        database: where in a database, if it is one.
        sheet: of a workbook, if one was named.
    """

    spec: str
    path: Path
    database: DatabaseAddress | None = None
    sheet: str | None = None

    @classmethod
    def of(cls, spec: str) -> Location:
        """A file or an address of a database, whether or not there is anything.

        Args:
            spec: the word for it.

        Raises:
            UserError: an address that is none.
        """
        if "://" in spec:
            address = DatabaseAddress.parse(spec)
            return cls(spec, address.path, address)
        return cls(spec, Path(spec).expanduser())


def locate(spec: str | Path) -> list[Location]:
    """All tables that a file, a folder, a wildcard or an address of a database means, sorted by path.

    A folder means the files in it with the endings of tables (.csv, .tsv, .tab, .txt, .psv, .jsonl, .ndjson, .json,
    the same with .gz, .zst or .bz2, .parquet, .xlsx, .xlsm), not those of its sub-folders, and no hidden ones. A file
    that exists wins over a wildcard, and files and folders over the name of an embedded set.

    Args:
        spec: see `domains.tables.data.read.read_source`.

    Raises:
        UserError: there is nothing there; the message has the nearest names.
    """
    text = str(spec)
    if not text.strip():
        raise UserError("the name of a table is empty; name a file, a folder or a database")
    place = Location.of(text)
    path = place.path
    if place.database is not None:
        if not path.is_file():
            raise _missing(path)
        return [place]
    if path.is_file():
        return [_file(path)]
    if path.is_dir():
        found = [one for one in sorted(path.iterdir()) if one.is_file() and _is_table(one)]
        if not found:
            raise UserError(f"{path} holds no tables ({', '.join(_TABLES)})")
        return [_file(one) for one in found]
    book = re.fullmatch(r"(.+)\?sheet=(.+)", text, re.DOTALL)
    if book is not None:
        path = Path(book[1]).expanduser()
        if not path.is_file():
            raise _missing(path)
        return [Location(text, path, sheet=book[2])]
    if glob.has_magic(text):
        found = sorted(Path(one) for one in glob.glob(str(path), recursive=True) if Path(one).is_file())
        if not found:
            raise UserError(f"no file fits {text!r}")
        return [_file(one) for one in found]
    if text in EMBEDDED:
        return [_file(one) for one in embedded_files(text)]
    raise _missing(path)


def file_kind(path: Path) -> FileKind:
    """The form of a file, by its first bytes, then by its ending; what nothing speaks for is delimited text.

    Raises:
        UserError: a file that is no table, or not what its ending says.
    """
    start = file_head(path, 64)
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    ending = endings[-1] if endings else ""
    for magic, what in _NO_TABLE.items():
        if start.startswith(magic):
            raise UserError(f"{path} is {what}")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise UserError(f"{path} is a web page (was the download refused?); save the table itself")
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"PK\x03\x04"):
        if ending not in (".xlsx", ".xlsm") and ending not in _TEXT:
            raise UserError(f"{path} is a zip archive; unpack it and name the tables in it")
        return "excel"
    if ending == ".parquet" or ending in (".xlsx", ".xlsm", ".xls"):
        form = "Parquet file" if ending == ".parquet" else "Excel workbook"
        raise UserError(f"{path} is no {form}, whatever its ending says{'; it is empty' if not start else ''}")
    return "json" if ending in _JSON else "text"


def unique_names(places: Sequence[Location | str]) -> list[str]:
    """A name for each table, short and all different: that of the file without its ending, else with it or its folder.

    Args:
        places: what is read together; of what has no place, the name it has.
    """
    choices = [_names(place) for place in places]
    level = [0] * len(places)
    while True:
        names = [choice[min(at, len(choice) - 1)] for choice, at in zip(choices, level, strict=True)]
        twice = {name for name, count in Counter(names).items() if count > 1}
        longer = [i for i, name in enumerate(names) if name in twice and level[i] < len(choices[i]) - 1]
        if not longer:
            return _numbered(names)
        for i in longer:
            level[i] += 1


def _names(place: Location | str) -> list[str]:
    """Names of a table, from short to long."""
    if isinstance(place, str):
        return [place]
    full = place.path.name
    stem = full
    while Path(stem).suffix.lower() in (*_COMPRESSED, *_TABLES, ".db", ".duckdb", ".sqlite", ".sqlite3"):
        stem = Path(stem).stem
    part = place.sheet or (place.database.table if place.database else None)
    short = [part, f"{stem}_{part}"] if part else [stem]
    folders = [parent.name for parent in place.path.absolute().parents if parent.name]
    tail = f"_{part}" if part else ""
    longer = ["_".join(reversed([full + tail, *folders[:depth]])) for depth in range(1, len(folders) + 1)]
    return [*short, full + tail, *longer]


def _numbered(names: list[str]) -> list[str]:
    """The second source of a name gets ``_2``, and so on."""
    taken = set(names)
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        number = seen[name]
        while number > 1 and f"{name}_{number}" in taken:
            number += 1
        unique.append(name if number == 1 else f"{name}_{number}")
        taken.add(unique[-1])
    return unique


def _file(path: Path) -> Location:
    start = file_head(path, 64)
    if start.startswith(b"SQLite format 3\0"):
        return Location(f"sqlite:///{path}", path, DatabaseAddress("sqlite", path))
    if start[8:12] == b"DUCK":
        return Location(f"duckdb:///{path}", path, DatabaseAddress("duckdb", path))
    return Location(str(path), path)


def _is_table(path: Path) -> bool:
    name = path.name.lower()
    if name.startswith((".", "~$")):  # hidden, or the lock of an open workbook
        return False
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return name.endswith(_TABLES)


def _missing(path: Path) -> UserError:
    folder = path.parent
    if not folder.is_dir():
        return UserError(f"there is no folder {folder}, so no {path.name} in it")
    there = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    near = difflib.get_close_matches(path.name, there, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the folder has {len(there)} other entries"
    return UserError(f"there is no file {path}; {hint}")
