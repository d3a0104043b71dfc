"""From cells to records: notes, seconds, and the bars."""

import math

import pytest

from benchmarks.tables.bars import Bar, bar_records
from benchmarks.tables.records import CPU, PAIRWISE, part_records, stopped
from core.reporting import Cell, CellResult, System, write_records


def result(scores, settings=None):
    return CellResult(scores, settings or {}, 1.0, 2.0, "abc")


def cell(system, seed=0, dataset="cora"):
    return Cell(System(system, "matching"), dataset, seed)


def test_scores_are_per_cent_and_seconds_those_of_the_processor():
    results = {cell("ours", s): result({PAIRWISE: 0.5 + s / 10, CPU: 3.0 + s}) for s in range(2)}
    (record,) = part_records(results, "cpu")
    assert record.metric == "pairwise F1 %"
    assert record.values == (50.0, 60.0)
    assert record.seconds == 3.5


def test_a_row_that_was_stopped_says_why(tmp_path):
    scores, settings = stopped([PAIRWISE], "did not finish in 300 s")
    (record,) = part_records({cell("dedupe"): result({**scores, CPU: math.nan}, settings)}, "cpu")
    assert record.system == "dedupe (did not finish in 300 s)"
    assert record.mean is None
    assert record.seconds is None
    write_records([record], tmp_path / "one.json")  # it keeps the schema


@pytest.mark.parametrize(("least", "verdict"), [(0.94, "seen"), (0.95, "seen"), (0.96, "not seen")])
def test_a_bar_is_reached_or_not(least, verdict, tmp_path):
    results = {cell("ours", s): result({PAIRWISE: value}) for s, value in enumerate((0.94, 0.96))}
    bar = Bar("a bar", "ours", "cora", PAIRWISE, least)
    (record,) = bar_records([bar], results, "cpu")
    assert record.verdict == verdict
    assert record.mean == pytest.approx(100 * (0.95 - least))
    write_records([record], tmp_path / "one.json")


def test_a_bar_of_a_row_that_was_not_run_has_no_verdict():
    assert (
        bar_records([Bar("a bar", "ours", "chicago", PAIRWISE, 0.5)], {cell("ours"): result({PAIRWISE: 1})}, "cpu")
        == []
    )
