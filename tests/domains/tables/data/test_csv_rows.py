"""The blockwise reader against one that reads row after row, at every size of block."""

import random

import pyarrow as pa
import pytest
from pyarrow import csv

from domains.tables.data import csv_rows
from domains.tables.data.csv_cells import cut_row, plain_cell
from domains.tables.data.csv_rows import RowReader
from domains.tables.data.csv_scan import scan_rows


def one_by_one(data, expected):
    """Rows and rejected lines by a state machine over characters, written from the rules alone."""
    rows, rejects, at = [], [], 0
    while at < len(data):
        cells, cell, state, i = [], b"", "start", at
        broken = False
        while True:
            c = data[i : i + 1]
            if state == "quoted":
                if c == b"":
                    broken = True
                    break
                if c == b'"' and data[i + 1 : i + 2] == b'"':
                    cell, i = cell + c, i + 1
                elif c == b'"':
                    state = "closed"
                else:
                    cell += c
            elif c in (b",", b"\n", b"\r", b""):
                cells.append(cell)
                cell, state = b"", "start"
                if c != b",":
                    break
            elif state == "closed":
                broken = True
                break
            elif c == b'"' and state == "start":
                state = "quoted"
            else:
                cell, state = cell + c, "plain"
            i += 1
        if broken:
            i = at
            while data[i : i + 1] not in (b"\n", b"\r", b""):
                i += 1
        end = i + (2 if data[i : i + 2] == b"\r\n" else 1)
        line = 1 + data[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
        if broken:
            rejects.append(line)
        elif data[at:i] == b"":
            pass
        elif len(cells) == expected or (len(cells) > expected and data[at:i].endswith(b"," * (len(cells) - expected))):
            rows.append([c or None for c in cells[:expected]])
        else:
            rejects.append(line)
        at = end
    return rows, rejects


@pytest.mark.parametrize("weights", [[1] * 7, [6, 1, 3, 2, 1, 1, 1], [1, 5, 5, 1, 1, 1, 1]])
def test_blocks_do_not_show(monkeypatch, weights):
    monkeypatch.setattr(csv_rows, "BLOCK", 17)
    monkeypatch.setattr(csv_rows, "_NARROW", 5)
    monkeypatch.setattr(csv_rows, "_CAREFUL", 2)
    schema = pa.schema([("0", pa.string()), ("1", pa.string())])
    rng = random.Random(0)
    for _ in range(250):
        parts = ["a", '"', ",", "\n", "é", "\r", "\r\n"]
        data = "".join(rng.choices(parts, weights, k=rng.randint(0, 50))).encode()
        size = rng.choice([1, 3, 7, 1000])
        reader = RowReader(
            (data[i : i + size] for i in range(0, len(data), size)), ",", encoding="utf-8", valid=rng.random() < 0.5
        )
        found = []
        for block in reader.blocks(2):
            table = csv.read_csv(
                pa.BufferReader(block),
                csv.ReadOptions(column_names=["0", "1"]),
                csv.ParseOptions(newlines_in_values=True),
                csv.ConvertOptions(column_types=schema, strings_can_be_null=True, null_values=[""]),
            )
            found += [[v and v.encode() for v in row.values()] for row in table.to_pylist()]
        assert (found, [one.line for one in reader.rejects]) == one_by_one(data, 2), (data, size)


def test_many_lost_quotes_cost_their_lines_only():
    line = b'"lost,2\n' + b"1,2\n" * 30
    data = b"a,b\n" + line * 400
    reader = RowReader(iter([data]), ",", encoding="utf-8", valid=True)
    assert reader.header() == ["a", "b"]
    rows = sum(block.count(b"\n") for block in reader.blocks(2))
    assert (rows, len(reader.rejects)) == (12_000, 400)
    assert reader.rejects[1].line == 2 + 31


def test_a_quote_that_is_open_for_too_long_counts_as_lost(monkeypatch):
    monkeypatch.setattr(csv_rows, "BLOCK", 64)
    monkeypatch.setattr(csv_rows, "_LONGEST", 256)
    blocks = iter([b'a,"b\n', *[b"1,2\n"] * 500])
    reader = RowReader(blocks, ",", encoding="utf-8", valid=True)
    assert sum(block.count(b"\n") for block in reader.blocks(2)) == 500
    assert [(one.line, one.text) for one in reader.rejects] == [(1, 'a,"b')]


def test_scan_stops_where_a_window_cuts_a_line_end():
    rows = scan_rows(b"a,b\r\nc,d\r\n", 0, 9, ord(","), final=False)
    assert (rows.begin.tolist(), rows.end.tolist(), rows.next, rows.broken) == ([0], [3], 5, False)
    assert cut_row(b"a,b\r", 0, b",", final=False) is None
    assert [plain_cell(c) for c in cut_row(b'a,"x""y"\r', 0, b",", final=True).cells] == [b"a", b'x"y']
