"""Downloads from a real server on this machine, for a data set that a plug-in of the test's own lists."""

import hashlib
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from core.cli.main import main
from core.data import catalogue, fetch, find, is_present
from core.errors import OperationError, UserError

POINTS = [(1, 2), (3, 4), (5, 7)]
RAW = {"points.csv": "".join(f"{a},{b}\n" for a, b in POINTS).encode(), "names.txt": b"a name\n" * 20_000}
CODE = '''
"""A domain whose one data set is made of a table and a list of names."""
import numpy as np
from core.plugins import Domain

DOMAIN = Domain("shelf", "books on a shelf", "", "", "bookshelf")


def convert(folder, target):
    points = np.loadtxt(folder / "points.csv", delimiter=",", dtype=np.int32)
    count = len((folder / "names.txt").read_text().splitlines())
    np.savez(target, points=points, count=np.array([count], dtype=np.int64))
'''


class Shelf(ThreadingHTTPServer):
    """A web server: what it has, what it breaks off half-way, what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(RAW)
        self.broken: set[str] = set()
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.server.asked.append(name)
        if name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if name in self.server.broken else content)

    def log_message(self, format, *args) -> None:
        """Nothing on the screen of the test run."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Shelf]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Shelf() as shelf:
        thread = threading.Thread(target=shelf.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield shelf
        shelf.shutdown()
        thread.join()


def listed(address: str, **changes) -> str:
    """The catalogue of the plug-in; published is a packed file, so the converter's own bytes differ from it."""
    count = len(RAW["names.txt"]) // len(b"a name\n")
    content = hashlib.sha256()
    content.update(b"count <i8 (1,)\n" + struct.pack("<q", count))
    content.update(b"points <i4 (3, 2)\n" + b"".join(struct.pack("<2i", *pair) for pair in POINTS))
    raw = [
        {"name": name, "url": f"{address}/{name}", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        | changes.get(name, {})
        for name, data in RAW.items()
    ]
    prepared = {"name": "points.npz", "bytes": 1, "sha256": "0" * 64, "content": content.hexdigest()}

    def inline(table) -> str:
        return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + " }"

    return (
        '["points"]\ntitle = "three points"\nlicence = "none"\nsource = "here"\ncitation = "Nobody 2024"\n'
        f'converter = "bookshelf:convert"\nfiles = [ {inline(prepared)} ]\nraw = [ {", ".join(map(inline, raw))} ]\n'
    )


@pytest.fixture
def shelf(install, tmp_path, monkeypatch):
    """Install the plug-in with a catalogue; return the folder where its data set will be."""
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path / "data"))

    def make(text: str) -> Path:
        install("bookshelf", "counterpoint.domains", "shelf = bookshelf:DOMAIN", CODE, text)
        return tmp_path / "data" / "shelf" / "points"

    return make


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_downloads_checks_and_converts_once(server, shelf):
    folder = shelf(listed(server.address))
    assert not is_present(find("points"))
    assert fetch("points") == folder
    assert names(folder) == ["names.txt", "points.csv", "points.npz"]
    assert all((folder / name).read_bytes() == content for name, content in RAW.items())
    with np.load(folder / "points.npz") as archive:
        np.testing.assert_array_equal(archive["points"], np.array(POINTS, dtype=np.int32), strict=True)
        assert archive["count"].tolist() == [20_000]
    assert server.asked == ["points.csv", "names.txt"]
    assert is_present(find("points"))
    assert fetch("shelf/Points") == folder
    assert len(server.asked) == 2


