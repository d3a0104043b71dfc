"""The graphs study: what it plans, one small part of it run for real, and that a second run trains nothing."""

import json
import shutil
import statistics
from importlib.metadata import entry_points

import pytest
import torch

from benchmarks.graphs import BENCHMARK, plan, study
from benchmarks.graphs.plain_pyg import PlainGraphMAE
from benchmarks.graphs.published import PUBLISHED
from benchmarks.graphs.speed import large_graph_records, measure_epochs, speed_records
from core.errors import UserError
from core.registry import resolve
from core.reporting import System, read_records
from core.training import preset_names, read_preset, resolve_settings
from domains.graphs import METHODS
from domains.graphs.data.embedded import EMBEDDED, embedded
from domains.graphs.task import GraphTask
from tests.domains.graphs.toy import toy_graph

PRESETS = preset_names("domains.graphs")
PARTS = [(profile, part) for profile, parts in plan.DATASETS.items() for part in parts]
TINY = (
    System("raw features", "smoothed", "baseline", {"hops": 0}),
    System("SGC-smoothed features", "smoothed", "baseline"),
    System("untrained encoder", "graphmae", "untrained", {"epochs": 0, "hidden": 16}),
    System("GraphMAE", "graphmae", "method", {"epochs": 3, "hidden": 16}),
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The folder of a finished run of the smallest part: two seeds, three epochs."""
    folder = tmp_path_factory.mktemp("results")
    run_tiny(folder)
    return folder


def run_tiny(folder, seeds=2):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plan.DATASETS["quick"], "wine-knn", (TINY, 3))
        return study.run("quick", seeds, folder, only=["wine-knn"])


def without_time(records):
    return [{k: v for k, v in r.to_json().items() if k not in ("date", "versions", "machine")} for r in records]


def test_registered():
    (point,) = entry_points(group="counterpoint.benchmarks", name="graphs")
    assert point.load() is BENCHMARK
    assert resolve(BENCHMARK.target) is study.run


@pytest.mark.parametrize(("profile", "part"), PARTS)
def test_every_part_has_a_control_seeds_and_settings_that_are_valid(profile, part):
    systems, usual = plan.DATASETS[profile][part]
    cells = plan.plan(profile, part, None)
    assert usual >= 3
    assert len(cells) == len(systems) * usual
    assert {cell.dataset for cell in cells} == {part.partition(" ")[0]}
    assert len({cell.key() for cell in cells}) == len(cells)
    by_system = {}
    for cell in cells:
        by_system.setdefault(cell.system.name, []).append(cell.seed)
    assert all(seeds == list(range(usual)) for seeds in by_system.values())
    preset = part.partition(" ")[0].lower()
    for system in systems:
        values = read_preset("domains.graphs", preset, system.method)[0] if preset in PRESETS else {}
        resolve_settings(METHODS.settings(system.method), (preset, values), (system.name, system.settings))
    if "ablations" not in part:
        roles = {system.role for system in systems}
        assert {"method", "baseline", "untrained"} <= roles


def test_untrained_encoders_stay_untrained_in_every_profile():
    for profile, part in PARTS:
        for cell in plan.plan(profile, part, 1):
            if cell.system.role == "untrained":
                assert cell.system.settings["epochs"] == 0


def test_quick_needs_no_download_and_caps_the_epochs():
    assert set(plan.DATASETS["quick"]) <= set(EMBEDDED)
    cells = plan.plan("quick", "wine-knn", 2)
    epochs = {cell.system.name: cell.system.settings.get("epochs") for cell in cells}
    assert (epochs["GraphMAE"], epochs["GRACE"], epochs["untrained encoder"]) == (200, 60, 0)
    assert {cell.seed for cell in cells} == {0, 1}
    assert {"GraphMAE", "GRACE", "DGI", "BGRL", "supervised GCN", "raw features"} <= set(epochs)


def test_the_papers_profile_is_the_papers_setting():
    parts = plan.DATASETS["paper"]
    assert {part for part, (_, seeds) in parts.items() if seeds == 20} == {"cora", "citeseer", "pubmed"}
    assert {part for part, (_, seeds) in parts.items() if seeds == 5} == {
        *("IMDB-BINARY", "IMDB-MULTI", "PROTEINS", "MUTAG", "COLLAB", "NCI1"),
    }
    for part in parts:
        (cell,) = [c for c in plan.plan("paper", part, 1) if c.system.name == "GraphMAE"]
        assert not cell.system.settings


def test_published_numbers_belong_to_rows_that_are_run_and_say_where_they_stand():
    rows = {(c.system.name, c.dataset) for p, part in PARTS for c in plan.plan(p, part, 1)}
    # NCI1 runs a tenth of the paper's epochs under a name of its own in the cpu profile, and fully in the paper profile
    assert set(PUBLISHED) <= rows
    for number in PUBLISHED.values():
        assert 40 < number.value < 100
        assert "arXiv" in number.source
        assert number.why
    table = {"cora": 84.2, "IMDB-BINARY": 75.52, "PROTEINS": 75.30, "MUTAG": 88.19, "NCI1": 80.40}
    assert {d: n.value for (name, d), n in PUBLISHED.items() if name == "GraphMAE"} == table


def test_records_are_valid_and_add_up(out):
    records = read_records(out / "graphs" / "quick-wine-knn.json")
    by_row = {(r.system, r.metric): r for r in records}
    assert {name for name, _ in by_row} == {system.name for system in TINY}
    assert {metric for _, metric in by_row} == {"accuracy %", "accuracy at best val %", "kNN accuracy %"}
    for record in records:
        assert (record.domain, record.dataset, record.profile) == ("graphs", "wine-knn", "quick")
        assert record.split == "fixed split, linear probe"
        assert record.seeds == (0, 1)
        assert record.mean == pytest.approx(statistics.fmean(record.values))
        assert record.std == pytest.approx(statistics.stdev(record.values))
        assert all(0 <= value <= 100 for value in record.values)
        assert record.seconds > 0
        assert record.versions["torch"]
    method = by_row["GraphMAE", "accuracy %"]
    assert (method.role, method.settings["epochs"], method.settings["hidden"]) == ("method", 3, 16)
    assert method.settings["weight_decay"] == 0.0  # of the preset
    assert method.verdict in ("seen", "not seen", "within noise")
    assert by_row["raw features", "accuracy %"].verdict is None


def test_values_are_those_of_the_protocol(out):
    """Nothing is learned by the baseline, so its row can be computed without the study."""
    records = read_records(out / "graphs" / "quick-wine-knn.json")
    (raw,) = [r for r in records if (r.system, r.metric) == ("raw features", "accuracy %")]
    graph, task = embedded("wine-knn"), GraphTask()
    method = task.build("smoothed", METHODS.settings("smoothed")(hops=0), graph, torch.Generator())
    expected = [100 * task.evaluate(method, graph, task.evaluation_settings(), seed)["accuracy"] for seed in (0, 1)]
    assert raw.values == pytest.approx(expected)
    assert min(expected) > 80


def test_a_second_run_trains_nothing_and_says_the_same(out):
    before = read_records(out / "graphs" / "quick-wine-knn.json")
    runs = out / "graphs" / "cells" / "quick" / "runs"
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p.name != "quick-wine-knn.json"}
    assert without_time(run_tiny(out)) == without_time(before)
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert len(list(runs.iterdir())) == 8


def test_a_lost_cell_is_read_from_its_run_and_more_seeds_only_add(out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    cells = copy / "graphs" / "cells" / "quick"
    (lost,) = cells.glob("wine-knn-graphmae-1-*.json")
    scores = json.loads(lost.read_text())["scores"]
    lost.unlink()
    checkpoints = {p: p.stat().st_mtime_ns for p in cells.rglob("*.ckpt")}
    assert len(checkpoints) > 0
    records = run_tiny(copy, seeds=3)
    assert json.loads(lost.read_text())["scores"] == scores
    assert {p: p.stat().st_mtime_ns for p in checkpoints} == checkpoints
    assert all(record.seeds == (0, 1, 2) for record in records)
    assert len(list(cells.glob("*.json"))) == 12


def test_an_unknown_part_is_named(tmp_path):
    with pytest.raises(UserError, match="unknown part of the quick profile 'wine'; did you mean 'wine-knn'"):
        study.run("quick", 1, tmp_path, only=["wine"])
    assert not list(tmp_path.iterdir())


def test_plain_pyg_learns_and_is_timed_beside_ours():
    graph = embedded("wine-knn")
    torch.manual_seed(0)
    plain = PlainGraphMAE(13)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        loss = plain(graph.x, graph.edge_index)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < sum(losses[:5])
    seconds = measure_epochs(graph, 2)
    assert set(seconds) == {"GraphMAE", "plain PyG"}
    assert min(seconds.values()) > 0


def test_ratios_of_speed_are_those_of_the_times():
    records = {(r.system, r.metric): r for r in speed_records(toy_graph(nodes=40, width=6), "quick", epochs=1)}
    ours, theirs = (records[name, "CPU s per epoch"].values for name in ("GraphMAE", "plain PyG"))
    ratio = records["GraphMAE over plain PyG", "ratio"]
    assert ratio.values == pytest.approx([a / b for a, b in zip(ours, theirs, strict=True)])
    assert not ratio.higher_is_better
    assert len(ours) == 3


def test_the_large_graph_is_measured_in_parts_and_whole():
    records = large_graph_records("quick", nodes=12_000, edges=20_000)
    assert [(r.role, r.metric) for r in records] == [
        (role, metric) for role in ("method", "baseline") for metric in ("peak extra MB", "s per epoch")
    ]
    assert all(r.dataset.startswith("synthetic, 12,000 nodes") for r in records)
    assert all(min(r.values) > 0 for r in records if r.metric == "s per epoch")
    assert all(len(r.values) == 3 for r in records)
