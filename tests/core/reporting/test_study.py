"""Cells are run once and never lost; records are the statistics of their cells."""

import json
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from core.errors import OperationError
from core.reporting import Cell, CellResult, Published, System, collect, read_records, run_cells, write_records

OURS = System("Ours (100%)", "ours", settings={"lr": 0.1, "width": 8})
BASE = System("base", "simple", "baseline")
SCORES = {
    (system, dataset, seed): 0.5 + number / 7
    for number, (system, dataset, seed) in enumerate(
        (system, dataset, seed)
        for dataset in ("cora", "a/b c")
        for system in (OURS.name, BASE.name)
        for seed in (0, 1, 2)
    )
}


class Runner:
    """Runs cells, remembers which, and fails where it is told to."""

    def __init__(self):
        self.ran = []
        self.fails_at = None

    def __call__(self, cell):
        self.ran.append((cell.system.name, cell.dataset, cell.seed))
        if len(self.ran) == self.fails_at:
            raise ZeroDivisionError("diverged")
        score = SCORES[cell.system.name, cell.dataset, cell.seed]
        return {"accuracy": score, "kNN accuracy": score**2}, {
            "seed": cell.seed,
            "shape": [1, 2],
            **cell.system.settings,
        }


def plan(*systems):
    return [Cell(s, d, seed) for d in ("cora", "a/b c") for s in systems or (OURS, BASE) for seed in (0, 1, 2)]


@pytest.fixture
def runner():
    return Runner()


def test_every_cell_runs_once_in_order_and_is_stored(runner, tmp_path, capsys):
    cells = plan()
    results = run_cells(cells, runner, tmp_path)
    assert list(results) == cells
    assert runner.ran == [(c.system.name, c.dataset, c.seed) for c in cells]
    assert len(list(tmp_path.glob("*.json"))) == len(cells)
    for cell, result in results.items():
        score = SCORES[cell.system.name, cell.dataset, cell.seed]
        assert result.scores == {"accuracy": score, "kNN accuracy": score**2}
        assert json.loads((tmp_path / f"{cell.key()}.json").read_text()) == asdict(result)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(cells)
    assert lines[0].startswith("[1/12] cora: Ours (100%), seed 0: ")
    again = run_cells(plan(), runner, tmp_path)
    assert list(again.values()) == list(results.values())
    assert len(runner.ran) == len(cells)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "changed",
    [
        replace(OURS, settings={"lr": 0.2, "width": 8}),
        replace(OURS, settings={"lr": 0.1}),
        replace(OURS, settings={"lr": "0.1", "width": 8}),
        replace(OURS, method="other"),
        replace(OURS, role="ablation"),
    ],
)
def test_a_changed_system_runs_again_and_nothing_else_does(runner, tmp_path, changed):
    run_cells(plan(), runner, tmp_path)
    runner.ran.clear()
    run_cells(plan(changed, BASE), runner, tmp_path)
    assert runner.ran == [(OURS.name, dataset, seed) for dataset in ("cora", "a/b c") for seed in (0, 1, 2)]
    runner.ran.clear()
    run_cells(plan(), runner, tmp_path)
    assert runner.ran == []


def test_keys_depend_on_content_only_and_are_file_names():
    keys = {cell.key() for cell in plan()}
    assert len(keys) == len(plan())
    assert Cell(replace(OURS, settings={"width": 8, "lr": 0.1}), "cora", 0).key() == Cell(OURS, "cora", 0).key()
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._") for key in keys)
    # another name here would orphan hours of stored cells
    assert Cell(System("GraphMAE", "graphmae"), "cora", 0).key() == "cora-graphmae-0-14d6f113"


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
def test_a_cell_that_raises_leaves_the_others(tmp_path, kind):
    runner = Runner()
    runner.fails_at = 4

    def run(cell):
        try:
            return runner(cell)
        except ZeroDivisionError as error:
            raise kind("stopped") from error

    cells = plan()
    with pytest.raises(kind, match="stopped"):
        run_cells(cells, run, tmp_path)
    assert {p.stem for p in tmp_path.iterdir()} == {cell.key() for cell in cells[:3]}
    stored = {p: p.read_bytes() for p in tmp_path.iterdir()}
    results = run_cells(cells, run, tmp_path)
    assert runner.ran[4:] == [(c.system.name, c.dataset, c.seed) for c in cells[3:]]
    assert [r.scores["accuracy"] for r in results.values()] == list(SCORES.values())
    assert all(path.read_bytes() == content for path, content in stored.items())


def test_time_of_a_cell_is_that_of_its_run(tmp_path):
    def run(cell):
        time.sleep(0.05 * (cell.seed + 1))
        return {"accuracy": 1.0}, {}

    results = run_cells([Cell(OURS, "cora", seed) for seed in (0, 2)], run, tmp_path)
    first, last = (result.seconds for result in results.values())
    assert 0.05 <= first < last
    assert last >= 0.15
    assert all(result.peak_mb is None or result.peak_mb >= 0 for result in results.values())


@pytest.mark.parametrize("content", [b'{"scores": {"accur', b"[]", b"{}", b'{"scores": {}, "unknown": 1}', b"\xff"])
def test_a_damaged_cell_is_named(runner, tmp_path, content):
    cell = plan()[0]
    run_cells([cell], runner, tmp_path)
    path = tmp_path / f"{cell.key()}.json"
    path.write_bytes(content)
    with pytest.raises(OperationError, match=r"cora-ours__100__-0-.*\.json is damaged .*delete it, and the cell"):
        run_cells(plan(), runner, tmp_path)
    assert len(runner.ran) == 1
    path.unlink()
    run_cells([cell], runner, tmp_path)
    assert len(runner.ran) == 2


