"""Files that are either whole or not there: written under a temporary name, flushed to disk, renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from core.errors import OperationError

__all__ = ["atomic_folder", "atomic_write", "make_folder"]


@contextmanager
def atomic_write(path: str | Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when the block ends without an error.

    Until then the old file of that name stays as it is. Missing parent folders are made.

    Args:
        path: the final name.
        mode: "w" for UTF-8 text, "wb" for bytes.

    Yields:
        The open temporary file, a sibling of ``path``.

    Raises:
        OperationError: disk full, folder not writable. The temporary file is gone then.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open(mode, encoding="utf-8" if mode == "w" else None) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OperationError(f"cannot write {path}: {error.strerror or error}; nothing was changed") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill a temporary folder that takes the name ``path`` when the block ends without an error.

    An older folder of that name is replaced, and only then.

    Args:
        path: the final name.

    Yields:
        The temporary folder, a sibling of ``path``.

    Raises:
        OperationError: disk full, parent not writable. The temporary folder is gone then.
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    except OSError as error:
        raise OperationError(f"cannot write into {path.parent}: {error.strerror or error}") from error
    old = temporary.with_suffix(".old")
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's own mode would keep everybody else out
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
    except OSError as error:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise OperationError(f"cannot write {path}: {error.strerror or error}; nothing was changed") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Raises:
        OperationError: not writable, or a file stands in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperationError(f"cannot make the folder {path}: {error.strerror or error}") from error
