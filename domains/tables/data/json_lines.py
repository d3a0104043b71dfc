"""JSON lines, and arrays of JSON objects, as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.errors import UserError
from domains.tables.data.byte_stream import utf8_blocks
from domains.tables.data.columns_of_text import text_frame
from domains.tables.data.encoding import guess_encoding
from domains.tables.data.headers import unique_headers
from domains.tables.data.source import Reject, Source, reject_frame

__all__ = ["read_json_lines"]

_ROWS = 50_000  # that wait as Python objects


class _Number(str):
    """The digits of a number as they stand in the file."""

    __slots__ = ()


def read_json_lines(path: Path, name: str, *, encoding: str | None = None) -> Source:
    """Read one JSON object a line, or one array of objects.

    Keys are columns, in the order of their first appearance; a key that an object lacks is missing in its row, as are
    null, empty text and blanks. Numbers keep their digits (1.50 stays 1.50), true and false are text, lists and objects
    stay JSON. What is no object, or names a key twice, is rejected.

    Args:
        path: the file, compressed or not.
        name: of the source.
        encoding: None guesses it.

    Raises:
        UserError: nothing in the file, an array that is no JSON, or no row that can be read.
    """
    code = guess_encoding(path, encoding)
    rejects: list[Reject] = []
    lines = _lines(utf8_blocks(path, code.value))
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        raise UserError(f"{path} is empty; give a file with one JSON object a line, or take it away")
    if first[1].lstrip().startswith(b"["):
        rows: Iterator[dict[str, Any]] = _of_array(path, first[1], lines, rejects)
    else:
        rows = _of_lines(chain((first,), lines), rejects)
    builder = _Columns()
    for row in rows:
        builder.add(row)
    names, columns = builder.finished()
    if rejects and not builder.rows:
        raise UserError(
            f"{path}: none of its {len(rejects)} rows can be read (line {rejects[0].line}: {rejects[0].reason}); "
            "give a file with one JSON object a line"
        )
    if not names:
        raise UserError(f"{path}: its objects have no keys, so there are no columns; give a table, or take it away")
    unique, notes = unique_headers(names)
    frame = text_frame(unique, columns)
    return Source(name, frame, reject_frame(rejects), {"encoding": code}, tuple(notes), str(path))


class _Columns:
    """Columns of text that grow with every row."""

    def __init__(self) -> None:
        self.rows = 0
        self._waiting: list[dict[str, str | None]] = []
        self._names: dict[str, list[pa.Array]] = {}
        self._done = 0

    def add(self, row: dict[str, str | None]) -> None:
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) == _ROWS:
            self._flush()

    def finished(self) -> tuple[list[str], list[pa.ChunkedArray]]:
        self._flush()
        return list(self._names), [pa.chunked_array(chunks, pa.large_string()) for chunks in self._names.values()]

    def _flush(self) -> None:
        fresh = dict.fromkeys(key for row in self._waiting for key in row)
        for key in fresh:
            if key not in self._names:
                self._names[key] = [pa.nulls(self._done, pa.large_string())]
        for key, chunks in self._names.items():
            chunks.append(pa.array([row.get(key) for row in self._waiting], pa.large_string()))
        self._done += len(self._waiting)
        self._waiting = []


def _lines(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; only a line feed ends one, for JSON text may hold other separators."""
    number = count(1)
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield next(number), line
    if rest:
        yield next(number), rest


def _of_lines(lines: Iterable[tuple[int, bytes]], rejects: list[Reject]) -> Iterator[dict[str, str | None]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield _row(_decode(line))
        except _UnreadableError as error:
            rejects.append(Reject(number, str(error), line.decode("utf-8", "backslashreplace").rstrip("\r")))


def _of_array(
    path: Path, first: bytes, rest: Iterable[tuple[int, bytes]], rejects: list[Reject]
) -> Iterator[dict[str, str | None]]:
    try:
        items = _decode(b"\n".join((first, *(line for _, line in rest))))
    except _UnreadableError as error:
        raise UserError(f"{path} is not a JSON array: {error}; give one JSON object a line") from error
    for number, item in enumerate(items, 1):
        try:
            yield _row(item)
        except _UnreadableError as error:
            rejects.append(Reject(number, str(error), _dump(item)))


class _UnreadableError(ValueError):
    """Why a row is rejected."""


def _decode(text: bytes) -> Any:
    try:
        return json.loads(
            text.decode("utf-8"),
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_Number,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise _UnreadableError("it holds bytes that are not in the encoding") from error
    except json.JSONDecodeError as error:
        raise _UnreadableError(f"it is not JSON: {error.msg}, character {error.pos + 1}") from error
    except RecursionError as error:
        raise _UnreadableError("it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _UnreadableError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return made


def _row(item: Any) -> dict[str, str | None]:
    if not isinstance(item, dict):
        raise _UnreadableError("it is no object of keys and values")
    row = {key: _text(value) for key, value in item.items()}
    try:
        "".join(filter(None, (*row, *row.values()))).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _UnreadableError("it holds half of a surrogate pair") from error
    return row


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return _dump(value)


def _dump(value: Any) -> str:
    """JSON with the digits of the file."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_dump(key)}: {_dump(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
