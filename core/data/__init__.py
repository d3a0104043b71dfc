"""Data sets: the catalogue, download with checksums, and where they live."""

from core.data.catalogue import DataSet, PreparedFile, RawFile, catalogue, find, lookup
from core.data.fetch import fetch, folder_of, is_present
from core.data.integrity import check_prepared, content_digest, file_digest
from core.data.root import data_root

__all__ = [
    "DataSet",
    "PreparedFile",
    "RawFile",
    "catalogue",
    "check_prepared",
    "content_digest",
    "data_root",
    "fetch",
    "file_digest",
    "find",
    "folder_of",
    "is_present",
    "lookup",
]
