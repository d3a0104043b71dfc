"""Get a data set: from the data root if it is there, else from its public source, checked at each step."""

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import pooch
from requests.exceptions import RequestException

from core.atomic import make_folder
from core.data.catalogue import DataSet, RawFile, find
from core.data.integrity import check_prepared, file_digest
from core.data.root import data_root
from core.errors import OperationError
from core.registry import resolve

__all__ = ["fetch", "folder_of", "is_present"]

_log = logging.getLogger(__name__)


def folder_of(entry: DataSet) -> Path:
    """Where the data set lives, present or not."""
    return data_root() / entry.domain / entry.name


def is_present(entry: DataSet) -> bool:
    """Whether all prepared files are there (unchecked)."""
    return all((folder_of(entry) / file.name).is_file() for file in entry.files)


def fetch(name: str) -> Path:
    """The folder of a data set with its prepared files, downloaded and converted if they are not there yet.

    Raw files that were downloaded already (and have the right checksum) are not downloaded again; a broken download
    leaves nothing under the final name.

    Args:
        name: ``cora`` or ``graphs/cora``.

    Raises:
        UserError: unknown name, or a file that was changed since.
        OperationError: the download failed, its checksum is wrong, or the folder cannot be written.
    """
    entry = find(name)
    folder = folder_of(entry)
    if not is_present(entry):
        _build(entry, folder)
    for file in entry.files:
        check_prepared(folder / file.name, file)
    return folder


def _build(entry: DataSet, folder: Path) -> None:
    _log.info("%s/%s is not in %s: downloading (licence: %s)", entry.domain, entry.name, data_root(), entry.licence)
    make_folder(folder)
    for raw in entry.raw:
        _download(raw, folder)
    for file in entry.files:
        resolve(entry.converter)(folder, folder / file.name)


def _download(raw: RawFile, folder: Path) -> None:
    target = folder / raw.name
    if target.is_file() and (not raw.sha256 or file_digest(target) == raw.sha256):
        return
    free = shutil.disk_usage(folder).free
    if free < 2 * raw.bytes:
        raise OperationError(f"{folder} has {free} bytes left, {raw.name} needs {raw.bytes}; free some space")
    logger = pooch.get_logger()
    logger.setLevel(logging.WARNING)
    downloader: Any = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=60)
    try:
        known = f"sha256:{raw.sha256}" if raw.sha256 else None
        pooch.retrieve(raw.url, known, fname=raw.name, path=folder, downloader=downloader)
    except (RequestException, OSError) as error:  # first: a bad address is a RequestException and a ValueError
        raise OperationError(
            f"cannot download {raw.url}: {error}. Put the file by hand at {target} and try again"
        ) from error
    except ValueError as error:
        raise OperationError(f"{raw.url} does not have the expected checksum {raw.sha256}: {error}") from error
