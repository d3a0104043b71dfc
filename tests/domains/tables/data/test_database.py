"""Tables of databases: every type as text, nothing written, clear messages."""

import sqlite3

import duckdb
import pytest

from core.errors import UserError
from domains.tables.data.database import DatabaseAddress
from domains.tables.data.read import read_source
from tests.domains.tables.data.tables import cells

TYPES = """CREATE TABLE t AS SELECT 1::HUGEINT a, [1, 2] b, 'x' c, {'k': 1} d, 1.50::DECIMAL(5,2) e, 5.0::DOUBLE f,
    DATE '2020-01-02' g, TIMESTAMP '2020-01-02 03:04:05' h, NULL n, TRUE o, '007' AS "q""t",
    TIMESTAMPTZ '2020-01-02 03:04:05+00' z, ' ' blank, '12 days'::INTERVAL i"""


@pytest.fixture
def duck(tmp_path):
    path = tmp_path / "x.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute(TYPES)
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.u AS SELECT 1 a")
    return path


@pytest.fixture
def lite(tmp_path):
    path = tmp_path / "y.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t(a, b TEXT)")
    rows = [(1, "x"), (2.5, None), ("007", ""), (b"\xff", "é"), (3.0, "q")]
    connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    connection.execute("INSERT INTO t VALUES (1, CAST(x'ff41' AS TEXT))")
    connection.commit()
    connection.close()
    return path


def test_types_of_duckdb(duck):
    source = read_source(f"duckdb:///{duck}?table=t")
    assert source.name == "t"
    assert source.frame.columns.tolist() == ["a", "b", "c", "d", "e", "f", "g", "h", "n", "o", 'q"t', "z", "blank", "i"]
    assert cells(source.frame) == [
        ["1", "[1, 2]", "x", '{"k": 1}', "1.50", "5", "2020-01-02", "2020-01-02 03:04:05", None, "true", "007",
         "2020-01-02 03:04:05+00", None, "12 days"]
    ]  # fmt: skip
    assert cells(read_source(f"duckdb:///{duck}?table=S.U").frame) == [["1"]]


def test_values_of_sqlite(lite):
    source = read_source(f"sqlite:///{lite}?table=t")
    assert cells(source.frame) == [["1", "x"], ["2.5", None], ["007", None], ["ff", "é"], ["3", "q"]]
    assert source.rejects.to_dict("records") == [
        {"line": 6, "reason": "it holds bytes that are not UTF-8", "text": "1, \\xffA"}
    ]
    assert read_source(lite).guess["table"].value == "t"


def test_queries(duck, lite):
    assert cells(read_source(f"duckdb:///{duck}?query=SELECT a AS x, a + 1 AS x FROM t;").frame) == [["1", "2"]]
    source = read_source(f"sqlite:///{lite}?query=SELECT%20a+AS+x,b+AS+x+FROM+t+WHERE+b='x'")
    assert (source.frame.columns.tolist(), cells(source.frame)) == (["x", "x_2"], [["1", "x"]])
    empty = read_source(f"duckdb:///{duck}?query=SELECT a FROM t WHERE a > 9")
    assert (empty.frame.columns.tolist(), len(empty)) == (["a"], 0)


@pytest.mark.parametrize("system", ["duckdb", "sqlite"])
@pytest.mark.parametrize(
    "query", ["DROP TABLE t", "DELETE FROM t", "CREATE TABLE v(a)", "COPY t TO 'o.csv'", "ATTACH 'o.db' AS o"]
)
def test_nothing_is_written(duck, lite, tmp_path, monkeypatch, system, query):
    monkeypatch.chdir(tmp_path)
    path = {"duckdb": duck, "sqlite": lite}[system]
    before = path.read_bytes()
    with pytest.raises(UserError):
        read_source(f"{system}:///{path}?query={query}")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted({duck.name, lite.name})


def test_a_query_reads_no_other_file(duck, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_source(f"duckdb:///{duck}?query=SELECT * FROM '{tmp_path / 'secret.csv'}'")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("duckdb:///x.db", r"holds 2 tables; name one, as in duckdb:///x.db\?table="),
        ("duckdb:///x.db?table=tt", "unknown table of x.db 'tt'; did you mean 't'"),
        ("duckdb:///x.db?tabel=t", "did you mean 'table'"),
        ("duckdb:///xx.db?table=t", "there is no file xx.db; did you mean 'x.db'"),
        ("duckdb:///x.db?query=SELECT nope", "cannot be read"),
        ("duckdb:///y.csv?table=t", "cannot be read"),
        ("sqlite:///y.csv?table=t", "cannot be read"),
        ("postgres:///x?table=t", "unknown database system 'postgres'"),
        ("duckdb://", "names no database file"),
    ],
)
def test_messages(duck, tmp_path, monkeypatch, address, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "y.csv").write_text("a,b\n" * 500)
    with pytest.raises(UserError, match=message):
        read_source(address)


def test_three_slashes_do_for_an_absolute_path_that_is_there(duck, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert DatabaseAddress.parse(f"duckdb://{duck}").path == duck
    assert DatabaseAddress.parse(f"duckdb:///{duck}").path == duck
    assert str(DatabaseAddress.parse("duckdb:///x.db").path) == "x.db"
