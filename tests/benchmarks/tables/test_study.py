"""The tables study: registered, its parts are there, and the quick profile runs end to end on the embedded files."""

from importlib.metadata import entry_points

import pytest

from benchmarks.tables import BENCHMARK, study
from benchmarks.tables.conflicts import plan as conflict_plan
from benchmarks.tables.matching import DATASETS, SYSTEMS
from benchmarks.tables.matching import plan as matching_plan
from benchmarks.tables.parts import PARTS, QUICK
from core.errors import UserError
from core.registry import resolve
from core.reporting import read_records


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return out, study.run("quick", 1, out)


def test_registered():
    (point,) = entry_points(group="counterpoint.benchmarks", name="tables")
    assert point.load() is BENCHMARK
    assert resolve(BENCHMARK.target) is study.run


def test_quick_parts_are_parts():
    assert set(QUICK) <= set(PARTS)


@pytest.mark.parametrize("profile", ["quick", "cpu"])
def test_an_unknown_part_is_refused_before_anything_runs(profile, tmp_path):
    with pytest.raises(UserError, match=f"part of the {profile} profile 'conflict"):
        study.run(profile, None, tmp_path, only=["libraries", "conflictz"])
    assert not list(tmp_path.iterdir())


def test_the_quick_profile_writes_what_it_returns(quick):
    out, records = quick
    written = read_records(out / "tables")
    assert [one.to_json() for one in written] == [one.to_json() for one in records]
    assert {one.profile for one in records} == {"quick"}
    assert all("synthetic" in one.dataset for one in records)


def test_the_tool_beats_the_plain_rivals_on_the_embedded_files(quick):
    leading = {one.system: one for one in quick[1] if one.metric == "pairwise F1 %"}
    rivals = [one.mean for one in leading.values() if one.role == "baseline"]
    assert len(rivals) == 5
    assert leading["every row alone"].mean == 0
    assert leading["ours, no labels"].mean > max(rivals)


def test_a_golden_table_of_better_sets_has_better_cells(quick):
    cells = {one.system: one.mean for one in quick[1] if one.metric == "cell F1 %"}
    assert cells["every row alone"] < cells["ours, no labels"] <= cells["true sets"] + 1e-9


def test_stored_cells_are_not_run_again(quick, monkeypatch):
    out, records = quick

    def never(*_):
        raise AssertionError("a stored cell ran again")

    monkeypatch.setattr("benchmarks.tables.libraries._sets", never)
    monkeypatch.setattr("benchmarks.tables.libraries._golden", never)
    monkeypatch.setattr("benchmarks.tables.libraries._conflicts", never)
    again = study.run("quick", 1, out)
    assert [one.values for one in again] == [one.values for one in records]


def test_matching_is_planned_for_every_row_and_set():
    cells = matching_plan(2)
    assert len({cell.key() for cell in cells}) == len(cells)
    not_asked = ("febrl_dataset1", "febrl_dataset2", "febrl_dataset3", "febrl_dataset3_cut")
    left_out = {(s, d) for s in SYSTEMS if s.startswith("dedupe") for d in not_asked}
    every = {(s, d) for s in SYSTEMS for d in DATASETS}
    assert {(c.system.name, c.dataset) for c in cells if c.seed == 0} == every - left_out
    drawing = {"ours, no labels", "splink, EM, threshold .9", "splink, oracle threshold"}
    asking = {"dedupe, 30 labels, threshold .5", "dedupe, oracle threshold"}
    again = {name: {c.system.name for c in cells if c.seed == 1 and c.dataset == name} for name in DATASETS}
    for name in DATASETS:
        asked_again = name in ("chicago_early_childhood", "cora", "febrl_dataset1_cut")
        assert again[name] == drawing | (asking if asked_again else set())


def test_conflicts_are_planned_once():
    cells = conflict_plan(2)
    assert len({cell.key() for cell in cells}) == len(cells)
    assert {c.dataset for c in cells if c.seed == 1 and c.system.name == "majority"} == {
        "stadiums, made conflicts", "stadiums, colluding sources"
    }  # fmt: skip


def test_every_part_is_there():
    assert all(callable(resolve(target)) for target in {**PARTS, **QUICK}.values())
