"""Checksums: is a file what the catalogue says it is?"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from core.data.catalogue import PreparedFile
from core.errors import UserError

__all__ = ["check_prepared", "content_digest", "file_digest"]

_BLOCK = 2**20
# what numpy and zipfile raise on bytes that are no archive of arrays, or only half of one
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)


def file_digest(path: Path) -> str:
    """sha256 of the bytes of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def content_digest(path: Path, *, skip: Collection[str] = ()) -> str:
    """sha256 over what a file holds, whatever wrote it.

    Of an ``.npz`` file the arrays: names in order, types, shapes, values. Of a ``.parquet`` file the columns: names in
    their order and values. Zip bytes and compression play no part. Of any other file its bytes.

    Args:
        path: the file.
        skip: arrays or columns to leave out.
    """
    if path.suffix == ".parquet":
        return _columns_digest(path, skip)
    if path.suffix != ".npz":
        return file_digest(path)
    digest = hashlib.sha256()
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # numpy leaves a broken one open
        for name in sorted(set(archive.files) - set(skip)):
            array = np.asarray(archive[name], order="C")  # ascontiguousarray would make a scalar a vector
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _columns_digest(path: Path, skip: Collection[str]) -> str:
    try:
        from pyarrow.parquet import read_table  # optional: only the domains with tables need it
    except ImportError as error:
        raise UserError(f"{path} needs pyarrow; install it with pip install 'counterpoint[tables]'") from error
    digest = hashlib.sha256()
    with path.open("rb") as file:
        table = read_table(file)
    for name in table.column_names:
        if name not in skip:
            digest.update(json.dumps([name, table.column(name).to_pylist()]).encode())
    return digest.hexdigest()


def check_prepared(path: Path, expected: PreparedFile) -> None:
    """Refuse a prepared file that was changed since it was published or converted.

    Raises:
        UserError: neither its bytes nor its content have the known checksum, or it cannot be read.
    """
    found = file_digest(path)
    if found == expected.sha256:
        return
    try:
        same = content_digest(path, skip=expected.varies) == expected.content
    except _UNREADABLE as error:
        raise UserError(f"{path} is damaged ({error}); delete it and fetch it again") from error
    if not same:
        raise UserError(
            f"{path} was changed: expected sha256 {expected.sha256}, found {found}; delete it and fetch it again, "
            "or give your own file by its path"
        )
