"""Checksums: is a file what the catalogue says it is?"""

import hashlib
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
    """sha256 over the arrays of an ``.npz`` file: names in order, types, shapes, values. Zip bytes play no part.

    Args:
        path: the file.
        skip: arrays to leave out.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # numpy leaves a broken one open
        for name in sorted(set(archive.files) - set(skip)):
            array = np.asarray(archive[name], order="C")  # ascontiguousarray would make a scalar a vector
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def check_prepared(path: Path, expected: PreparedFile) -> None:
    """Refuse a prepared file that was changed since it was published or converted.

    Raises:
        UserError: neither its bytes nor its arrays have the known checksum, or it cannot be read as arrays.
    """
    found = file_digest(path)
    if found == expected.sha256:
        return
    try:
        same = path.suffix == ".npz" and content_digest(path, skip=expected.varies) == expected.content
    except _UNREADABLE as error:
        raise UserError(f"{path} is damaged ({error}); delete it and fetch it again") from error
    if not same:
        raise UserError(
            f"{path} was changed: expected sha256 {expected.sha256}, found {found}; delete it and fetch it again, "
            "or give your own file by its path"
        )
