"""Where results go: what cannot be written is told before any work, and nothing is written over what is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import UserError
from domains.tables.data.export import output_place
from domains.tables.data.locate import Location

__all__ = ["check_file", "check_output"]


def check_output(out: str | Path, inputs: Sequence[Location]) -> None:
    """Refuse a table that could not be written, or that would replace an input.

    Args:
        out: as of `domains.tables.data.export.write_table`.
        inputs: what is read.

    Raises:
        UserError: a form that is none, a folder, a file in place of a folder, or one of the inputs.
    """
    place = output_place(out)
    check_file(place.path, inputs, table=place.database.table if place.database else None)


def check_file(path: str | Path, inputs: Sequence[Location], *, table: str | None = None) -> None:
    """Refuse a file that could not be written, or that would replace an input.

    Args:
        path: of the file.
        inputs: what is read.
        table: of the database that the file is; its other tables stay as they are.

    Raises:
        UserError: a folder, a file in place of a folder, or one of the inputs.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UserError(f"{path} cannot be written: {above} is a file, not a folder")
    for one in inputs:
        if _same_file(one.path, path) and _may_be(one, table):
            raise UserError(f"{path} is an input ({one.spec}) and would be written over; choose another place")


def _same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)  # also by another name or link
    return one.resolve() == other.resolve()


def _may_be(place: Location, table: str | None) -> bool:
    """Whether the table that is read may be the one that is written."""
    if table is None or place.database is None:
        return True
    if place.database.query is not None:
        return False  # it is read to its end before anything is written
    read = place.database.table
    return read is None or read.rpartition(".")[2].casefold() == table.rpartition(".")[2].casefold()