def test_the_command_prints_the_folder_and_lists_it_as_here(server, shelf, capsys):
    folder = shelf(listed(server.address))
    assert main(["data", "fetch", "points"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{folder}\n"
    assert "downloading (licence: none)" in captured.err
    assert main(["data", "show", "points"]) == 0
    assert f"{folder} (present)" in capsys.readouterr().out


def test_a_file_without_checksum_is_taken_as_it_comes_and_what_is_made_of_it_checked(server, shelf, capsys):
    text = listed(server.address, **{name: {"bytes": 0, "sha256": ""} for name in RAW})
    folder = shelf(text)
    assert fetch("points") == folder
    assert main(["data", "show", "points"]) == 0
    assert "points.csv, packed on request" in capsys.readouterr().out
    (folder / "points.npz").unlink()
    assert fetch("points") == folder
    assert len(server.asked) == 2
    (folder / "points.npz").unlink()
    (folder / "points.csv").write_bytes(b"1,2\n3,4\n5,8\n")
    with pytest.raises(UserError, match=r"points\.npz was changed"):
        fetch("points")


def test_a_broken_transfer_leaves_no_half_and_keeps_what_was_whole(server, shelf):
    folder = shelf(listed(server.address))
    server.broken.add("names.txt")
    with pytest.raises(OperationError, match=f"cannot download {server.address}/names.txt"):
        fetch("points")
    assert names(folder) == ["points.csv"]
    server.broken.clear()
    assert fetch("points") == folder
    assert server.asked == ["points.csv", "names.txt", "names.txt"]


def test_a_missing_file_is_named_and_may_be_put_there_by_hand(server, shelf):
    folder = shelf(listed(server.address))
    del server.files["names.txt"]
    with pytest.raises(OperationError, match=r"names\.txt: 404") as caught:
        fetch("points")
    assert f"Put the file by hand at {folder / 'names.txt'}" in str(caught.value)
    (folder / "names.txt").write_bytes(RAW["names.txt"])
    assert fetch("points") == folder
    assert server.asked == ["points.csv", "names.txt"]


def test_other_bytes_than_expected_are_not_kept(server, shelf):
    folder = shelf(listed(server.address))
    server.files["points.csv"] = b"1,2\n3,4\n5,8\n"
    with pytest.raises(OperationError, match="does not have the expected checksum") as caught:
        fetch("points")
    assert f"{server.address}/points.csv" in str(caught.value)
    assert hashlib.sha256(RAW["points.csv"]).hexdigest() in str(caught.value)
    assert names(folder) == []
    assert server.asked == ["points.csv"]


def test_a_raw_file_with_other_bytes_is_replaced(server, shelf):
    folder = shelf(listed(server.address))
    folder.mkdir(parents=True)
    (folder / "points.csv").write_bytes(RAW["points.csv"][:7])
    (folder / "names.txt").write_bytes(RAW["names.txt"])
    fetch("points")
    assert server.asked == ["points.csv"]
    assert (folder / "points.csv").read_bytes() == RAW["points.csv"]


def test_nobody_answers(shelf, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    folder = shelf(listed(address))
    with pytest.raises(OperationError, match=f"cannot download {address}/points.csv.*refused"):
        fetch("points")
    assert names(folder) == []
    assert main(["data", "fetch", "points"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_an_address_that_is_none_is_not_a_wrong_checksum(shelf):
    """requests reports it as a ValueError, which was taken for pooch's wrong checksum."""
    shelf(listed("", **{"points.csv": {"url": "points.csv"}}))
    with pytest.raises(OperationError, match=r"cannot download points\.csv"):
        fetch("points")


def test_what_stands_in_the_way_is_named_and_kept(server, shelf, tmp_path):
    shelf(listed(server.address))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shelf").write_text("a file of somebody")
    with pytest.raises(OperationError, match=r"cannot make the folder .*shelf"):
        fetch("points")
    assert (tmp_path / "data" / "shelf").read_text() == "a file of somebody"
    assert server.asked == []


def test_too_little_space_is_seen_before_the_download(server, shelf):
    folder = shelf(listed(server.address, **{"points.csv": {"bytes": 2**62}}))
    with pytest.raises(OperationError, match=rf"{folder} has \d+ bytes left, points\.csv needs {2**62}; free some"):
        fetch("points")
    assert server.asked == []


def test_a_disk_that_fills_up_leaves_no_half(server, shelf, tmp_path):
    """A real limit on the size of files in a process of its own, as a full disk would answer."""
    folder = shelf(listed(server.address))
    script = (
        "import resource, sys; sys.path.insert(0, sys.argv[1])\n"
        "from core.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "sys.exit(main(['data', 'fetch', 'points']))\n"
    )
    words = [sys.executable, "-B", "-c", script, str(tmp_path / "site")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert f"cannot download {server.address}/names.txt" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(folder) == ["points.csv"]


def test_a_prepared_file_that_was_changed_is_refused_and_kept(server, shelf):
    folder = shelf(listed(server.address))
    fetch("points")
    changed = folder / "points.npz"
    np.savez(changed, points=np.array([[1, 2], [3, 4], [5, 8]], dtype=np.int32), count=np.array([20_000]))
    before = changed.read_bytes()
    with pytest.raises(UserError, match=r"points\.npz was changed.*delete it and fetch it again"):
        fetch("points")
    assert changed.read_bytes() == before
    changed.write_bytes(before[:200])
    with pytest.raises(UserError, match=r"points\.npz is damaged.*delete it and fetch it again"):
        fetch("points")
    assert len(server.asked) == 2
    changed.unlink()
    assert fetch("points") == folder
    assert len(server.asked) == 2


def test_a_prepared_file_alone_is_enough(server, shelf):
    folder = shelf(listed(server.address))
    folder.mkdir(parents=True)
    points = np.array(POINTS, dtype=np.int32)
    np.savez_compressed(folder / "points.npz", points=points, count=np.array([20_000]))
    assert fetch("points") == folder
    assert server.asked == []
    assert names(folder) == ["points.npz"]


@pytest.mark.data
def test_real_data_that_is_here_is_found_without_a_download(data_folder, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_DATA", str(data_folder))
    smallest = min(catalogue(), key=lambda entry: entry.bytes)
    folder = fetch(smallest.name)
    assert folder == data_folder / smallest.domain / smallest.name
    assert all((folder / file.name).is_file() for file in smallest.files)


def test_an_unknown_name_downloads_nothing(server, shelf, tmp_path):
    shelf(listed(server.address))
    with pytest.raises(UserError, match="unknown data set 'pionts'; did you mean 'points'"):
        fetch("pionts")
    assert server.asked == []
    assert not (tmp_path / "data").exists()
