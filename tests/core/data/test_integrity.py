"""Checksums: equal arrays are one file, however they are packed; anything else is refused by name."""

import hashlib
import io
import struct
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from core.data import PreparedFile, check_prepared, content_digest, file_digest
from core.errors import UserError

ARRAYS = {
    "edges": np.array([[0, 1], [1, 2], [0, 2]], dtype=np.int32),
    "x": np.array([0.5, -0.0, np.nan], dtype=np.float32),
    "none": np.zeros((0, 4), dtype=np.int16),
    "one": np.array(7, dtype=np.uint8),
}


def written(path, arrays, *, save=np.savez_compressed):
    save(path, **arrays)
    return path


@pytest.fixture
def prepared(tmp_path):
    path = written(tmp_path / "a.npz", ARRAYS)
    return path, PreparedFile("a.npz", path.stat().st_size, file_digest(path), content_digest(path))


def test_file_digest_reads_every_byte(tmp_path):
    for size in (0, 1, 2**20, 2**20 + 1, 3 * 2**20 + 17):
        content = np.random.default_rng(size).bytes(size)
        (tmp_path / "a").write_bytes(content)
        assert file_digest(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_content_digest_is_the_documented_hash(tmp_path):
    """A scalar was hashed as a vector of one."""
    path = written(tmp_path / "a.npz", ARRAYS)
    expected = hashlib.sha256()
    expected.update(b"edges <i4 (3, 2)\n" + struct.pack("<6i", 0, 1, 1, 2, 0, 2))
    expected.update(b"none <i2 (0, 4)\n")
    expected.update(b"one |u1 ()\n\x07")
    expected.update(b"x <f4 (3,)\n" + struct.pack("<3f", 0.5, -0.0, float("nan")))
    assert content_digest(path) == expected.hexdigest()


def test_packing_order_and_strides_play_no_part(tmp_path):
    plain = content_digest(written(tmp_path / "a.npz", ARRAYS))
    turned = {name: np.array(ARRAYS[name], order="F") for name in reversed(ARRAYS)}
    other = written(tmp_path / "b.npz", turned, save=np.savez)
    assert file_digest(other) != file_digest(tmp_path / "a.npz")
    assert content_digest(other) == plain


def test_arrays_that_vary_with_a_codec_are_left_out(tmp_path):
    path = written(tmp_path / "a.npz", ARRAYS)
    content = content_digest(path, skip=("x", "one"))
    assert content == content_digest(written(tmp_path / "b.npz", {k: ARRAYS[k] for k in ("edges", "none")}))
    expected = PreparedFile("a.npz", 1, "0" * 64, content, varies=("x", "one"))
    written(path, {**ARRAYS, "x": np.zeros(9)})
    check_prepared(path, expected)
    written(path, {**ARRAYS, "edges": np.zeros(9)})
    with pytest.raises(UserError, match="was changed"):
        check_prepared(path, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"edges": np.array([[0, 1], [1, 2], [0, 3]], dtype=np.int32)},
        {"edges": ARRAYS["edges"].astype(np.int64)},
        {"edges": ARRAYS["edges"].reshape(2, 3)},
        {"x": np.array([0.5, 0.0, np.nan], dtype=np.float32)},
        {"none": np.zeros((4, 0), dtype=np.int16)},
        {"one": np.array([7], dtype=np.uint8)},
        {"more": np.zeros(0)},
    ],
)
def test_any_other_content_has_another_digest(tmp_path, prepared, change):
    path, expected = prepared
    written(path, {**ARRAYS, **change})
    assert content_digest(path) != expected.content
    with pytest.raises(UserError, match=r"a\.npz was changed: expected sha256") as caught:
        check_prepared(path, expected)
    assert expected.sha256 in str(caught.value)
    assert file_digest(path) in str(caught.value)


def test_columns_of_parquet_count_and_not_their_packing(tmp_path):
    cells = {"b": ["x", None, ""], "a": [1, 2, 3]}
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(cells), path)
    published = PreparedFile("a.parquet", path.stat().st_size, file_digest(path), content_digest(path))
    expected = b'["b", ["x", null, ""]]["a", [1, 2, 3]]'
    assert published.content == hashlib.sha256(expected).hexdigest()
    parquet.write_table(pa.table(cells), path, compression="gzip")
    assert file_digest(path) != published.sha256
    check_prepared(path, published)
    assert content_digest(path, skip=("a",)) == hashlib.sha256(expected[:22]).hexdigest()
    for other in ({**cells, "a": [1, 2, 4]}, {"a": cells["a"], "b": cells["b"]}, {**cells, "b": ["x", "", None]}):
        parquet.write_table(pa.table(other), path)
        with pytest.raises(UserError, match=r"a\.parquet was changed"):
            check_prepared(path, published)
    path.write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"a\.parquet is damaged"):
        check_prepared(path, published)


def test_text_is_its_bytes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    assert content_digest(path) == file_digest(path)


def test_the_published_bytes_and_repacked_ones_pass(prepared):
    path, expected = prepared
    check_prepared(path, expected)
    written(path, ARRAYS, save=np.savez)
    assert file_digest(path) != expected.sha256
    check_prepared(path, expected)


def test_bytes_that_are_not_the_published_ones_need_arrays(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,2\n")
    expected = PreparedFile("a.csv", 4, hashlib.sha256(b"1,2\n").hexdigest(), "")
    check_prepared(path, expected)
    path.write_text("1,3\n")
    with pytest.raises(UserError, match=r"a\.csv was changed"):
        check_prepared(path, expected)


def broken_files(whole):
    for length in range(0, len(whole), 7):
        yield f"cut after {length} bytes", whole[:length]
    for place in range(0, len(whole), 5):
        yield f"byte {place} turned", whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
    array = io.BytesIO()
    np.save(array, np.arange(3))
    yield "one array, not an archive", array.getvalue()
    objects = io.BytesIO()
    np.savez(objects, x=np.array([object()], dtype=object))
    yield "pickled objects", objects.getvalue()
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w") as archive:
        archive.writestr("readme.txt", "no arrays here")
    yield "an archive of text", text.getvalue()


def refusal(path, expected):
    """The message that a file is refused with; None if it is taken."""
    try:
        check_prepared(path, expected)
    except UserError as error:
        return str(error)
    return None


def test_a_broken_file_is_named_and_never_taken(prepared):
    """A file that was cut off answered with zipfile's or zlib's own error, which names no file."""
    path, expected = prepared
    for what, content in broken_files(path.read_bytes()):
        path.write_bytes(content)
        message = refusal(path, expected)
        if message is None:  # a turned byte in the zip's own notes (times, rights) changes no array
            assert what.startswith("byte"), what
            with np.load(path) as archive:
                assert sorted(archive) == sorted(ARRAYS), what
                for name, array in ARRAYS.items():
                    np.testing.assert_array_equal(archive[name], array, err_msg=what)
        else:
            assert str(path) in message, what
            assert "delete it and fetch it again" in message, what
