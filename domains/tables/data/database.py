"""Tables of DuckDB and SQLite databases as text, read and never written."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote_plus

import pyarrow as pa

from core.errors import UserError, unknown_name
from domains.tables.data.columns_of_text import text_column, text_frame, text_of
from domains.tables.data.headers import unique_headers
from domains.tables.data.source import Guess, Reject, Source, reject_frame

__all__ = ["DatabaseAddress", "quoted", "read_database"]

_ROWS = 50_000
# what Arrow takes over exactly; other types are written by the database
_EXACT = re.compile(
    r"(VARCHAR|BOOLEAN|U?(TINY|SMALL|BIG)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*|DATE|TIMESTAMP(_S|_MS|_NS)?|BLOB)"
    r"|(STRUCT|MAP).*|.*\[\d*\]"
)
_ELSEWHERE = ("http", "https", "ftp", "s3", "gs", "az", "hdfs")


@dataclass(frozen=True)
class DatabaseAddress:
    """Where a table of a database is.

    Attributes:
        system: the kind of database.
        path: its file.
        table: name of a table or view, with its schema before a point where that is needed; None takes the only one.
        query: a SELECT instead of a table.
    """

    system: Literal["duckdb", "sqlite"]
    path: Path
    table: str | None = None
    query: str | None = None

    @classmethod
    def parse(cls, address: str) -> DatabaseAddress:
        """Read ``duckdb:///FILE?table=T`` or ``sqlite:///FILE?query=SELECT...``.

        After three slashes comes a path relative to the current folder, after four an absolute one; three do for an
        absolute one too if there is no such relative one. Names and queries are taken as they are; a query without any
        white space is decoded as in addresses of web pages.

        Raises:
            UserError: another system, no path, or an option that is not known.

        >>> DatabaseAddress.parse("duckdb:///x.db?table=t")
        DatabaseAddress(system='duckdb', path=PosixPath('x.db'), table='t', query=None)
        """
        if address.partition("://")[0].lower() in _ELSEWHERE:
            raise UserError(f"{address} is not on this machine; name a file here, downloaded if need be")
        found = re.fullmatch(r"(\w+)://(?:/([^?]+))?(?:\?(.*))?", address, re.DOTALL)
        if found is None or found[2] is None:
            raise UserError(
                f"{address!r} names no database file; write duckdb:///FILE?table=T or sqlite:///FILE?table=T"
            )
        system, file, (key, _, value) = found[1], found[2], (found[3] or "").partition("=")
        if system not in ("duckdb", "sqlite"):
            raise unknown_name("database system", system, ("duckdb", "sqlite"))
        if found[3] is not None and key not in ("table", "query"):
            raise unknown_name(f"option of {address!r}", key, ("table", "query"))
        if key == "query" and not re.search(r"\s", value):  # every SELECT has white space, so this one was encoded
            value = unquote_plus(value)
        given = {key: value}
        path, rooted = Path(file), Path("/" + file)
        if rooted.exists() > path.exists() or rooted.parent.exists() > path.parent.exists():
            path = rooted
        return cls(cast(Literal["duckdb", "sqlite"], system), path, given.get("table"), given.get("query"))


def read_database(address: DatabaseAddress, name: str) -> Source:
    """Read a table or the answer of a query; the database is opened so that it cannot be changed.

    Values are written as `domains.tables.data.columns_of_text.text_column` does; types of DuckDB that Arrow does not
    have, as DuckDB writes them. In SQLite, where a column may hold values of several types, each value is written for
    itself.

    Args:
        address: what to read.
        name: of the source.

    Raises:
        UserError: no such file, table or column, several tables and none named, or a query that fails.
    """
    if not address.path.is_file():
        raise UserError(f"there is no database {address.path}")
    read = _read_duckdb if address.system == "duckdb" else _read_sqlite
    return read(address, name)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def _read_duckdb(address: DatabaseAddress, name: str) -> Source:
    try:
        import duckdb
    except ImportError as error:
        raise UserError(f"{address.path}: DuckDB files need duckdb; install counterpoint[tables]") from error
    # a query may read this file and nothing else, and write nothing
    config: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": False}
    with (
        _failures(address, duckdb.Error),
        closing(duckdb.connect(str(address.path), read_only=True, config=config)) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")  # else times with a zone are written as this machine's
        rows = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = current_database() "
            "ORDER BY ALL"
        ).fetchall()
        known: dict[str, tuple[str, ...]] = {
            (f"{schema}.{table}" if schema != "main" else table): (schema, table) for schema, table in rows
        }
        query, guess = _query(address, known)
        types = connection.execute(f"DESCRIBE {query}").fetchall()
        # places, not names: a query may give two columns one name
        places = [f"c{place}" for place in range(len(types))]
        chosen = ", ".join(
            place if _EXACT.fullmatch(kind) else f"CAST({place} AS VARCHAR)"
            for place, (_, kind, *_rest) in zip(places, types, strict=True)
        )
        table = connection.sql(f"SELECT {chosen} FROM ({query}) AS t({', '.join(places)})").to_arrow_table()
    names, notes = unique_headers([str(row[0]) for row in types])
    frame = text_frame(names, [text_column(column) for column in table.columns])
    return Source(name, frame, guess=guess, notes=tuple(notes), origin=_origin(address))


def _read_sqlite(address: DatabaseAddress, name: str) -> Source:
    rejects: list[Reject] = []
    uri = f"{address.path.resolve().as_uri()}?mode=ro"
    with _failures(address, sqlite3.Error, sqlite3.Warning), closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        connection.execute("PRAGMA query_only = ON")
        connection.set_authorizer(_no_other_file)
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
        known: dict[str, tuple[str, ...]] = {table: (table,) for (table,) in rows}
        query, guess = _query(address, known)
        cursor = connection.execute(query)
        if cursor.description is None:
            raise UserError(f"{_origin(address)}: the query gives no table; write a SELECT")
        names, notes = unique_headers([str(column[0]) for column in cursor.description])
        columns = _sqlite_columns(cursor, len(names), rejects)
    frame = text_frame(names, columns)
    return Source(name, frame, reject_frame(rejects), guess, tuple(notes), _origin(address))


def _sqlite_columns(cursor: sqlite3.Cursor, width: int, rejects: list[Reject]) -> list[pa.ChunkedArray]:
    chunks: list[list[pa.Array]] = [[] for _ in range(width)]
    done = 0
    while rows := cursor.fetchmany(_ROWS):
        try:
            block = _block(rows)
        except (UnicodeEncodeError, pa.ArrowInvalid):
            bad = [(done + place, row) for place, row in enumerate(rows, 1) if not _is_text(row)]
            rejects += [Reject(number, "it holds bytes that are not UTF-8", _shown(row)) for number, row in bad]
            block = _block([row for row in rows if _is_text(row)])
        done += len(rows)
        for chunk, column in zip(chunks, block, strict=False):
            chunk.append(column)
    return [pa.chunked_array(parts, pa.large_string()) for parts in chunks]


def _block(rows: Sequence[tuple[Any, ...]]) -> list[pa.Array]:
    return [pa.array([text_of(value) for value in column], pa.large_string()) for column in zip(*rows, strict=True)]


def _is_text(row: tuple[Any, ...]) -> bool:
    try:
        "".join(value for value in row if isinstance(value, str)).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(row: tuple[Any, ...]) -> str:
    """A row with its broken bytes as escapes."""
    text = ", ".join("" if value is None else str(value) for value in row)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _query(address: DatabaseAddress, known: dict[str, tuple[str, ...]]) -> tuple[str, dict[str, Guess]]:
    """The SELECT of an address, and what was guessed for it."""
    if address.query is not None:
        return address.query.strip().rstrip(";"), {}
    if not known:
        raise UserError(f"{address.path} holds no tables")
    guess = {}
    if address.table is None:
        if len(known) > 1:
            raise UserError(
                f"{address.path} holds {len(known)} tables; name one, as in {address.system}:///{address.path}?table="
                f"{next(iter(known))}; there are {', '.join(known)}"
            )
        table = next(iter(known))
        guess["table"] = Guess(table, 1.0, "there is no other")
    else:
        folded = {name.lower(): name for name in known} | {name: name for name in known}
        found = folded.get(address.table, folded.get(address.table.lower()))
        if found is None:
            raise unknown_name(f"table of {address.path}", address.table, known)
        table = found
    return f"SELECT * FROM {'.'.join(map(quoted, known[table]))}", guess


def _origin(address: DatabaseAddress) -> str:
    return f"{address.system}:///{address.path}" + (f"?table={address.table}" if address.table else "")


def _no_other_file(action: int, *_names: str | None) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


@contextmanager
def _failures(address: DatabaseAddress, *kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        message = " ".join(str(error).split())
        raise UserError(f"{_origin(address)} cannot be read: {message}") from error