def test_a_stored_cell_that_cannot_be_read_is_named(runner, tmp_path):
    (tmp_path / f"{plan()[0].key()}.json").mkdir()
    with pytest.raises(OperationError, match=r"cora-ours__100__-0-.*\.json is damaged"):
        run_cells(plan(), runner, tmp_path)
    assert runner.ran == []


def gathered(results, **changes):
    options = {
        "domain": "graphs",
        "profile": "cpu",
        "metrics": ("accuracy", "kNN accuracy"),
        "scale": 100.0,
        "unit": "%",
    }
    return collect(results, **{**options, **changes})


def test_records_are_statistics_over_seeds(runner, tmp_path):
    results = run_cells(plan(), runner, tmp_path)
    records = gathered(results, split=lambda dataset: f"split of {dataset}")
    assert [(r.dataset, r.system, r.metric) for r in records] == [
        (dataset, system, metric)
        for dataset in ("cora", "a/b c")
        for system in (OURS.name, BASE.name)
        for metric in ("accuracy %", "kNN accuracy %")
    ]
    for record in records:
        power = 2 if record.metric.startswith("kNN") else 1
        values = np.array([SCORES[record.system, record.dataset, seed] ** power for seed in (0, 1, 2)]) * 100
        np.testing.assert_allclose(record.values, values, rtol=1e-12)
        np.testing.assert_allclose(record.mean, np.mean(values), rtol=1e-12)
        np.testing.assert_allclose(record.std, np.std(values, ddof=1), rtol=1e-9)
        assert record.seeds == (0, 1, 2)
        assert record.split == f"split of {record.dataset}"
        assert (record.domain, record.profile, record.higher_is_better) == ("graphs", "cpu", True)
        system = OURS if record.system == OURS.name else BASE
        assert (record.method, record.role) == (system.method, system.role)
        assert record.settings == {"seed": 0, "shape": [1, 2], **system.settings}
        assert record.published is record.verdict is None


def test_records_of_a_resumed_study_are_those_of_a_whole_one(runner, tmp_path):
    first = gathered(run_cells(plan(), runner, tmp_path / "cells"))
    second = gathered(run_cells(plan(), runner, tmp_path / "cells"))
    write_records(first, tmp_path / "first.json")
    write_records(second, tmp_path / "second.json")
    assert read_records(tmp_path / "first.json") == read_records(tmp_path / "second.json")


def stored_result(seconds=1.0, peak_mb=None, commit="abc", **scores):
    return CellResult(scores, {"seed": 0}, seconds, peak_mb, commit)


def test_costs_are_means_over_seeds_and_unknown_memory_stays_unknown():
    cells = [Cell(OURS, "cora", seed) for seed in range(3)]
    results = dict(zip(cells, map(stored_result, (1.0, 2.0, 6.5), (10.0, None, 20.5)), strict=True))
    results = {cell: replace(result, scores={"accuracy": 0.5}) for cell, result in results.items()}
    (record,) = gathered(results)
    assert record.seconds == pytest.approx(9.5 / 3, abs=0.005)
    assert record.peak_mb == pytest.approx(30.5 / 2, abs=0.051)
    assert record.commit == "abc"
    (record,) = gathered({cell: replace(result, peak_mb=None) for cell, result in results.items()})
    assert record.peak_mb is None


def test_one_seed_has_no_deviation():
    (record,) = gathered({Cell(OURS, "cora", 5): stored_result(accuracy=0.25)}, unit="", scale=1.0)
    assert (record.mean, record.std, record.values, record.seeds) == (0.25, None, (0.25,), (5,))
    assert record.metric == "accuracy"


def test_a_metric_counts_the_seeds_that_have_it():
    """A metric that some cells lack came with the seeds and costs of all of them."""
    cells = [Cell(OURS, "cora", seed) for seed in range(4)]
    results = {
        cells[0]: stored_result(1.0, 10.0, accuracy=0.1),
        cells[1]: stored_result(2.0, 20.0, accuracy=0.2, **{"kNN accuracy": 0.6}),
        cells[2]: stored_result(3.0, 30.0, accuracy=0.3),
        cells[3]: stored_result(4.0, 40.0, accuracy=0.4, **{"kNN accuracy": 0.8}),
    }
    accuracy, knn = gathered(results)
    assert accuracy.seeds == (0, 1, 2, 3)
    assert knn.seeds == (1, 3)
    assert knn.values == pytest.approx((60.0, 80.0))
    assert knn.std == pytest.approx(np.std([60.0, 80.0], ddof=1))
    assert (knn.seconds, knn.peak_mb) == (3.0, 30.0)
    assert gathered(results, metrics=("no such metric",)) == []


def test_published_numbers_and_verdicts_go_to_their_own_record_only():
    number = Published(84.2, "a paper", True)
    cells = [Cell(system, dataset, 0) for dataset in ("cora", "photo") for system in (OURS, BASE)]
    results = {cell: stored_result(accuracy=0.5, **{"kNN accuracy": 0.4}) for cell in cells}
    published = {
        (OURS.name, "cora"): number,
        (OURS.name, "elsewhere"): Published(1.0, "x", True),
        ("ours", "photo"): number,
    }
    verdicts = {(BASE.name, "photo"): "not seen", (OURS.name, "nowhere"): "seen"}
    records = gathered(results, published=published, verdicts=verdicts)
    assert len(records) == 8
    with_number = [(r.system, r.dataset, r.metric) for r in records if r.published]
    assert with_number == [(OURS.name, "cora", "accuracy %")]
    assert next(r.published for r in records if r.published) is number
    with_verdict = [(r.system, r.dataset, r.metric, r.verdict) for r in records if r.verdict]
    assert with_verdict == [(BASE.name, "photo", "accuracy %", "not seen")]
