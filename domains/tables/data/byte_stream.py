"""The bytes of a file, compressed or not, in blocks, and the same as UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from core.errors import UserError

__all__ = ["BLOCK", "byte_blocks", "file_head", "utf8_blocks"]

BLOCK = 8 << 20  # bytes; a block and the arrays that describe it take some ten times that
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_MARKS = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE,
          "utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE}  # fmt: skip


def byte_blocks(path: Path, size: int = BLOCK) -> Iterator[bytes]:
    """The content of a file, decompressed if it is gzip, Zstandard or bzip2 by its first bytes.

    Args:
        path: the file.
        size: bytes of a block, >= 1.

    Raises:
        UserError: not readable, or the compressed data are damaged.
    """
    with _readable(path), pa.OSFile(str(path), "rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        kind = next((kind for magic, kind in _COMPRESSIONS.items() if start.startswith(magic)), None)
        stream = raw if kind is None else pa.CompressedInputStream(raw, kind)
        with stream:
            while block := stream.read(size):
                yield block


def file_head(path: Path, size: int) -> bytes:
    """The first bytes of the content, see `byte_blocks`."""
    return next(byte_blocks(path, size), b"")


def utf8_blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """The content of a text file as UTF-8, without a byte-order mark.

    Bytes that the encoding does not have become bytes that are not UTF-8 either, so that whoever cuts the text into
    rows can reject the rows that hold them: those of a file in UTF-8 as they are, others as encoded surrogates.

    Args:
        path: the file.
        encoding: a name that Python knows.

    Raises:
        UserError: as `byte_blocks`.
    """
    name = codecs.lookup(encoding).name
    mark = _MARKS.get(name, b"")
    decoder = None if name == "utf-8" else codecs.getincrementaldecoder(name)(errors=_KEEP)
    first = True
    for block in byte_blocks(path):
        if first and mark and block.startswith(mark):
            block = block[len(mark) :]
        first = False
        yield block if decoder is None else decoder.decode(block).encode("utf-8", "surrogatepass")
    if decoder is not None:
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; is it damaged or cut off?") from error


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


_KEEP = "counterpoint.keep_bytes"
codecs.register_error(_KEEP, _keep_bytes)
